"""Runs in an agent's process: when the platform is gone, its connection ends at the worst moment.

A message is half sent when VOLTTRON gives up connecting, so signing off fails; and the process is held up for a moment
after VOLTTRON has closed its end of ZeroMQ's monitor. Both happen by themselves on a busy machine, now and then.
"""

import importlib.util
import os
import sys
import time

_CORE = "volttron.messagebus.zmq.zmq_core"
_HELD_UP = 0.3  # seconds


def _wrap(module):
    from zmq import PAIR
    from zmq.green import Socket

    close = Socket.close

    def close_and_be_held_up(self, *args, **kwargs):
        is_monitor = not self.closed and self.socket_type == PAIR
        close(self, *args, **kwargs)
        if is_monitor:
            _sleep(_HELD_UP)

    def fail(self, *args, **kwargs):
        raise RuntimeError("previous send operation is not complete")

    Socket.close = close_and_be_held_up
    module.ZmqCore.stop = fail


class _Finder:
    """Wraps the module when it is first imported, as gevent is to be first."""

    def find_spec(self, name, path, target=None):
        if name != _CORE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def load_and_wrap(module):
            load(module)
            _wrap(module)

        spec.loader.exec_module = load_and_wrap
        return spec


_sleep = time.sleep  # Not gevent's: nothing else in the process is to run meanwhile.
if os.environ.get("AGENT_VIP_IDENTITY") == "failover":
    sys.meta_path.insert(0, _Finder())
