"""Tells the platform how this agent is, and what has changed: alerts, health and records, one at a time."""

import logging
from typing import Any, Callable, Mapping, Tuple

import gevent
from gevent.queue import Full, Queue

from failover import compat

__all__ = ["Reporter"]

_log = logging.getLogger(__name__)

# Seconds that one report may take. VOLTTRON's calls for them may wait without a limit.
_REPORT_WITHIN = 15.0
_REPORTS = 100


class Reporter:
    """Sends what there is to report, in its order.

    :param agent: whose alerts and health they are.
    :param key: under which alert filters know this agent.
    :param lost: called when reports are being lost.
    """

    def __init__(self, agent: Any, key: str, lost: Callable[[], None]):
        self._agent = agent
        self._key = key
        self._lost = lost
        self._reports: Queue[Callable[[], None]] = Queue(maxsize=_REPORTS)

    def alert(self, is_bad: bool, context: str) -> None:
        """Have an alert sent."""
        status = compat.Status.build(compat.STATUS_BAD if is_bad else compat.STATUS_GOOD, context=context)
        self._enqueue(lambda: self._agent.vip.health.send_alert(self._key, status))

    def health(self, health: Tuple[str, str]) -> None:
        """Have this status and text become the agent's health."""
        self._enqueue(lambda: self._agent.vip.health.set_status(*health))

    def record(self, topic: str, date: str, message: Mapping[str, Any]) -> None:
        """Have this published for historians, which keep one message of a topic for each date."""
        self._enqueue(lambda: self._agent.vip.pubsub.publish(
            "pubsub", topic, headers={"Date": date}, message=dict(message)).get())

    def _enqueue(self, report: Callable[[], None]) -> None:
        try:
            self._reports.put_nowait(report)
        except Full:
            self._lost()

    def run(self) -> None:
        """Send what comes, for ever."""
        while True:
            report = self._reports.get()
            try:
                with gevent.Timeout(_REPORT_WITHIN):
                    report()
            except gevent.Timeout:
                _log.warning("a report was not taken by the message bus within %g s", _REPORT_WITHIN)
