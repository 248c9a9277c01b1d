"""An agent that does nothing. It stands for the agent that the failover agent starts and stops.

It runs no timer and publishes nothing, so that a benchmark on its platform measures only the others.
"""

import logging
import os

import gevent

try:
    from volttron.client.logs import setup_logging
    from volttron.client.vip.agent import Agent, Core
    from volttron.utils import load_config, vip_main
except ImportError:
    from volttron.platform.agent.utils import load_config, setup_logging, vip_main
    from volttron.platform.vip.agent import Agent, Core

_log = logging.getLogger(__name__)


class ManagedAgent(Agent):
    """Idles until it is stopped. Config keys:

    ``stop_seconds`` (default 0): how long its onstop takes.
    ``stop_status``: the exit status with which its process then ends, at once. Without it, it ends in order.
    ``start_status``: its process ends with this exit status as soon as it has started.
    """

    def __init__(self, config_path=None, **kwargs):
        super().__init__(**kwargs)
        config = load_config(config_path)
        self.stop_seconds = config.get("stop_seconds", 0)
        self.stop_status = config.get("stop_status")
        self.start_status = config.get("start_status")

    @Core.receiver("onstart")
    def on_start(self, sender, **kwargs):
        _log.info("managed agent started")
        if self.start_status is not None:
            os._exit(self.start_status)

    @Core.receiver("onstop")
    def on_stop(self, sender, **kwargs):
        _log.info("managed agent stops in %s s", self.stop_seconds)
        gevent.sleep(self.stop_seconds)
        if self.stop_status is not None:
            os._exit(self.stop_status)


def main():
    """What the platform starts: modular VOLTTRON as a console script, the monolithic one by running this module."""
    setup_logging(level=logging.INFO)
    vip_main(ManagedAgent)


if __name__ == "__main__":
    main()
