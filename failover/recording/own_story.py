"""What is told of this failover agent itself, its platform and its disk, and the notes that the decision makes."""

from typing import Iterator

from failover.decision.effects import EndAsOrphan, Note, NoteKind, StopForGood
from failover.decision.events import EndAsked, Ended, HeartbeatReceived, Reconfigured, RecordSaved, VcKnown
from failover.recording.words import Step, seconds
from failover.text import Once

__all__ = ["OwnStory"]


class OwnStory:
    """Tells what a step changed, and remembers which notes have been told."""

    def __init__(self) -> None:
        self._once = Once()
        self._is_saved = True

    def tell(self, step: Step) -> Iterator[str]:
        """Return what a step changed."""
        event, after = step.event, step.after
        if isinstance(event, VcKnown):
            yield "VC has the public key {}".format(event.serverkey)
        elif isinstance(event, RecordSaved):
            if event.saved is not self._is_saved:
                yield "state saved to disk again" if event.saved else "state could not be saved to disk"
            self._is_saved = event.saved
        elif isinstance(event, Reconfigured):
            yield "other settings are stored: {}".format(
                ", ".join("{} {:g} s".format(*one) for one in event.settings.timing._asdict().items()))
        elif isinstance(event, EndAsked):
            yield "this failover agent is told to end" + ("" if event.was_let_in else "; it never took part")
        elif isinstance(event, Ended):
            yield "this failover agent ends; the managed agents {}".format(
                "have been stopped" if event.is_gone else "may still run")
        if after.planned is None and step.before.planned is not None:
            yield "the stored settings are in use"
        if after.orphan_since is not None and step.before.orphan_since is None:
            yield "the process of the local platform is gone"
        if after.is_replaced and not step.before.is_replaced:
            yield "another process is the local platform now"
        yield from self._effects(step)

    def _effects(self, step: Step) -> Iterator[str]:
        for effect in step.effects:
            if isinstance(effect, StopForGood):
                yield "the managed agents are stopped for good"
            elif isinstance(effect, EndAsOrphan):
                yield "what is left of the local platform is ended within {}, and then this process".format(
                    seconds(effect.within))
            elif isinstance(effect, Note):
                is_refusal = effect.kind is NoteKind.WARNING and isinstance(step.event, HeartbeatReceived)
                yield from self._once.filter(("heartbeat refused: " if is_refusal else "") + effect.text, step.now)
