"""Loops that nothing ends but the one who started them."""

import logging
from typing import Any, Callable

import gevent

__all__ = ["persist", "spawn_loop"]

_log = logging.getLogger(__name__)

# Seconds before a loop that broke off begins anew.
_REST = 1.0


def persist(task: Callable[..., Any], *args: Any) -> Any:
    """Run a task to its end; if anything that nobody foresaw breaks it off, log that and begin anew.

    :class:`gevent.Timeout` and whatever else is no :class:`Exception` is caught too. Only
    :class:`gevent.GreenletExit`, by which a greenlet is ended on purpose, passes.
    """
    while True:
        try:
            return task(*args)
        except gevent.GreenletExit:
            raise
        except BaseException:
            try:
                _log.exception("%s failed; it begins anew", getattr(task, "__qualname__", task))
                gevent.sleep(_REST)
            except gevent.GreenletExit:
                raise
            except BaseException:  # Not even the rest may end the loop.
                pass


def spawn_loop(task: Callable[..., Any], *args: Any) -> gevent.Greenlet:
    """Run a task in a greenlet of its own, as :func:`persist` does."""
    return gevent.spawn(persist, task, *args)
