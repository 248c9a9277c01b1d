"""What the commands that order something share: they ask the failover agent, and say what came of it."""

import argparse
import json
import sys
import textwrap
from typing import Any, Callable, Dict

from failover.command.asking import Asker, NoAnswer
from failover.command.exit_status import GOOD, REFUSED
from failover.command.output import show
from failover.command.parsing import add_vip_identity

__all__ = ["EXIT_STATUSES", "add_common_arguments", "ordered"]

EXIT_STATUSES = """exit status:
  0    done
  1    refused, or not done in time; the text says why
  2    the platform answers, but no failover agent of that identity does
  3    no platform answers: it does not run, or its files are not in VOLTTRON_HOME, or it refuses the keys
  64   wrong usage
  74   done or not, its output cannot be written"""


def add_common_arguments(parser: argparse.ArgumentParser, description: str) -> None:
    """Add the arguments that all of these commands have."""
    parser.description = textwrap.fill(description, 78)
    parser.epilog = EXIT_STATUSES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", action="store_true", help="print the answer as one line of JSON")
    add_vip_identity(parser)


def ordered(options: argparse.Namespace, method: str, *args: Any,
            then: Callable[[Asker, Dict[str, Any]], Dict[str, Any]] = lambda asker, answer: answer) -> int:
    """Ask for something to be done, show what came of it, and return the exit status.

    :param then: called with the answer if it was done; returns what came of it in the end.
    """
    asker = Asker(options.vip_identity)
    try:
        answer = asker.order(method, *args)
        if isinstance(answer, dict) and answer.get("done") is True:
            answer = then(asker, answer)
    except NoAnswer as failure:
        if options.json:
            show(json.dumps({"error": str(failure), "exit_status": failure.exit_status}))
        else:
            print(failure, file=sys.stderr, flush=True)
        return failure.exit_status
    finally:
        asker.close()
    done = isinstance(answer, dict) and answer.get("done") is True
    text = answer.get("text") if isinstance(answer, dict) else None
    if options.json:
        show(json.dumps(answer))
    elif done:
        show(str(text))
    else:
        print(text, file=sys.stderr, flush=True)
    return GOOD if done else REFUSED
