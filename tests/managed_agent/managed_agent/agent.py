"""An agent that does nothing. It stands for the agent that the failover agent starts and stops.

It runs no timer and publishes nothing, so that a benchmark on its platform measures only the others.
"""

import logging

import gevent
from volttron.client.logs import setup_logging
from volttron.client.vip.agent import Agent, Core
from volttron.utils import load_config, vip_main

_log = logging.getLogger(__name__)


class ManagedAgent(Agent):
    """Idles until it is stopped. Config key ``stop_seconds`` (default 0): how long its onstop takes."""

    def __init__(self, config_path=None, **kwargs):
        super().__init__(**kwargs)
        self.stop_seconds = load_config(config_path).get("stop_seconds", 0)

    @Core.receiver("onstart")
    def on_start(self, sender, **kwargs):
        _log.info("managed agent started")

    @Core.receiver("onstop")
    def on_stop(self, sender, **kwargs):
        _log.info("managed agent stops in %s s", self.stop_seconds)
        gevent.sleep(self.stop_seconds)


def main():
    """The console script that the platform starts."""
    setup_logging(level=logging.INFO)
    vip_main(ManagedAgent)
