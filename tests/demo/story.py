"""The scripted story: faults, takeovers and failbacks, and what is promised of each. Times are in seconds."""

import time

import gevent

from tests.demo.stage import NEWS, Unexpected
from tests.testbed.pair import MANAGED

LOOK_AROUND = 4
TOO_SLOW = "A machine under heavy load may just have been too slow: try again."
SEE_LOGS = f"The logs above say what the failover agents saw and did. {TOO_SLOW}"
SEE_SECONDARY = f"The log of node-secondary, above, says what its failover agent saw and did. {TOO_SLOW}"
NEVER = "This must never happen. Please report it, with the logs above."


class Story:
    """Told on a stage. `tell` returns what was measured: rows of a value and what it is."""

    def __init__(self, stage, actions):
        self._stage = stage
        self._actions = actions
        self._primary, self._secondary = stage.pair_views

    def tell(self):
        raise NotImplementedError

    def lose_power(self):
        """Cut the primary's power, wait for the takeover and return its figures."""
        stage, primary, secondary = self._stage, self._primary, self._secondary
        name = "timeout" if stage.mode.name == "simple" else "the silence it waits for"
        self._actions.do(self._actions.power_off, primary)
        self.await_runs(secondary, stage.mode.silence + 20)
        stage.wait(lambda: secondary.is_active, 10, "the secondary's own word that it is active")
        took = self.began(secondary) - secondary.heard_at
        stage.tell(secondary, f"takeover {took:.1f} s after the last heartbeat ({name} is {stage.mode.silence:g} s)", NEWS)
        self.pause(LOOK_AROUND)
        return [(f"{took:.1f} s", f"takeover: from the last heartbeat that the secondary heard until its {MANAGED} ran; "
                                  f"{name} is {stage.mode.silence:g} s"),
                (f"{self.last_outage():.1f} s", f"without {MANAGED}: from the power loss until then")]

    def await_runs(self, view, timeout):
        self._stage.wait(lambda: self._stage.runs.on == [view.name], timeout, f"{MANAGED} on {view.name} only")

    def await_settled(self):
        self._stage.wait(lambda: all(view.is_settled for view in self._stage.pair_views), 60,
                         "both failover agents' health GOOD, all links up, and all heard over them")

    def pause(self, seconds):
        gevent.sleep(seconds)

    def began(self, view):
        """When the managed agent's last run on this side began, and `ended`, when it ended."""
        return self._stage.runs.intervals[view.name][-1][0]

    def ended(self, view):
        return self._stage.runs.intervals[view.name][-1][1]

    def last_outage(self):
        begin, end = self._stage.runs.outages[-1]
        return end - begin


class SimpleStory(Story):
    """Power loss of the primary, and its return."""

    def tell(self):
        self._stage.step("1/2 Power loss of the primary", (
            "the secondary takes over when it has heard nothing for "
            f"timeout = {self._stage.mode.timeout:g} s"), SEE_SECONDARY)
        return self.lose_power() + self.give_back()

    def give_back(self):
        stage, primary, secondary = self._stage, self._primary, self._secondary
        stage.step("2/2 The primary returns", (
            f"its failover agent starts {MANAGED}; the secondary hears it and stops its own"), SEE_LOGS)
        began = time.monotonic()
        self._actions.do(self._actions.power_on, primary)
        self.await_runs(primary, 60)
        back, ended = self.began(primary), self.ended(secondary)
        where, remark = "neither platform", ""
        if ended > back:
            where, remark = "both platforms", ", a known limit of simple failover"
        lasted = f"{abs(ended - back):.1f} s"
        stage.tell(secondary, f"failback: {MANAGED} ran on {where} for {lasted}", NEWS)
        self.await_settled()
        self.pause(LOOK_AROUND)
        return [(f"{back - began:.1f} s", f"from switching the primary on until its {MANAGED} ran"),
                (f"{ended - began:.1f} s", f"until the secondary's {MANAGED} had stopped"),
                (lasted, f"it ran on {where} at the failback{remark}")]


