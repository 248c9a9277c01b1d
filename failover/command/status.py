"""``python -m failover status``: shows what a failover agent of the local platform knows and does."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
from typing import Any, Callable, Dict, Optional

from failover import clock
from failover.command import output
from failover.command.asking import ANSWER_WITHIN, MISSING, Asker, NoAnswer
from failover.command.exit_status import BAD, GOOD, INTERRUPTED
from failover.command.page import render, without_answer
from failover.command.panels import panels
from failover.command.parsing import add_vip_identity, interval

if MISSING is None:
    import gevent

__all__ = ["HELP", "Looks", "add_arguments", "run"]

HELP = "show the status of a failover agent of this platform"

_EXIT_STATUSES = """exit status, with --watch that of the last look:
  0    its health is GOOD
  1    its health is BAD, or not known yet
  2    the platform answers, but no failover agent of that identity does
  3    no platform answers: it does not run, or its files are not in VOLTTRON_HOME, or it refuses the keys
  64   wrong usage
  74   its output cannot be written
  130  interrupted before it had looked"""

# Seconds, for the connection and for the answer. While watching, the next look comes soon.
_ANSWER_WITHIN_WHILE_WATCHING = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand, and to its help what its exit statuses mean."""
    parser.description = "Show the status of a failover agent of this platform."
    parser.epilog = _EXIT_STATUSES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", action="store_true", help="print the status as JSON, one line for each look; "
                                                            "without an answer a line with the key \"error\"")
    parser.add_argument("--watch", action="store_true", help="look again and again until interrupted")
    parser.add_argument("--interval", type=interval, default=2.0, metavar="SECONDS",
                        help="between two looks, at least 0.1 (default 2)")
    add_vip_identity(parser)


def run(options: argparse.Namespace) -> int:
    """Show the status, once or until interrupted, and return the exit status of the last look."""
    asker = Asker(options.vip_identity, _ANSWER_WITHIN_WHILE_WATCHING if options.watch else ANSWER_WITHIN)
    looks = Looks(asker.ask_status, options.vip_identity, options.json,
                  on_terminal=options.watch and sys.stdout is not None and sys.stdout.isatty())
    if MISSING is None:
        # Ctrl-C is for this greenlet, whichever one runs when it comes.
        gevent.signal_handler(signal.SIGINT, gevent.kill, gevent.getcurrent(), KeyboardInterrupt)
    try:
        looks.look()
        while options.watch and MISSING is None:
            gevent.sleep(options.interval)
            looks.look()
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        output.discard()
    with contextlib.suppress(KeyboardInterrupt):
        asker.close()
    return looks.exit_status


def _shows_panels() -> bool:
    """Return whether the terminal, and who looks at it, can do with frames and colours."""
    return (os.environ.get("TERM") not in (None, "dumb") and "NO_COLOR" not in os.environ
            and str(sys.stdout.encoding).lower().startswith("utf"))


class Looks:
    """Asks for the status and shows the answer, or why there is none.

    :param ask: returns the status, or raises NoAnswer.
    :param as_json: print one line of JSON for each look.
    :param on_terminal: show one look in the place of the one before, and the last answer while there is none.
    :ivar exit_status: that of the last look.
    """

    def __init__(self, ask: Callable[[], Dict[str, Any]], vip_identity: str, as_json: bool, on_terminal: bool):
        self.exit_status = INTERRUPTED
        self._ask = ask
        self._vip_identity = vip_identity
        self._as_json = as_json
        self._on_terminal = on_terminal
        self._page: Optional[str] = None
        self._answered_at = clock.now()

    def look(self) -> None:
        """Ask once and show what came of it."""
        try:
            status = self._ask()
        except NoAnswer as failure:
            self.exit_status = failure.exit_status
            self._show_failure(failure)
        else:
            self.exit_status = GOOD if status.get("health") == "GOOD" else BAD
            self._show(status)

    def _show(self, status: Dict[str, Any]) -> None:
        if self._as_json:
            output.show(json.dumps(status))
            return
        self._page, self._answered_at = render(status), clock.now()
        if self._on_terminal and _shows_panels():
            self._page = (panels(status, shutil.get_terminal_size().columns) or "") + self._page
        output.show((output.CLEAR if self._on_terminal else "") + self._page)

    def _show_failure(self, failure: NoAnswer) -> None:
        if self._as_json:
            output.show(json.dumps({"error": str(failure), "exit_status": failure.exit_status,
                                    "vip_identity": self._vip_identity}))
        elif self._on_terminal:
            output.show(output.CLEAR + without_answer(str(failure), self._page, clock.now() - self._answered_at))
        else:
            print(failure, file=sys.stderr, flush=True)
