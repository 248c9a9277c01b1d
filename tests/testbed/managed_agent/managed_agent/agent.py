"""An agent that does nothing. It stands for the agent that the failover agent starts and stops.

It runs no timer and publishes nothing, so that a benchmark on its platform measures only the others.
"""

import logging
import os
import subprocess
import sys

import gevent

try:
    from volttron.client.logs import setup_logging
    from volttron.client.vip.agent import Agent, Core
    from volttron.utils import load_config, vip_main
except ImportError:
    from volttron.platform.agent.utils import load_config, setup_logging, vip_main
    from volttron.platform.vip.agent import Agent, Core

_log = logging.getLogger(__name__)

WORKER = """
import signal, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
time.sleep(600)
"""
DAEMON = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
"""


class ManagedAgent(Agent):
    """Idles until it is stopped. Config keys:

    ``stop_seconds`` (default 0): how long its onstop takes.
    ``stop_status``: the exit status with which its process then ends, at once. Without it, it ends in order.
    ``start_status``: its process ends with this exit status as soon as it has started.
    ``forks`` (default False): it forks a worker that ignores SIGINT and SIGTERM, and a daemon with a session of its own.
    ``health``: the health, "GOOD" or "BAD", that it reports of itself.
    """

    def __init__(self, config_path=None, **kwargs):
        super().__init__(**kwargs)
        config = load_config(config_path)
        self.stop_seconds = config.get("stop_seconds", 0)
        self.stop_status = config.get("stop_status")
        self.start_status = config.get("start_status")
        self.forks = config.get("forks", False)
        self.own_health = config.get("health")

    @Core.receiver("onstart")
    def on_start(self, sender, **kwargs):
        _log.info("managed agent started")
        if self.forks:
            subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            subprocess.run([sys.executable, "-c", DAEMON], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if self.own_health is not None:
            self.vip.health.set_status(self.own_health, "as configured")
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
