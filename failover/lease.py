"""The rules of standard failover: who holds the lease runs the managed agent, and never do both sides hold one.

As in :mod:`failover.core`, nothing here does I/O or reads a clock.

A side *holds the lease* from when it knows that the other side does not run the managed agent until its last *proof*
is ``timeout`` old. Who holds it starts the agent; who does not stops it, whatever else is the case.

* **Proof** that the other side, too, can know that this one is alive. For either side: an answer of VOLTTRON Central
  (VC), dated just before the heartbeat that went with the question. For the primary also: a heartbeat of the secondary
  that acknowledges one of this start of the primary, dated when the acknowledged one was sent.
* **A sighting** shows that the other failover agent lives, or that its managed agent runs: a heartbeat of it, directly
  or over VC's bus, or the word of its platform's VC agent (VCP) that the managed agent runs there.
* **To obtain the lease** a side needs a proof, and one of two: the other side's *word* (the primary only), which is a
  heartbeat that acknowledges this start of the primary and says "not running", dated like a proof and not older than
  ``timeout``; or its *silence*: no sighting for ``timeout + heartbeat_period + stop_grace`` and 2 % more, during which
  VC's answers never lapsed, and VCP asked in vain meanwhile. A secondary's "not running" does not break the primary's
  silence.
* **The secondary gives the lease up** as soon as it sights the primary: then its table says stop. **The primary** gives it
  up when it does not hear the secondary, and VCP says that the managed agent runs there: nobody there would stop that copy.

Why the two never run at once. The primary runs only within ``timeout`` of a moment at which it sent a heartbeat that
reached either VC or the secondary. In both cases the secondary hears it, or its own connection to VC has lapsed. So
when the secondary's silence is over, the primary's last proof is older than that silence, and the primary has stopped.
The other way round the same holds, and the primary's heartbeats keep the secondary from starting. Clocks may differ in
rate by 1 %. That ``stop_grace`` is not shorter than a heartbeat period, which this needs, the configuration sees to.

What one message alone says of the other side's times and name is not believed for longer than one silence, and not at
all where the times are implausible: it may be forged. A second heartbeat of the same start, some time later, confirms it.

Who gives the lease up has ``stop_grace`` from then on to stop its agent. A copy that appears later, started by hand or by
the platform, gets no time of its own: what is over is over, and it is killed at once.

A lease that was held when the failover agent ended may be taken up by its next start, if the managed agent still runs
and the lease has not ended meanwhile; its end is on file (:mod:`failover.memory`).

What a side does, the tables say (:func:`failover.core.look_up`). The lease is what goes into them: held, not held, or to be
had because it is verified that the other side does not run. It is taken when they say start, and given up when they do not.

Evidence about times is only as good as the clock, and silence on VC's bus only if both sides are on it. So a side that finds
that it was set back to a snapshot, or that its clock stood still, gives the lease up and begins anew. And one whose peer goes
by another VC counts no silence. Whoever does not know the other side's times waits as if they were ten times its own.
"""

from typing import Any, Dict, NamedTuple, Optional, Tuple

from failover.config import Config
from failover.core import (CLOCKS_APART, Action, AgentState, Cadence, Core, Decision, Lease, Liveness, Terms, _Suspicion,
                           look_up)
from failover.heartbeat import Heartbeat

__all__ = ["CLOCKS_APART", "LeaseCore", "Remembered"]

# So many periods may lie between two questions that VC answered, or VC's answers have lapsed.
_PERIODS_BETWEEN_ANSWERS = 2

# Times are implausible that are so many times as long as those which are known.
_PLAUSIBLE = 10

# Seconds after which a question to VCP is lost: VCP itself waits 5 s for its platform's control, and says nothing then.
_VCP_WITHIN = 6.0


