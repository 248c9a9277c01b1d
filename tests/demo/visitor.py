"""Who watches at a terminal may break it with their own hands; while nobody does, the story is told."""

import time

import gevent

from tests.demo.stage import ALARM, FAILURES, Task

# Seconds: until the story begins if no key is pressed; from its end until the demo ends.
STORY_AFTER, ENDS_AFTER = 20, 60
READ_EVERY = 0.05
HANDS = "p, c and f act on the side that is active; the same key again undoes it."


class Visitor:
    """Plays a stage by the keys of a terminal.

    :param install: installs the pair.
    :param tell_story: tells the story, and returns what was measured.
    """

    def __init__(self, stage, actions, keyboard, install, tell_story):
        self._stage = stage
        self._actions = actions
        self._keyboard = keyboard
        self._install = install
        self._tell_story = tell_story
        self._under_way = {}
        # For each key: what it does to the active side, what undoes that, and whether a side is in need of that.
        self._faults = {
            "p": ("power off", actions.power_off, "power on", actions.power_on, lambda view: view.is_off),
            "c": ("cut off", actions.cut, "connect", actions.heal, lambda view: view.is_cut_off),
            "f": ("freeze", actions.freeze, "thaw", actions.thaw, lambda view: view.is_frozen),
        }

    def play(self):
        """Install, then do what the keys say until "q". Return what was measured if the story was told to its end."""
        installation, rows = Task(self._install), []
        key = self._until(lambda: installation.is_over, lambda: "q or Ctrl-C ends it at any time.", "q")
        if key is None:
            installation.result()
            key = self._wait(STORY_AFTER, "Press a key: break it with your own hands. Or watch: a story begins in {:.0f} s.")
        if key is None:
            story = Task(self._tell_story)
            key = self._until(lambda: story.is_over, lambda: "This is the story. Press a key to go on with your own hands.")
            if key is None:
                rows = story.result()
                key = self._wait(ENDS_AFTER, "That was the story. Press a key: now you. Otherwise it ends in {:.0f} s.")
            story.give_up()
        if key not in (None, "q"):
            self._take_over()
            self._stage.headline, self._stage.detail = "in your hands", self._stage.mode.summary
            while key != "q":
                self._press(key)
                key = self._until(lambda: False, lambda: HANDS)
        return rows

    def _take_over(self):
        """Leave what the story has done so far as it is, except for what no key undoes."""
        self._until(lambda: not self._actions.are_under_way, lambda: "", "")
        if self._actions.are_apart:
            self._actions.do(self._actions.cut_direct, False)

    def _wait(self, seconds, notice):
        end = time.monotonic() + seconds
        return self._until(lambda: time.monotonic() >= end, lambda: notice.format(max(0, end - time.monotonic())))

    def _until(self, is_over, notice, allowed="pcfsq"):
        """Return the first key that is pressed, or None once it is over."""
        while not is_over():
            self._stage.keys = [(key, text) for key, text in self._texts() if key in allowed]
            self._stage.notice = notice()
            for key in self._keyboard.read():
                if key in allowed:
                    return key
            self._take_in()
            gevent.sleep(READ_EVERY)
        return None

    def _texts(self):
        for key, (does, _, undoes, _, _) in self._faults.items():
            view = self._faulty(key)
            yield key, f"{undoes} {view.side.role}" if view else does
        yield "s", "switchover"
        yield "q", "quit"

    def _faulty(self, key):
        return next(filter(self._faults[key][-1], self._stage.pair_views), None)

    def _press(self, key):
        if key in self._under_way:
            return
        if key == "s":
            self._under_way[key] = self._actions.begin(self._actions.switchover)
            return
        _, do, _, undo, _ = self._faults[key]
        faulty, active = self._faulty(key), self._stage.active
        if faulty or active:
            self._under_way[key] = self._actions.begin(undo if faulty else do, faulty or active)
        else:
            self._stage.tell(None, "no side is active now: press it again when one is", "yellow")

    def _take_in(self):
        """Tell why an action failed."""
        for key in [key for key, task in self._under_way.items() if task.is_over]:
            try:
                self._under_way.pop(key).result()
            except FAILURES as error:
                lines = str(error).splitlines() or [type(error).__name__]
                # Of a command that failed the first line is the command, the second what it said.
                self._stage.tell(None, lines[1] if len(lines) > 1 and "exit status" in lines[0] else lines[0], ALARM)
