"""The demo: real VOLTTRON platforms on this machine, faults, takeovers and failbacks.

Run it with ``make demo``, or ``make demo MODE=standard``. On a terminal it shows the platforms on a live screen, and keys
break and mend them; into a pipe it tells a story in lines. It is the recipe too: the ``vctl`` commands that it runs are kept
in a file, each after the name of the platform it is run on. All else that it starts and writes is gone when it ends.
"""

import signal

if __name__ == "__main__":
    # Until `main` has taken over the signals there is nothing to clean up: Ctrl-C ends the imports at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.demo.actions import Actions
from tests.demo.faces import Lines, Output, Screen, fits_screen
from tests.demo.installation import Installation
from tests.demo.keyboard import Keyboard, has_keys
from tests.demo.stage import FAILURES, MODES, Interrupted, Stage
from tests.demo.story import STORIES
from tests.demo.visitor import Visitor
from tests.testbed.pair import MANAGED, REPOSITORY
from tests.testbed.platforms import PlatformError

SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT


def main(mode="simple", *rest):
    """Run the demo and return its exit status: 0, 1 after a failure, 2 if there is no such mode, 128 + the signal
    that ended it."""
    if mode not in MODES or rest:
        print(f"MODE is {' '.join([mode, *rest])}; it can be {' or '.join(MODES)}", file=sys.stderr)
        return 2
    signals = []
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: signals.append(number))
    output = Output(signals)
    folder = Path(tempfile.mkdtemp(prefix="failover-demo-"))
    handle, commands = tempfile.mkstemp(prefix="failover-demo-commands-", suffix=".txt")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        file = stack.enter_context(os.fdopen(handle, "w"))
        keyboard = stack.enter_context(Keyboard(signals)) if fits_screen() and has_keys() else None
        face = (Screen if fits_screen() else Lines)(output, file)
        stage = Stage(MODES[mode], folder, face, signals)
        stack.callback(stage.close)
        status = perform(stage, face, keyboard)
        face.say("cleaning up ...")
    face.say(f"All platforms have ended and their files are removed. The commands that were run are in {commands}")
    return status


def perform(stage, face, keyboard):
    """Play, print how it ended, and return the exit status."""
    try:
        rows = stage.run(lambda: play(stage, keyboard))
    except Interrupted as interruption:
        return interruption.status
    except FAILURES as error:
        face.close()
        # A PlatformError brings the end of its platform's log; of others the first line says it all.
        face.say(f"{error}\n" if isinstance(error, PlatformError) else stage.tails())
        reason = str(error).partition("\n")[0] or type(error).__name__
        face.say("\n".join([f"FAILED: {stage.headline}", reason, *stage.words(), f"What to do: {stage.hint}"]))
        return 1
    else:
        face.summary("What was measured", rows or figures(stage))
        face.say(f"Where to go next: {REPOSITORY / 'README.md'} says how to set it up on your machines.")
        return 0
    finally:
        face.close()  # also before the traceback of an error that nobody foresaw


def play(stage, keyboard):
    """Install, have what is to happen happen, and return what was measured: rows of a value and what it is."""
    actions, installation = Actions(stage), Installation(stage)
    story = STORIES[stage.mode.name](stage, actions)
    if keyboard:
        return Visitor(stage, actions, keyboard, installation.perform, story.tell).play()
    installation.perform()
    return story.tell()


def figures(stage):
    """Return what can be said of any run: each outage, and whether both ever ran."""
    runs = stage.runs
    rows = []
    for begin, end in runs.outages:
        where = [name for name, own in runs.intervals.items() if any(since == end for since, _ in own)]
        then = f"then it ran on {where[0]}" if where else "until the end"
        rows.append((f"{end - begin:.1f} s", f"without {MANAGED}, {then}"))
    return rows + [(f"{stage.recorder.overlap():.1f} s", f"{MANAGED} ran on both platforms")]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