class Remembered(NamedTuple):
    """What outlives a start of the failover agent.

    :ivar lease_until: seconds on this boot's clock at which the lease ends; None if none was held.
    :ivar own_terms: those that the other side is known to know, by an acknowledgement.
    :ivar peer_terms: the other side's, as last heard.
    :ivar peer_instance: instance name of the other platform, as last heard.
    :ivar mode: the mode of that start, ``simple`` or ``standard``; None if it is not known.
    :ivar claimed_terms: the other side's, as one heartbeat alone has said; None if there are none.
    :ivar vc_apart: whether the other side went by another VC.
    """

    lease_until: Optional[float] = None
    own_terms: Optional[Terms] = None
    peer_terms: Optional[Terms] = None
    peer_instance: Optional[str] = None
    mode: Optional[str] = None
    claimed_terms: Optional[Terms] = None
    vc_apart: bool = False


class _Claim(NamedTuple):
    """What a heartbeat says of its sender and no other one has confirmed.

    :ivar boot_id: the start of the sender.
    :ivar instance: the sender's instance name; None if it is not known any more.
    :ivar since: seconds; when it was heard.
    :ivar until: seconds; until when it counts.
    """

    boot_id: str
    terms: Terms
    instance: Optional[str]
    since: float
    until: float


class LeaseCore(Core):
    """The state of one failover agent in standard failover.

    :param remembered: from the failover agent's last start under this boot of the kernel.
    """

    def __init__(self, config: Config, instance_name: str, vip_identity: str, boot_id: str, now: float,
                 remembered: Remembered = Remembered()):
        super().__init__(config, instance_name, vip_identity, boot_id, now)
        self._started = now
        self._former_terms = remembered.own_terms
        self._peer_terms = remembered.peer_terms
        self._peer_instance = config.remote_instance_name or remembered.peer_instance
        self._claim: Optional[_Claim] = None
        if remembered.claimed_terms is not None:
            self._claim = _Claim("", remembered.claimed_terms, None, now, now + sum(
                self._known_terms.larger(remembered.claimed_terms)) * CLOCKS_APART)
        self._lease_on_file = remembered.lease_until if remembered.lease_until is not None else now
        self._given_up_at: Optional[float] = None if self._lease_on_file > now else now
        self._taken_up = self.holds_lease
        self._ran_last = self.holds_lease
        self._cadence_to_vc = Cadence(config.beat_every, now)
        self._questions: Dict[int, float] = {}
        self._vc_answer: Optional[float] = None
        self._vc_unbroken_since: Optional[float] = None
        self._contact: Optional[float] = None
        self._sighted: Optional[float] = None
        self._sighted_running: Optional[float] = None
        self._vcp_asked: Optional[float] = None
        self._vcp_is_asked = False
        self._vcp_in_vain: Optional[float] = None
        self.vcp_word: Optional[str] = None
        self._vc_key: Optional[str] = None
        self._vc_proven: Optional[int] = None
        self._missing_on_vc: Optional[Tuple[str, int, float]] = None
        self._vc_doubted: Optional[_Suspicion] = None
        self.vc_apart = remembered.vc_apart

    # Evidence

    def vc_known(self, serverkey: str) -> None:
        """This side goes by VC on the platform with this public key."""
        self._vc_key = serverkey

    def heard(self, heartbeat: Optional[Heartbeat], now: float, over_vc: bool = False) -> Optional[str]:
        self._settle(now)
        if heartbeat is not None and over_vc:
            # Even one that has been overtaken shows that the two sides meet there.
            self.vc_apart, self._missing_on_vc, self._vc_doubted = False, None, None
        refusal = super().heard(heartbeat, now)
        if refusal is not None or heartbeat is not None and heartbeat.leaving:
            return refusal
        self.vcp_word = None  # It is asked, and its word counts, in the other side's silence.
        if heartbeat is None:
            self._sight(True, now)
            return None
        if not over_vc:
            self._compare_vc(heartbeat, now)
        self._take_claim(heartbeat, now)
        # One that is configured with the same role is no secondary before it yields.
        self._sight(heartbeat.may_run or self._is_alike(heartbeat) and not heartbeat.yields, now)
        acknowledged = self._acknowledged(heartbeat)
        if acknowledged is not None:
            self._former_terms = None
            self._contact = acknowledged if self._contact is None else max(self._contact, acknowledged)
        return None

    def agent_observed(self, state: AgentState, asked_at: float, now: float) -> None:
        super().agent_observed(state, asked_at, now)
        if self.agent in (AgentState.RUNNING, AgentState.STOPPED, AgentState.MISSING):
            self._ran_last = self.agent is AgentState.RUNNING

    def command_begun(self, command: Action) -> None:
        super().command_begun(command)
        self._ran_last = self._ran_last or command is Action.START

    def process_ended(self) -> None:
        self._ran_last = False

    def beat_to_vc(self, now: float) -> Optional[Heartbeat]:
        """Return the heartbeat to publish now on VC's bus, or None: as :meth:`beat` for the other platform's bus."""
        return self._next_heartbeat(self._cadence_to_vc, now)

    def _new_heartbeat(self, **more: Any) -> Heartbeat:
        return super()._new_heartbeat(vc=self._vc_key, vc_sequence=self._vc_proven, **more)

    def vc_asked(self, heartbeat: Heartbeat, now: float) -> None:
        """The heartbeat went out to VC's bus, and with it a question to VC.

        :param now: seconds; a moment before the heartbeat went out.
        """
        self._cadence_to_vc.sent(heartbeat.may_run, now)
        self._questions[heartbeat.sequence] = now

    def vc_answered(self, sequence: int, now: float) -> None:
        """VC answered the question that went with this heartbeat, and the heartbeat itself came back from VC's bus."""
        self._settle(now)
        asked = self._questions.get(sequence)
        if asked is None:
            return
        self._questions = {later: at for later, at in self._questions.items() if later > sequence}
        self._vc_proven = sequence
        if now - asked <= self.terms.heartbeat_period:
            if self._vc_unbroken_since is None:
                self._vc_unbroken_since = asked
        else:
            self._vc_unbroken_since = None
        if self._vc_answer is None or asked > self._vc_answer:
            self._vc_answer = asked

    def vc_reset(self) -> None:
        """The connection to VC's platform was reset or rebuilt: heartbeats may have been missed."""
        self._questions.clear()
        self._vc_unbroken_since = None

    def vcp_asked(self, now: float) -> None:
        """The other platform's VCP is being asked. An answer or a silence follows within :meth:`vcp_within`."""
        self._vcp_asked = now
        self._vcp_is_asked = True

    def vcp_answered(self, runs: bool, asked_at: float, now: float) -> None:
        """VCP answered whether the managed agent runs on its platform. If it does not, nobody runs it there."""
        self._settle(now)
        self._vcp_is_asked = False
        self.vcp_word = "runs" if runs else "does not run"
        if runs:
            self._sight(True, now)
            if self.role == "primary" and self.liveness(now) is not Liveness.UP:
                self._give_up(now)
        else:
            self._vcp_in_vain = asked_at

    def vcp_silent(self, asked_at: float) -> None:
        """VCP gave no answer, or there is none."""
        self._vcp_is_asked = False
        self.vcp_word = "no answer"
        self._vcp_in_vain = asked_at

    def until_next_beat(self, now: float) -> float:
        return min(super().until_next_beat(now), self._cadence_to_vc.until_next(now))

    # Conclusions

    @property
    def terms(self) -> Terms:
        """The larger of the two sides' times, and of the former ones as long as the other side may not know the new."""
        terms, claim = self._known_terms, self._claim
        return terms if claim is None or not _is_plausible(claim.terms, terms) else terms.larger(claim.terms)

    @property
    def _known_terms(self) -> Terms:
        return Terms.of(self._config).larger(self._peer_terms).larger(self._former_terms)

    @property
    def lease_period(self) -> float:
        """Seconds for which a proof is good. The other side waits for as long as it knows this side to run on."""
        own, former = self._config.timeout, self._former_terms
        return own if former is None else min(own, former.timeout)

    @property
    def silence_needed(self) -> float:
        """Seconds of silence after which the other side has stopped, if it ran.

        Whose times are not known, because this side has lost its memory or never had any, is given the longest ones that
        are plausible.
        """
        return sum(self.terms) * CLOCKS_APART * (1 if self.knows_peer_terms else _PLAUSIBLE)

    @property
    def knows_peer_terms(self) -> bool:
        """Whether the other side's times are known, by heartbeats or from before."""
        return self._peer_terms is not None

    @property
    def holds_lease(self) -> bool:
        """Whether this side may run the managed agent."""
        return self._given_up_at is None

    def may_start(self, now: float) -> bool:
        return (self._lease(now) is Lease.HELD
                and look_up("standard", self.role, self.liveness(now), self.vc(now), Lease.HELD) is Action.START)

    def stop_within(self, now: float) -> float:
        """Return what is left of ``stop_grace``, which begins when the lease is given up, not with each stop."""
        over_since = now if self._given_up_at is None else self._given_up_at
        return max(0.0, over_since + self.terms.stop_grace - now)

    @property
    def may_run(self) -> bool:
        """False only if the managed agent is known not to run here and is not about to."""
        return self.holds_lease or super().may_run

    @property
    def remembered(self) -> Remembered:
        """What the next start should know."""
        return Remembered(self.lease_until if self.holds_lease else None, self._former_terms or Terms.of(self._config),
                          self._peer_terms, self._peer_instance, self._config.mode,
                          self._claim.terms if self._claim is not None
                          and _is_plausible(self._claim.terms, self._known_terms) else None, self.vc_apart)

    @property
    def peer_instance(self) -> Optional[str]:
        """The other platform's instance name, if it is known."""
        return self._peer_instance or (self._claim.instance if self._claim is not None else None)

    @property
    def lease_until(self) -> float:
        """The moment at which the lease that is held ends, or one that is not held would."""
        contact = self._contact if self.role == "primary" else None
        proofs = [proof for proof in (self._vc_answer, contact) if proof is not None]
        return max([self._lease_on_file] + [proof + self.lease_period for proof in proofs])

    def silent_since(self, now: float) -> Optional[float]:
        """Return since when VC has vouched for the other side's silence; None while it does not.

        The primary listens for "running" only, the secondary for any sighting. A VC by which the other side does not go
        cannot vouch for it.
        """
        self._check_vc(now)
        if self._vc_unbroken_since is None or self.vc_apart:
            return None
        sighted = self._sighted_running if self.role == "primary" else self._sighted
        return max(self._started, self._vc_unbroken_since, self._started if sighted is None else sighted)

    def wants_vcp(self, now: float) -> bool:
        """Whether the other platform's VCP should be asked now: once a period in the other side's silence.

        Who has started goes on asking as long as the other failover agent is not heard: it may have missed a copy, or
        one may have come back without its failover agent.
        """
        since, period = self.silent_since(now), self.terms.heartbeat_period
        return (self.peer_instance is not None and since is not None and now - since >= 2 * period
                and not (self.holds_lease and self.liveness(now) is Liveness.UP)
                and not self._vcp_is_asked and (self._vcp_asked is None or now - self._vcp_asked >= period))

    def vcp_within(self, now: float) -> float:
        """Return the seconds that VCP has for its answer. Then it is asked again, because an answer may be lost.

        It is asked at least twice in a silence. The last question of the silence has until just after it.
        """
        since, period = self.silent_since(now), self.terms.heartbeat_period
        within = min(_VCP_WITHIN, self.silence_needed / 2 - period)
        left = 0.0 if since is None else since + self.silence_needed + period / 2 - now
        return left if 0 < left < within + period else within

    def vc(self, now: float) -> Liveness:
        """Return what is known of VC."""
        if self._vc_answer is not None and now - self._vc_answer < self.terms.timeout:
            return Liveness.UP
        return Liveness.UNKNOWN if now - self._listening_since < self.terms.timeout else Liveness.DOWN

    def vc_answer_age(self, now: float) -> Optional[float]:
        """Return the seconds since VC was asked what it last answered; None if it never did."""
        return None if self._vc_answer is None else now - self._vc_answer

    def liveness(self, now: float) -> Liveness:
        """Return what is known of the other failover agent. To the primary, "up" means two-way contact."""
        return self._liveness(self._contact if self.role == "primary" else self._sighted, self.terms.timeout, now)

    def _conclude(self, now: float) -> Decision:
        """Do what the table says; the lease follows. It is taken with a start, and given up with anything else."""
        self._settle(now)
        lease, peer, vc = self._lease(now), self.liveness(now), self.vc(now)
        action = look_up("standard", self.role, peer, vc, lease)
        if action is Action.START:
            self._given_up_at = None
        elif lease is Lease.HELD:
            self._give_up(now)
            action = look_up("standard", self.role, peer, vc, Lease.NONE)
        wanted = Action.START if action is Action.START else Action.STOP
        return Decision(action, self._command(wanted), peer, vc, wanted)

    def _lease(self, now: float) -> Lease:
        """Return what this side's evidence comes to."""
        if now >= self.lease_until:
            return Lease.NONE
        if self.holds_lease:
            return Lease.HELD
        return Lease.VERIFIED if self._other_said_no(now) or self._other_is_silent(now) else Lease.NONE

    def _command(self, action: Action) -> Optional[Action]:
        """A stop breaks off a start that is under way. Else it is due of all that ran when it could last be observed.

        Whether it can be observed now does not matter: control may be silent, or answer with errors.
        """
        ran = self._ran_last and self.agent not in (AgentState.STOPPED, AgentState.MISSING)
        if action is Action.STOP and (self._pending is Action.START or self._pending is None and ran):
            return Action.STOP
        return super()._command(action)

    def _turning_points(self) -> Tuple[float, ...]:
        since = [moment for moment in (self._vc_unbroken_since, self._sighted, self._sighted_running)
                 if moment is not None]
        return (self.lease_until, self._listening_since + self.terms.timeout,
                max([self._started] + since) + self.silence_needed)

    def _settle(self, now: float) -> None:
        """Give up what is not held any more at this moment, before anything new is taken in."""
        self._check_vc(now)
        self._check_claim(now)
        if now >= self.lease_until:
            self._give_up(self.lease_until)
        if self._taken_up and self.agent is not AgentState.UNKNOWN:
            # The lease of the last start was for an agent that runs. What does not run is not started by it.
            self._taken_up = False
            if self.agent is not AgentState.RUNNING:
                self._give_up(now)
                self._lease_on_file = self._started

    def _other_said_no(self, now: float) -> bool:
        if self.role != "primary" or self.peer is None or self.peer.may_run or self._is_simple(self.peer):
            return False
        if self._is_alike(self.peer) and not self.peer.yields:
            return False
        acknowledged = self._acknowledged(self.peer)
        return acknowledged is not None and now - acknowledged < self.lease_period

    def _other_is_silent(self, now: float) -> bool:
        since = self.silent_since(now)
        if since is None or now - since < self.silence_needed or self.liveness(now) is Liveness.UNKNOWN:
            return False
        if self.peer_instance is None:
            return True
        return not self._vcp_is_asked and self._vcp_in_vain is not None and self._vcp_in_vain >= since

    def _sight(self, running: bool, now: float) -> None:
        self._sighted = now
        if running:
            self._sighted_running = now

    def _give_up(self, now: float) -> None:
        if self._given_up_at is None:
            self._given_up_at = now

    def _take_claim(self, heartbeat: Heartbeat, now: float) -> None:
        """Note what a heartbeat says of its sender; believe it if another one of the same start said the same before."""
        terms = Terms.of(heartbeat)
        instance = self._config.remote_instance_name or heartbeat.instance_name
        before = self._claim
        self.doubt = None
        if (terms, instance) == (self._peer_terms, self._peer_instance):
            self._claim = None
        elif before is None or (before.boot_id, before.terms, before.instance) != (heartbeat.boot_id, terms, instance):
            # Without it, the silence would be over by then.
            until = now + sum(self._known_terms) * CLOCKS_APART
            self._claim = _Claim(heartbeat.boot_id, terms, instance, now, until)
            if not _is_plausible(terms, self._known_terms):
                self.doubt = "it claims {}, more than {} times the known values: a second one must confirm them".format(
                    ", ".join("{} {:g} s".format(*one) for one in terms._asdict().items()), _PLAUSIBLE)
        elif now - before.since >= self._config.heartbeat_period / 2:
            self._peer_terms, self._peer_instance = terms, instance
            self._claim = None

    def believes(self, heartbeat: Heartbeat) -> bool:
        """An acknowledgement lets the other side go by its new times: not before they outlive a restart of this one."""
        return self._claim is None or self._claim.boot_id != heartbeat.boot_id

    def _check_claim(self, now: float) -> None:
        """Drop what no second heartbeat has confirmed in time."""
        if self._claim is not None and now >= self._claim.until:
            self._claim = None

    def _acknowledged(self, heartbeat: Heartbeat) -> Optional[float]:
        """Return when the heartbeat of this start was sent that this one acknowledges; None if it acknowledges none."""
        if heartbeat.heard_boot_id != self.boot_id or self._is_simple(heartbeat):
            return None
        return self._sent.get(heartbeat.heard_sequence)

    @staticmethod
    def _is_simple(heartbeat: Heartbeat) -> bool:
        return heartbeat.mode == "simple"

    def _compare_vc(self, heartbeat: Heartbeat, now: float) -> None:
        """Find out whether the other side goes by another VC: then its silence on this one's bus means nothing.

        It says by which one it goes. And if its heartbeats are answered there, but have not come over this side's VC since
        an earlier one came directly, there are two, though they may have the same key.
        """
        missing = self._missing_on_vc
        differs = None not in (heartbeat.vc, self._vc_key) and heartbeat.vc != self._vc_key
        if self._vc_unbroken_since is None:
            self._missing_on_vc = None
        elif missing is None or missing[0] != heartbeat.boot_id or missing[2] < self._vc_unbroken_since:
            self._missing_on_vc = heartbeat.boot_id, heartbeat.sequence, now
        elif heartbeat.vc_sequence is not None and heartbeat.vc_sequence > missing[1]:
            differs = differs or now - missing[2] >= self.terms.timeout / 2
        if not differs:
            self._vc_doubted = None
            return
        self._vc_doubted, is_certain = self._suspect(self._vc_doubted, heartbeat, now)
        self.vc_apart = self.vc_apart or is_certain

    def _forget_own_past(self, why: str, now: float) -> None:
        super()._forget_own_past(why, now)
        self._give_up(now)
        self._started = self._lease_on_file = now
        self._vc_answer = self._contact = self._vcp_in_vain = None
        self.vc_reset()

    def _check_vc(self, now: float) -> None:
        """VC's answers have lapsed if a question is unanswered for a period, or if the last one lies too far back."""
        period = self.terms.heartbeat_period
        if self._vc_unbroken_since is None:
            return
        if (any(now - asked > period for asked in self._questions.values())
                or now - self._vc_answer > _PERIODS_BETWEEN_ANSWERS * period):
            self._vc_unbroken_since = None


def _is_plausible(terms: Terms, known: Terms) -> bool:
    return all(one <= _PLAUSIBLE * other for one, other in zip(terms, known))
