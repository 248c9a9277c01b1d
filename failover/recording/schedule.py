"""When the recording is written. A pure value, as the decision is: what happened goes in, when it is due comes out."""

from math import inf
from typing import NamedTuple, Tuple

from failover.decision.effects import Effect, EndAsOrphan, Launch, Note, NoteKind, Stop, StopForGood, Want
from failover.decision.vocabulary import Moment

__all__ = ["Schedule"]

# Seconds from what is worth a recording until it is written, so that what came of it is in there too.
_LINGER = 3.0
# Seconds between two writings: at least at first, and at most while what causes them goes on without end. Each writing
# doubles them, and a calm ends this that is several times as long, and not shorter than the last value.
_SHORTEST, _LONGEST, _CALM = 10.0, 1500.0, 300.0
_CALM_TIMES = 4

_WORTH = {Want: "what is wanted changed", Launch: "start", Stop: "stop", StopForGood: "stop for good",
          EndAsOrphan: "the platform is gone"}


class Schedule(NamedTuple):
    """When the recording is to be written next, and why.

    :ivar due: from then on; infinity if there is no reason.
    :ivar whys: the reasons so far, each once.
    :ivar written: when it was last.
    :ivar pause: seconds that must lie between that and the next.
    """

    due: Moment = inf
    whys: Tuple[str, ...] = ()
    written: Moment = -inf
    pause: float = _SHORTEST

    def after(self, effects: Tuple[Effect, ...], now: Moment) -> "Schedule":
        """Take in what a step led to. A managed agent that starts or stops is worth a recording, and so is an alert."""
        schedule = self
        for effect in effects:
            why = _WORTH.get(type(effect))
            if why is None and type(effect) is Note and effect.kind is NoteKind.ALERT:
                why = "alert"
            if why is not None:
                schedule = schedule.asked(why, now)
        return schedule

    def asked(self, why: str, now: Moment) -> "Schedule":
        """There is a reason to write it. What comes soon after shares the writing."""
        if why in self.whys:
            return self
        is_calm = now - self.written >= max(_CALM, _CALM_TIMES * self.pause)
        pause = _SHORTEST if is_calm else self.pause
        return self._replace(due=min(self.due, max(now + _LINGER, self.written + pause)), whys=self.whys + (why,),
                             pause=pause)

    def demanded(self, why: str, now: Moment) -> "Schedule":
        """It is asked for by somebody who waits for it, or this process is about to end: write it now."""
        return self._replace(due=now, whys=self.whys if why in self.whys else self.whys + (why,))

    @property
    def why(self) -> str:
        """The reasons in words."""
        return ", ".join(self.whys)

    def begun(self, now: Moment) -> "Schedule":
        """It is being written."""
        return Schedule(written=now, pause=min(2 * self.pause, _LONGEST))
