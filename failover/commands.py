"""What operators order, as the failover agent's RPC methods do it: the commands of both doors end here.

Each returns what came of it: ``done``, a ``text`` for people, and the number of the ``order`` that holds now.
"""

import logging
from typing import Any, Callable, Dict, Optional

import gevent

from failover import clock
from failover.authority import Authority
from failover.decision.events import Event, PauseAsked, ResumeAsked, SwitchoverAsked
from failover.decision.orders import LONGEST_PAUSE
from failover.decision.state import State
from failover.decision.switching import no_switchover
from failover.text import clean
from failover.words.lines import other_role

__all__ = ["Commands"]

_log = logging.getLogger(__name__)

# Seconds: until this side goes by an order, and until the other one says that it does.
_TAKEN_WITHIN, _KNOWN_WITHIN = 5.0, 3.0
_LOOK_EVERY = 0.02


class Commands:
    """Gives orders to the decision, and waits until they hold.

    :param state: returns the present state.
    :param post: takes an event for the decision.
    :param authority: knows who is asking, and whether they may give orders.
    """

    def __init__(self, state: Callable[[], State], post: Callable[[Event], None], authority: Authority):
        self._state = state
        self._post = post
        self._authority = authority

    def pause(self, seconds: Any, proof: Any = None) -> Dict[str, Any]:
        """Have nobody start the managed agent for so many seconds.

        :param proof: that the caller may order it (:mod:`failover.authority`); the same for the other orders.

        :raises ValueError: that is no number of seconds, or more than a day.
        """
        is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if not is_number or not 0 < seconds <= LONGEST_PAUSE:
            raise ValueError("found {}; wanted: seconds, more than 0 and at most {:g}".format(
                clean(repr(seconds)), LONGEST_PAUSE))
        refusal = self._authority.refusal("pause", [seconds], proof)
        if refusal is not None:
            return self._answer(False, refusal)
        return self._give(PauseAsked(float(seconds)), "paused for {:g} s; meanwhile there is no takeover".format(seconds))

    def resume(self, proof: Any = None) -> Dict[str, Any]:
        """End a pause."""
        refusal = self._authority.refusal("resume", [], proof)
        if refusal is not None:
            return self._answer(False, refusal)
        if not self._state().orders.is_paused:
            return self._answer(False, "the pair is not paused")
        return self._give(ResumeAsked(), "resumed")

    def switchover(self, to: Optional[str] = None, proof: Any = None) -> Dict[str, Any]:
        """Have the side with this instance name, or configured role, run the managed agent; by default the one that is not
        preferred now.
        """
        refusal = self._authority.refusal("switchover", [to], proof)
        if refusal is not None:
            return self._answer(False, refusal)
        state = self._state()
        own, there = state.setup.role, state.peer.heartbeat
        names = {own: own, other_role(own): other_role(own), state.setup.instance_name: own}
        if there is not None:
            names[there.instance_name] = other_role(own)
        role = other_role(state.roles.preferred) if to is None else names.get(to)
        if role is None:
            return self._answer(False, "no switchover: no side is called {}; there are {}".format(
                clean(to), ", ".join(sorted(names))))
        name = state.setup.instance_name if role == own else "the other side" if there is None else there.instance_name
        why = no_switchover(state, role, clock.now())
        if why is not None:
            return self._answer(False, "no switchover to {}: {}".format(name, why))
        return dict(self._give(SwitchoverAsked(role), "switchover to {} ordered".format(name)), to=name)

    def record(self, write: Callable[[], Optional[str]], proof: Any = None) -> Optional[str]:
        """Have what happened lately written down.

        :raises ValueError: the caller may not order that.
        """
        refusal = self._authority.refusal("record", [], proof)
        if refusal is not None:
            raise ValueError(refusal)
        return write()

    def _give(self, event: Event, text: str) -> Dict[str, Any]:
        _log.warning("%s, asked for by %s", text, clean(self._authority.caller()))
        before = self._state().orders.number
        self._post(event)
        if not self._comes(lambda state: state.orders.number > before, _TAKEN_WITHIN):
            return self._answer(False, text + ", but it was not taken; see the log")
        order = self._state().orders[:2]
        self._comes(lambda state: state.orders[:2] != order or self._is_known(state), _KNOWN_WITHIN)
        return self._answer(True, text)

    def _comes(self, is_so: Callable[[State], bool], within: float) -> bool:
        deadline = clock.now() + within
        while not is_so(self._state()):
            if clock.now() >= deadline:
                return False
            gevent.sleep(_LOOK_EVERY)
        return True

    @staticmethod
    def _is_known(state: State) -> bool:
        return state.peer.heartbeat is not None and state.orders.are_those_of(state.peer.heartbeat)

    def _answer(self, done: bool, text: str) -> Dict[str, Any]:
        state = self._state()
        is_known = self._is_known(state)
        if done and not is_known:
            text += "; the other side will learn of it when it is next heard"
        return {"done": done, "text": text, "order": state.orders.number, "known_there": is_known}
