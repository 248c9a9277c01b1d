"""Loops that nothing ends but the one who started them."""

import contextlib
import logging
import os
import traceback
from typing import Any, Callable, Iterator

import gevent

from failover.text import clean

__all__ = ["persist", "spawn_loop", "survived", "surviving"]

_log = logging.getLogger(__name__)

# Seconds before a loop that broke off begins anew.
_REST = 1.0
# So many places in the code are named where something failed.
_PLACES = 3


@contextlib.contextmanager
def surviving(what: str) -> Iterator[None]:
    """Let nothing that is raised inside break off more than what is inside, and log it.

    :class:`gevent.Timeout` and whatever else is no :class:`Exception` is caught too. Only
    :class:`gevent.GreenletExit` passes, by which a greenlet is ended on purpose.
    """
    try:
        yield
    except gevent.GreenletExit:
        raise
    except BaseException as error:
        survived(what, error)


def survived(what: str, error: BaseException) -> None:
    """Log that something failed, in one line. A KeyboardInterrupt goes to the main greenlet instead.

    Python raises that in whichever greenlet runs when a SIGINT comes, which is not for that greenlet to take.
    """
    if isinstance(error, KeyboardInterrupt):
        gevent.spawn(_raise, error)  # gevent hands on to the main greenlet what so ends another one.
        return
    places = ["{}, line {}".format(os.path.basename(one.filename), one.lineno)
              for one in reversed(traceback.extract_tb(error.__traceback__)[-_PLACES:])]
    _log.warning("%s failed%s: %s", what, " in " + ", called from ".join(places) if places else "", clean(repr(error)))


def _raise(error: BaseException) -> None:
    raise error


def persist(task: Callable[..., Any], *args: Any) -> Any:
    """Run a task to its end; if anything that nobody foresaw breaks it off, log that and begin anew after a second."""
    while True:
        with surviving(getattr(task, "__qualname__", str(task))):
            return task(*args)
        with surviving("the rest before it begins anew"):
            gevent.sleep(_REST)


def spawn_loop(task: Callable[..., Any], *args: Any) -> "gevent.Greenlet[..., Any]":
    """Run a task in a greenlet of its own, as :func:`persist` does."""
    return gevent.spawn(persist, task, *args)
