"""The policy of standard failover: a lease goes into the table, and never do both sides hold one.

A side *holds the lease* from when it knows that the peer does not run the managed agent until its last *renewal* is
``timeout`` old. The lease is taken when the table says start, and given up when it says anything else.

* **A renewal** shows that the peer, too, can know that this side is alive. For either side: an answer of VOLTTRON Central
  (VC), dated just before the heartbeat that went with the question. For the primary also: a heartbeat of the secondary
  that acknowledges one of this start of the primary, dated when the acknowledged one was sent.
* **A sighting** shows that the peer lives, or that its managed agent runs: a heartbeat of it, directly or over VC's bus, or
  the word of its platform's VC agent (VCP) that the managed agent runs there.
* **To obtain the lease** a side needs a renewal, and one of three: the peer's *release notice* (the primary only), which is
  a heartbeat that acknowledges this start of the primary and says "not running", dated like a renewal and not older than
  ``timeout``; the primary's farewell (:mod:`failover.decision.release`); or its *silence*: no sighting for
  ``timeout + heartbeat_period + stop_grace`` and 2.02 % more, during which VC's answers never lapsed, and VCP asked in vain
  meanwhile. A secondary's "not running" does not break the primary's silence. The lease is *verified* then.
* **The secondary gives the lease up** as soon as it sights the primary: then its table says stop. **The primary** gives it
  up when it does not hear the secondary, and VCP says that the managed agent runs there: nobody there would stop that copy.

Why the two never run at once. The primary runs only within ``timeout`` of a moment at which it sent a heartbeat that
reached either VC or the secondary. In both cases the secondary hears it, or its own connection to VC has lapsed. So when
the secondary's silence is over, the primary's last renewal is older than that silence, and the primary has stopped. The
other way round the same holds, and the primary's heartbeats keep the secondary from starting. Clocks may differ in rate
by 1 % each. This needs a ``stop_grace`` that is not shorter than a heartbeat period; the configuration sees to that.

Who gives the lease up has ``stop_grace`` from then on to stop its agent; a copy that appears later gets no time of its own.
A lease that was held when the failover agent ended may be taken up by its next start, if the managed agent still runs and
the lease has not ended meanwhile; its end is on file (:class:`failover.decision.setup.Record`).
"""

from math import inf
from typing import TYPE_CHECKING, NamedTuple, Optional, Tuple

from failover.decision.decision import Decision
from failover.decision.effects import AskVcp
from failover.decision.release import is_released
from failover.decision.setup import Record
from failover.decision.table import Action, look_up
from failover.decision.vocabulary import AgentState, Command, Lease, Liveness, Moment
from failover.decision.witness import Witness

if TYPE_CHECKING:
    from failover.decision.machine import State

__all__ = ["LeasePolicy"]

# Seconds after which a question to VCP is lost: VCP itself waits 5 s for its platform's control, and says nothing then.
_VCP_WITHIN = 6.0


