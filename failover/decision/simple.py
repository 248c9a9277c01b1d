"""The policy of simple failover: the table alone. The two may run at once while they cannot hear each other."""

from typing import TYPE_CHECKING, NamedTuple, Tuple

from failover.decision.decision import Decision
from failover.decision.heartbeat import Heartbeat
from failover.decision.setup import Setup
from failover.decision.table import Action, look_up
from failover.decision.vocabulary import AgentState, Command, Liveness, Moment, Timing

if TYPE_CHECKING:
    from failover.decision.machine import State

__all__ = ["SimplePolicy"]

_WANTED = {Action.START: Command.START, Action.STOP: Command.STOP}


class SimplePolicy(NamedTuple):
    """A primary that finds its agent not running gives the secondary time to stop its own.

    It waits for the secondary's first word up to two periods, and for the end of what runs there ``stop_grace``. A greeting
    (:mod:`failover.decision.proof`) announces that word.

    :ivar hold_until: until when a start waits.
    :ivar is_extended: whether the secondary has said that its agent runs.
    :ivar is_greeted: whether a start has been put off once for the peer's next heartbeat.
    :ivar said_running: how often in a row the peer has said that its agent runs, up to 2: one heartbeat may be forged.
    """

    hold_until: Moment
    is_extended: bool = False
    is_greeted: bool = False
    said_running: int = 0

    @classmethod
    def at_start(cls, setup: Setup, acting: str, now: Moment) -> "SimplePolicy":
        """Return that of a failover agent that starts now, and acts as the primary or as the secondary."""
        return cls(now + (2 * setup.timing.heartbeat_period if acting == "primary" else 0.0))

    def word(self, heartbeat: Heartbeat, is_news: bool, own: Timing, now: Moment) -> "SimplePolicy":
        """Take in whether the peer says that its agent runs, or may.

        :param is_news: whether it goes by orders that are to hold here too: perhaps the pair is paused.
        """
        said = min(self.said_running + 1, 2) if heartbeat.state == AgentState.RUNNING.value else 0
        policy = self if said == self.said_running else self._replace(said_running=said)
        if now >= self.hold_until:
            return policy
        if is_news:
            return policy._awaiting_next(own, now)
        if not heartbeat.may_run:
            return policy._replace(hold_until=now)
        if self.is_extended:
            return policy
        # One heartbeat alone may be forged, and then nothing that it says lasts for longer than a silence.
        return policy._replace(hold_until=now + min(own.larger(Timing.of(heartbeat)).stop_grace, sum(own)), is_extended=True)

    def greeted(self, heartbeat: Heartbeat, own: Timing, now: Moment) -> "SimplePolicy":
        """Take in what may be a recording: wait for the peer's next heartbeat, once."""
        return self if now >= self.hold_until or not heartbeat.may_run else self._awaiting_next(own, now)

    def _awaiting_next(self, own: Timing, now: Moment) -> "SimplePolicy":
        return self if self.is_greeted else self._replace(
            hold_until=max(self.hold_until, now + 2 * own.heartbeat_period), is_greeted=True)

    def preferred(self, own: Timing, now: Moment) -> "SimplePolicy":
        """This side acts as the primary from now on, while the peer says that its agent may run: it is to stop first."""
        return self._replace(hold_until=max(self.hold_until, now + min(own.stop_grace, sum(own))))

    def runs(self, now: Moment) -> "SimplePolicy":
        """The managed agent runs here: there is nothing to hold back."""
        return self if self.hold_until <= now else self._replace(hold_until=now)

    def decide(self, facts: "State", now: Moment) -> "Tuple[SimplePolicy, Decision]":
        """Return what the table says."""
        timeout, last = facts.setup.timing.timeout, facts.peer.last_heard
        peer = Liveness.DOWN if facts.primary_has_left else facts.sight.liveness(last, last, timeout, now)
        if peer is Liveness.DOWN and facts.proof.is_misled(timeout, now):
            peer = Liveness.UNKNOWN
        action = look_up("simple", facts.roles.acting, peer)
        wanted = _WANTED.get(action)
        if facts.orders.is_paused and not (action is Action.STOP and self._is_second(facts)):
            wanted = None
        return self, Decision(action, peer, wanted=wanted, start_from=self.hold_until)

    def _is_second(self, facts: "State") -> bool:
        """Whether the preferred side runs its agent, by its own word, and both go by the same orders.

        What runs goes on in a pause. But where a cut link had both run, one copy is one too many, and to stop it starts nothing.
        """
        last = facts.peer.heartbeat
        return self.said_running > 1 and last is not None and facts.orders.are_those_of(last)

    def deadline(self, facts: "State") -> Tuple[Moment, ...]:
        """Return the moments at which, while nothing new is heard, the decision may change."""
        timeout, wrong = facts.setup.timing.timeout, facts.proof.wrong
        moments = facts.sight.quiet_since(facts.peer.last_heard) + timeout, self.hold_until
        return moments if wrong is None else (*moments, wrong + timeout)
