"""What can be done to the platforms of a stage, by the story or by a visitor."""

import functools

from tests.demo.stage import ALARM, NEWS, Task, Unexpected

# Seconds.
SWITCHOVER_WITHIN = 120


class Actions:
    """Each of these waits until it is done. `do` does one so that it is done to its end, whoever waits for it."""

    def __init__(self, stage):
        self._stage = stage
        self._under_way = []
        self.are_apart = False

    def do(self, action, *args):
        return self.begin(action, *args).result()

    def begin(self, action, *args):
        task = Task(action, *args)
        self._under_way = [one for one in self._under_way if not one.is_over] + [task]
        return task

    @property
    def are_under_way(self):
        return any(not task.is_over for task in self._under_way)

    def power_off(self, view):
        self._stage.tell(view, "power cut: all its processes are killed at once", ALARM)
        view.is_off = True
        self._stall()  # A machine without power refuses no connection.
        self._stage.in_threads((view.platform.power_off,))
        view.lose()

    def power_on(self, view):
        """The platform starts, and with it the failover agent, which is enabled."""
        self._stage.tell(view, "power on again", NEWS)
        self._stage.in_threads((view.platform.start, None, lambda: True))
        view.is_off = False
        self._stall()
        view.observe()
        if view in self._stage.vcps:
            self._stage.vcps[view].restart()

    def cut(self, view):
        others = "the other side and to VC are" if self._stage.central else "the other side is"
        self._stage.tell(view, f"its link{'s' * bool(self._stage.central)} to {others} cut", ALARM)
        view.is_cut_off = True
        self._stall()

    def heal(self, view):
        self._stage.tell(view, "connected again", NEWS)
        view.is_cut_off = False
        self._stall()

    def cut_direct(self, cut):
        """Cut the links between the two sides alone, or restore them. VC is still reached."""
        what, style = ("cut", ALARM) if cut else ("restored", NEWS)
        self._stage.tell(None, f"the links between the two sides are {what}", style)
        self.are_apart = cut
        self._stall()

    def freeze(self, view):
        self._stage.tell(view, "frozen: all its processes are stopped in mid-air", ALARM)
        self._stage.in_threads((view.platform.freeze,))

    def thaw(self, view):
        self._stage.tell(view, "thawed", NEWS)
        self._stage.in_threads((view.platform.thaw,))

    def switchover(self):
        """Order a switchover, with the product's own command, on a side that answers."""
        views = self._stage.pair_views
        view = self._stage.active or next((view for view in views if view.status), None)
        if view is None:
            raise Unexpected("no failover agent answers that could be told to")
        self._stage.tell(view, "switchover is ordered here", NEWS)
        order = functools.partial(view.platform.vctl, "failover", "switchover", timeout=SWITCHOVER_WITHIN)
        [said] = self._stage.in_threads((order,))
        self._stage.tell(view, f"switchover: {said.strip()}", "bold green")

    def _stall(self):
        """Have the relays pass on only what gets from one place to the other."""
        views = {view.side: view for view in self._stage.pair_views}
        for side, other in self._stage.pair.each_way:
            here, there = views[side], views[other]
            gone = self.are_apart or there.is_off or here.is_cut_off or there.is_cut_off
            (side.to_other.stall if gone else side.to_other.resume)()
            if side.to_central:
                (side.to_central.stall if here.is_cut_off else side.to_central.resume)()