class LeasePolicy(NamedTuple):
    """The lease of this side, and the evidence that only it goes by.

    :ivar started: since when silence may count.
    :ivar on_file: when the lease ends that the last start left; ``started`` if it left none.
    :ivar given_up_at: since when this side holds no lease; None while it does. Minus infinity once the managed agents are
        known to be gone since: what appears later has no time of its own to stop.
    :ivar is_taken_up: whether it holds the last start's, and has not seen yet whether the managed agent runs.
    :ivar contact: when the last heartbeat was sent that the peer has acknowledged.
    :ivar sighted: when the peer was last sighted.
    :ivar sighted_running: when it was last sighted in a way that lets its managed agent run.
    """

    started: Moment
    on_file: Moment
    given_up_at: Optional[Moment]
    is_taken_up: bool
    witness: Witness
    contact: Optional[Moment] = None
    sighted: Optional[Moment] = None
    sighted_running: Optional[Moment] = None

    @classmethod
    def at_start(cls, record: Record, now: Moment) -> "LeasePolicy":
        """Return what the last start has left."""
        until = now if record.lease_until is None else record.lease_until
        is_held = until > now
        return cls(now, until, None if is_held else now, is_held, Witness(is_apart=record.vc_apart))

    # Reading

    @property
    def is_held(self) -> bool:
        """Whether this side may run the managed agent."""
        return self.given_up_at is None

    def until(self, facts: "State") -> Moment:
        """Return when the lease that is held ends, or one that is not held would."""
        period, answered = facts.agreement.lease_period, self.witness.answered
        until = min(self.on_file, self.started + period)  # `timeout` may be shorter now than when it was written.
        if answered is not None and answered + period > until:
            until = answered + period
        if self.contact is not None and self.contact + period > until and facts.roles.acting == "primary":
            until = self.contact + period
        return until

    def silent_since(self, facts: "State") -> Optional[Moment]:
        """Return since when VC has vouched for the peer's silence; None while it does not.

        The primary listens for "running" only, the secondary for any sighting. A VC by which the peer does not go cannot
        vouch for it.
        """
        unbroken = self.witness.unbroken_since
        if unbroken is None or self.witness.is_apart:
            return None
        sighted = self.sighted_running if facts.roles.acting == "primary" else self.sighted
        return max(moment for moment in (self.started, unbroken, sighted, facts.proof.doubted) if moment is not None)

    def stop_within(self, grace: float, now: Moment) -> float:
        """Return what is left of ``stop_grace``, which begins when the lease is given up, not with each stop."""
        return grace if self.given_up_at is None else max(0.0, self.given_up_at + grace - now)

    def peer_liveness(self, facts: "State", now: Moment) -> Liveness:
        """Return what is known of the other failover agent. To the primary, "up" means contact both ways.

        The secondary believes a primary at once that says it has ended and its managed agent is gone.
        """
        if facts.primary_has_left:
            return Liveness.DOWN
        sign = self.contact if facts.roles.acting == "primary" else self.sighted
        return facts.sight.liveness(sign, facts.peer.last_heard, facts.agreement.timing.timeout, now)

    def vc_liveness(self, facts: "State", now: Moment) -> Liveness:
        """Return what is known of VC."""
        timeout, answered = facts.agreement.timing.timeout, self.witness.answered
        if answered is not None and now - answered < timeout:
            return Liveness.UP
        return Liveness.UNKNOWN if now - facts.sight.listening_since < timeout else Liveness.DOWN

    def deadline(self, facts: "State") -> Tuple[Moment, ...]:
        """Return the moments at which, while nothing new is heard, the decision may change."""
        timing, witness = facts.agreement.timing, self.witness
        since = [moment for moment in (self.started, witness.unbroken_since, self.sighted, self.sighted_running,
                                       facts.proof.doubted) if moment is not None]
        return (facts.sight.quiet_since(facts.peer.last_heard) + facts.setup.timing.timeout, self.until(facts),
                facts.sight.listening_since + timing.timeout, max(since) + facts.agreement.silence_needed)

    # Evidence

    def after(self, facts: "State", now: Moment) -> "LeasePolicy":
        """Give up what is not held any more at this moment, before anything new is taken in."""
        witness = self.witness.after(facts.agreement.timing.heartbeat_period, now)
        policy = self if witness is self.witness else self._replace(witness=witness)
        if policy.given_up_at is None and now >= policy.until(facts):
            return policy._replace(given_up_at=policy.until(facts))
        return policy

    def renewed(self, contact: Moment) -> "LeasePolicy":
        """The peer has acknowledged a heartbeat that was sent then."""
        return self if self.contact is not None and contact <= self.contact else self._replace(contact=contact)

    def seen(self, may_run: bool, now: Moment) -> "LeasePolicy":
        """The peer was sighted.

        :param may_run: whether its managed agent may run, by that sighting.
        """
        return self._replace(sighted=now, sighted_running=now if may_run else self.sighted_running)

    def heard(self, may_run: bool, now: Moment) -> "LeasePolicy":
        """A heartbeat of the peer came. VCP is asked, and its word counts, only in the peer's silence."""
        policy = self.seen(may_run, now)
        if self.witness.vcp_word is None:
            return policy
        return policy._replace(witness=self.witness._replace(vcp_word=None))

    def vcp_said(self, runs: Optional[bool], asked_at: Moment, facts: "State", now: Moment) -> "LeasePolicy":
        """VCP said whether the managed agent runs there, or nothing. If it does not run, nobody runs it there."""
        if not runs:
            return self._replace(witness=self.witness._replace(
                vcp_is_asked=False, vcp_in_vain=asked_at, vcp_word="no answer" if runs is None else "does not run"))
        policy = self.seen(True, now)._replace(witness=self.witness._replace(vcp_is_asked=False, vcp_word="runs"))
        is_alone = facts.roles.acting == "primary" and policy.peer_liveness(facts, now) is not Liveness.UP
        return policy.given_up(now) if is_alone else policy

    def forgotten(self, now: Moment) -> "LeasePolicy":
        """What this side knew of when things were does not hold: it begins anew, as after a start."""
        witness = self.witness.reset()._replace(answered=None, vcp_in_vain=None)
        return self.given_up(now)._replace(started=now, on_file=now, contact=None, witness=witness)

    def spent(self) -> "LeasePolicy":
        """The managed agents are known not to run: the time to stop them is over, whatever appears later."""
        return self if self.given_up_at in (None, -inf) else self._replace(given_up_at=-inf)

    def given_up(self, now: Moment) -> "LeasePolicy":
        """This side may not run the managed agents any more, and has ``stop_grace`` to stop them."""
        return self if self.given_up_at is not None else self._replace(given_up_at=now)

    # Conclusions

    def decide(self, facts: "State", now: Moment) -> "Tuple[LeasePolicy, Decision]":
        """Do what the table says; the lease follows. It is taken with a start, and given up with anything else."""
        policy = self._checked(facts, now) if self.is_taken_up else self
        role, until = facts.roles.acting, policy.until(facts)
        peer, vc = policy.peer_liveness(facts, now), policy.vc_liveness(facts, now)
        lease = policy._lease(facts, peer, until, now)
        action = look_up("standard", role, peer, vc, lease)
        if facts.orders.is_paused and lease is Lease.HELD:
            # What runs goes on though the peer has come back, which may start nothing.
            return policy, Decision(action, peer, vc, lease, None, start_before=until)
        if action is Action.START and not facts.orders.is_paused:
            if policy.given_up_at is not None:
                policy = policy._replace(given_up_at=None)
            return policy, Decision(action, peer, vc, lease, Command.START, start_before=until)
        if action is not Action.START and policy.is_held:
            policy, lease = policy.given_up(now), Lease.NONE
            action = look_up("standard", role, peer, vc, lease)
        return policy, Decision(action, peer, vc, lease, Command.STOP)

    def _checked(self, facts: "State", now: Moment) -> "LeasePolicy":
        """The lease of the last start was for agents that run. What does not run is not started by it."""
        states = [one.state for one in facts.agents]
        if AgentState.UNKNOWN in states:
            return self
        policy = self._replace(is_taken_up=False)
        return policy if AgentState.RUNNING in states else policy.given_up(now)._replace(on_file=self.started)

    def _lease(self, facts: "State", peer: Liveness, until: Moment, now: Moment) -> Lease:
        """Return what this side's evidence comes to."""
        if now >= until:
            return Lease.NONE
        if self.given_up_at is None:
            return Lease.HELD
        is_verified = is_released(facts, now) or self._is_silence_complete(facts, peer, now)
        return Lease.VERIFIED if is_verified else Lease.NONE

    def _is_silence_complete(self, facts: "State", peer: Liveness, now: Moment) -> bool:
        since = self.silent_since(facts)
        if since is None or peer is Liveness.UNKNOWN or now - since < facts.agreement.silence_needed:
            return False
        if facts.agreement.peer_instance is None:
            return True
        witness = self.witness
        return not witness.awaits_vcp(now) and witness.vcp_in_vain is not None and witness.vcp_in_vain >= since

    def asking_vcp(self, facts: "State", peer: Liveness, now: Moment) -> "Tuple[LeasePolicy, Tuple[AskVcp, ...]]":
        """Ask the peer platform's VCP once a period in the peer's silence.

        Who has started goes on asking as long as the other failover agent is not heard: it may have missed a copy, or one
        may have come back without its failover agent.
        """
        witness, since, period = self.witness, self.silent_since(facts), facts.agreement.timing.heartbeat_period
        instance = facts.agreement.peer_instance
        if (witness.awaits_vcp(now) or instance is None or since is None or now - since < 2 * period
                or self.is_held and peer is Liveness.UP
                or witness.vcp_asked is not None and now - witness.vcp_asked < period):
            return self, ()
        # It is asked at least twice in a silence. The last question of the silence has until just after it.
        needed = facts.agreement.silence_needed
        within, left = min(_VCP_WITHIN, needed / 2 - period), since + needed + period / 2 - now
        ask = AskVcp(instance, facts.setup.managed, left if 0 < left < within + period else within)
        return self._replace(witness=witness._replace(vcp_asked=now, vcp_is_asked=True)), (ask,)
