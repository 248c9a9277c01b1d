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
* **The secondary gives the lease up** as soon as it sights the primary. **The primary** gives it up when it does not
  hear the secondary, and VCP says that the managed agent runs there: nobody there would stop that copy.

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

These conditions keep the documentation's tables (:data:`failover.core.STANDARD`) whenever both cells are known.
"""

from typing import Dict, NamedTuple, Optional, Tuple

from failover.config import Config
from failover.core import STANDARD, Action, AgentState, Cadence, Core, Decision, Liveness, Terms
from failover.heartbeat import Heartbeat

__all__ = ["CLOCKS_APART", "LeaseCore", "Remembered"]

# The clocks of two machines may run apart by 1 % each way.
CLOCKS_APART = 1.02

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
    """

    lease_until: Optional[float] = None
    own_terms: Optional[Terms] = None
    peer_terms: Optional[Terms] = None
    peer_instance: Optional[str] = None
    mode: Optional[str] = None
    claimed_terms: Optional[Terms] = None


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
        self._sent: Dict[int, float] = {}
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

    # Evidence

    def heard(self, heartbeat: Optional[Heartbeat], now: float) -> Optional[str]:
        self._settle(now)
        refusal = super().heard(heartbeat, now)
        if refusal is not None or heartbeat is not None and heartbeat.leaving:
            return refusal
        self.vcp_word = None  # It is asked, and its word counts, in the other side's silence.
        if heartbeat is None:
            self._sight(True, now)
            return None
        self._take_claim(heartbeat, now)
        self._sight(heartbeat.may_run, now)
        acknowledged = self._acknowledged(heartbeat)
        if acknowledged is not None:
            self._former_terms = None
            if self._config.agent_id == "primary":
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

    def beat(self, now: float) -> Optional[Heartbeat]:
        return self._dated(super().beat(now), now)

    def beat_to_vc(self, now: float) -> Optional[Heartbeat]:
        """Return the heartbeat to publish now on VC's bus, or None: as :meth:`beat` for the other platform's bus."""
        return self._dated(self._next_heartbeat(self._cadence_to_vc, now), now)

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
            if self.liveness(now) is not Liveness.UP:
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
        """Seconds of silence after which the other side has stopped, if it ran."""
        return sum(self.terms) * CLOCKS_APART

    @property
    def holds_lease(self) -> bool:
        """Whether this side may run the managed agent."""
        return self._given_up_at is None

    def may_start(self, now: float) -> bool:
        return self.holds_lease and now < self.lease_until

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
                          and _is_plausible(self._claim.terms, self._known_terms) else None)

    @property
    def peer_instance(self) -> Optional[str]:
        """The other platform's instance name, if it is known."""
        return self._peer_instance or (self._claim.instance if self._claim is not None else None)

    @property
    def lease_until(self) -> float:
        """The moment at which the lease that is held ends, or one that is not held would."""
        proofs = [proof for proof in (self._vc_answer, self._contact) if proof is not None]
        return max([self._lease_on_file] + [proof + self.lease_period for proof in proofs])

    def silent_since(self, now: float) -> Optional[float]:
        """Return since when VC has vouched for the other side's silence; None while it does not.

        The primary listens for "running" only, the secondary for any sighting.
        """
        self._check_vc(now)
        if self._vc_unbroken_since is None:
            return None
        sighted = self._sighted_running if self._config.agent_id == "primary" else self._sighted
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
        return self._liveness(self._contact if self._config.agent_id == "primary" else self._sighted,
                              self.terms.timeout, now)

    def _conclude(self, now: float) -> Decision:
        self._settle(now)
        peer, vc = self.liveness(now), self.vc(now)
        if not self.holds_lease and self._may_take_lease(now):
            self._given_up_at = None
        cell = STANDARD[self._config.agent_id][peer][vc]
        if self.holds_lease:
            action = Action.START
        elif cell is Action.START:
            action = Action.WAIT
        else:
            action = cell
        wanted = Action.START if self.holds_lease else Action.STOP
        return Decision(action, self._command(wanted), peer, vc, wanted)

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

    def _may_take_lease(self, now: float) -> bool:
        return now < self.lease_until and (self._other_said_no(now) or self._other_is_silent(now))

    def _other_said_no(self, now: float) -> bool:
        if self._config.agent_id != "primary" or self.peer is None or self.peer.may_run or self._is_simple(self.peer):
            return False
        acknowledged = self._acknowledged(self.peer)
        return acknowledged is not None and now - acknowledged < self.lease_period

    def _other_is_silent(self, now: float) -> bool:
        since = self.silent_since(now)
        if since is None or now - since < self.silence_needed:
            return False
        if self.peer_instance is None:
            return True
        return not self._vcp_is_asked and self._vcp_in_vain is not None and self._vcp_in_vain >= since

    def _sight(self, running: bool, now: float) -> None:
        self._sighted = now
        if running:
            self._sighted_running = now
        if self._config.agent_id == "secondary":
            self._give_up(now)

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

    def _dated(self, heartbeat: Optional[Heartbeat], now: float) -> Optional[Heartbeat]:
        if heartbeat is not None:
            self._sent[heartbeat.sequence] = now
            while self._sent[next(iter(self._sent))] <= now - self.terms.timeout:
                del self._sent[next(iter(self._sent))]
        return heartbeat

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