class StandardStory(Story):
    """A cut link, an isolated primary, and a power loss. Two copies never run at once."""

    def tell(self):
        rows = []
        for chapter in (self.cut_direct_links, self.isolate, self.reconnect, self.power_loss):
            rows += chapter()
            self.must_not_overlap()
        recorder = self._stage.recorder
        return rows + [(f"{recorder.overlap():.1f} s", (
            f"overlap: {MANAGED} ran on both platforms, from start to end; never more than {recorder.longest_gap:.2f} s "
            "between two looks"))]

    def cut_direct_links(self):
        stage, primary, secondary = self._stage, self._primary, self._secondary
        stage.step("1/4 The direct links are cut", (
            "nothing gets from one platform to the other any more, but their heartbeats still do so through VC"), SEE_LOGS)
        cut_at = time.monotonic()
        self._actions.do(self._actions.cut_direct, True)
        stage.wait(lambda: not any(view.has_link for view in stage.pair_views), 30, "both direct links down")
        # As long as a takeover would need, and more.
        self.pause(cut_at + stage.mode.silence + 2 - time.monotonic())
        lasted = time.monotonic() - cut_at
        if stage.runs.intervals[secondary.name] or not primary.runs:
            raise Unexpected(f"the cut of the direct links changed where {MANAGED} runs")
        stage.tell(secondary, f"no takeover for {lasted:.1f} s: the primary is heard through VC", NEWS)
        self._actions.do(self._actions.cut_direct, False)
        self.await_settled()
        self.pause(LOOK_AROUND / 2)
        return [(f"{lasted:.1f} s", "without the direct links, and no takeover: the heartbeats went through VC")]

    def isolate(self):
        stage, primary, secondary, mode = self._stage, self._primary, self._secondary, self._stage.mode
        stage.step("2/4 The primary is isolated", (
            f"it reaches neither the secondary nor VC, so it stops its {MANAGED} after timeout = {mode.timeout:g} s; the "
            f"secondary waits longer, {mode.silence:g} s"), SEE_LOGS)
        self._tell_why(True)
        cut_at = time.monotonic()
        self._actions.do(self._actions.cut, primary)
        self.await_runs(secondary, mode.silence + 30)
        stopped, started = self.ended(primary) - cut_at, self.began(secondary) - cut_at
        stage.tell(secondary, f"takeover {started:.1f} s after the cut: {started - stopped:.1f} s after the primary's "
                              f"{MANAGED} had stopped", NEWS)
        stage.wait(lambda: secondary.is_active, 10, "the secondary's own word that it is active")
        self._tell_why(False)
        self.pause(LOOK_AROUND)
        return [(f"{stopped:.1f} s", f"from the primary's isolation until its {MANAGED} had stopped; timeout is "
                                     f"{mode.timeout:g} s"),
                (f"{started:.1f} s", f"until the secondary's ran; the silence it waits for is {mode.silence:g} s"),
                (f"{started - stopped:.1f} s", "it ran on neither platform in between")]

    def reconnect(self):
        stage, primary, secondary = self._stage, self._primary, self._secondary
        stage.step("3/4 The primary is connected again", (
            f"the secondary hears it, stops its {MANAGED} and says so; only then the primary starts its own"), SEE_LOGS)
        began = time.monotonic()
        self._tell_why(True)
        self._actions.do(self._actions.heal, primary)
        self.await_runs(primary, 60)
        self._tell_why(False)
        ended, gap = self.ended(secondary) - began, self.last_outage()
        stage.tell(primary, f"failback: {MANAGED} ran on neither platform for {gap:.1f} s", NEWS)
        self.await_settled()
        self.pause(LOOK_AROUND)
        return [(f"{ended:.1f} s", f"from the primary's reconnection until the secondary's {MANAGED} had stopped"),
                (f"{gap:.1f} s", "it ran on neither platform at the failback")]

    def power_loss(self):
        self._stage.step("4/4 Power loss of the primary", (
            f"the secondary hears nothing of it for {self._stage.mode.silence:g} s, neither directly nor through VC, and "
            "asks its VCP there in vain"), SEE_SECONDARY)
        self._tell_why(True)
        return self.lose_power()

    def must_not_overlap(self):
        recorder = self._stage.recorder
        if recorder.overlap():
            self._stage.hint = NEVER
            raise Unexpected(f"{MANAGED} ran on both platforms for {recorder.overlap():.2f} s: "
                             + recorder.story().replace("\n", "; "))

    def _tell_why(self, tells):
        for view in self._stage.pair_views:
            view.tells_why = tells


STORIES = {"simple": SimpleStory, "standard": StandardStory}
