"""A link for a few questions."""

import contextlib
from typing import Iterator

from gevent.event import Event

from failover import clock
from failover.vip.link import Endpoint, Link

__all__ = ["connected"]


@contextlib.contextmanager
def connected(endpoint: Endpoint, within: float) -> Iterator[Link]:
    """Provide a link for a few questions, and close it afterwards. It may not be up yet.

    :param within: seconds in which it should come up, and that each round trip may take.
    """
    changed = Event()
    link = Link(endpoint, within, within, on_change=changed.set)
    try:
        link.start()
        deadline = clock.now() + within
        while not link.up and clock.now() < deadline:
            changed.wait(max(0.0, deadline - clock.now()))
            changed.clear()
        yield link
    finally:
        link.close()
        link.free()
