"""Mutants of the rules: a function of the decision swapped for one without a rule. Each lets something be found.

``python -m tests.simulator mutants`` prints how many of them a random search finds.
"""

import contextlib
from math import inf
from typing import Any, Callable, Iterator, NamedTuple, Tuple

from failover.decision import hearing, sending
from failover.decision.agreement import Agreement
from failover.decision.incarnation import Incarnation
from failover.decision.lease import LeasePolicy
from failover.decision.managed import Managed
from failover.decision.orders import Orders
from failover.decision.peer import STALE, Peer
from failover.decision.proof import Proof
from failover.decision.setup import Record
from failover.decision.sight import Sight
from failover.decision.state import State
from failover.decision.vocabulary import CLOCK_DRIFT_BOUND, AgentState, Command, Liveness
from failover.decision.witness import Witness
from tests.simulator import directed, search
from tests.simulator.schedule import Schedule

__all__ = ["MUTANTS", "Mutant", "main"]


class Mutant(NamedTuple):
    """A rule taken out.

    :ivar swaps: what is replaced: its owner, its name, and by what.
    :ivar schedules: directed ones that find it.
    """

    name: str
    swaps: Tuple[Tuple[Any, str, Any], ...]
    schedules: Callable[[int], Schedule]

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Have it decide."""
        kept = [(owner, name, owner.__dict__[name]) for owner, name, _ in self.swaps]
        try:
            for owner, name, other in self.swaps:
                setattr(owner, name, other)
            yield
        finally:
            for owner, name, own in kept:
                setattr(owner, name, own)


def _answer_dated_by_its_arrival(original):
    def seen(self, sequence, mark, period, now):
        witness = original(self, sequence, mark, period, now)
        return witness if witness.proven == self.proven else witness._replace(answered=now)
    return seen


def _sight_is_contact(original):
    def counted(state, event, heartbeat, now):
        state, effects = original(state, event, heartbeat, now)
        is_contact = state.setup.role == "primary" and not heartbeat.leaving and not state.is_simple
        return (state._replace(policy=state.policy._replace(contact=now)) if is_contact else state), effects
    return counted


def _silent_since(self, facts):
    sighted = self.sighted_running if facts.roles.acting == "primary" else self.sighted
    return self.started if sighted is None else sighted


def _alike_refused(original):
    def admit(state, heartbeat, now):
        return (state, "alike") if heartbeat.agent_id == state.setup.role else original(state, heartbeat, now)
    return admit


def _number_hides_for_ever(self, heartbeat, timeout, is_proven, now):
    newest = self._newest_of(heartbeat.boot_id)
    return STALE if newest is not None and heartbeat.sequence <= newest.sequence else None


def _number_hides_for_a_silence(self, heartbeat, timeout, is_proven, now):
    newest = self._newest_of(heartbeat.boot_id)
    if newest is None or now - newest.at > 4 * timeout:
        return None
    return STALE if heartbeat.sequence <= newest.sequence or heartbeat.sequence == 2 ** 53 else None


def _deaf_liveness(self, last_sign, last_heard, timeout, now):
    if last_sign is not None and now - last_sign < timeout:
        return Liveness.UP
    return Liveness.DOWN if self.listens and self.quiet_since(last_sign) + timeout <= now else Liveness.UNKNOWN


def _known_with_strays(original):
    return lambda self, state, asked_at, now: original(self._replace(strays_at=None), state, asked_at, now)._replace(
        strays_at=self.strays_at)


def _replied_without_echo(original):
    return lambda self, sequence, period, now: original(
        self.echoed(sequence, period, now), sequence, period, now)


def _only_what_was_seen(original):
    def toward(self, *args):
        moved, effects = original(self, *args)
        return (moved._replace(ran_last=False) if not self.ran_last and moved.pending is None else moved), effects
    return toward


def _any_farewell(self, farewell, sent, period, now):
    return self._replace(farewell=farewell, left_at=None if farewell.may_run or sent is None else now)


def _any_acknowledgement(original):
    return lambda self, heartbeat, now: original(
        self if self.former is None else self._replace(announced=0), heartbeat, now)


def _the_first_former_ones(original):
    return lambda self, own, is_strict: original(self, own, is_strict)._replace(former=self.former or self.own)


def _greeting_without_doubt(original):
    return lambda self, boot_id, counts_for, now: original(self, boot_id, 0.0, now)


def _greeting_always_doubts(original):
    return lambda self, boot_id, counts_for, now: original(self, boot_id, inf, now)


def _needs_stop_if_seen(self, wanted):
    return wanted is Command.STOP and (self.pending is Command.START
                                       or self.pending is None and self.state is AgentState.RUNNING
                                       and self.observed_at > self.ended_at)


def _met_anywhere(original):
    return lambda self, widely, now: original(self, False, now)


def _swap(owner, name, wrap):
    return ((owner, name, wrap(owner.__dict__[name])),)


MUTANTS = [
    Mutant("stop_grace ignored", ((Agreement, "silence_needed", property(
        lambda self: (self.timing.timeout + self.timing.heartbeat_period) * CLOCK_DRIFT_BOUND)),),
        directed.isolated_primary),
    Mutant("an answer dated by its arrival", _swap(Witness, "_seen", _answer_dated_by_its_arrival), directed.late_answers),
    Mutant("one-way sight is contact", _swap(hearing, "_counted", _sight_is_contact), directed.primary_that_only_hears),
    Mutant("silence counts while VC is away", ((LeasePolicy, "silent_since", _silent_since),), directed.blind_secondary),
    Mutant("a reset is no lapse", ((Witness, "reset", lambda self: self._replace(questions=())),),
           directed.one_heartbeat_in_a_gap),
    Mutant("each by its own times", ((Agreement, "_agreed", lambda self: self._replace(timing=self.own)),),
           directed.unequal_times),
    Mutant("running is said after the start", ((State, "may_run", property(
        lambda self: any(one.state in (AgentState.RUNNING, AgentState.UNKNOWN) for one in self.agents))),),
        directed.return_during_the_start),
    Mutant("a number hides for ever", ((Peer, "refusal", _number_hides_for_ever),), directed.a_forged_number),
    Mutant("a number hides for a silence", ((Peer, "refusal", _number_hides_for_a_silence),), directed.a_forged_number),
    Mutant("the same role is no sign", _swap(hearing, "_admit", _alike_refused), directed.equal_primaries),
    Mutant("any VC vouches", ((Witness, "compared", lambda self, *args: self),), directed.two_vcs),
    Mutant("nothing goes out widely: a wrong key", ((Witness, "is_met", lambda self, *args: True),), directed.a_wrong_key),
    Mutant("nothing goes out widely: and no direct link", ((Witness, "is_met", lambda self, *args: True),),
           directed.a_wrong_key_and_a_cut_link),
    Mutant("any topic is the pair's", _swap(Witness, "met", _met_anywhere), directed.a_wrong_key_and_a_cut_link),
    Mutant("a wrong signature is nothing to silence", ((Proof, "misled", lambda self, now: self),), directed.a_wrong_key),
    Mutant("a lease outlives a change of keys", ((Record, "under", lambda self, pair_key: self._replace(pair_key=pair_key)),),
           directed.a_wrong_key_amid_a_lease),
    Mutant("unknown times are one's own", ((Agreement, "silence_needed", property(
        lambda self: sum(self.timing) * CLOCK_DRIFT_BOUND)),), directed.lost_memory),
    Mutant("the past is not checked: snapshot", ((Incarnation, "check", lambda self, *args: (self, None)),),
           directed.a_snapshot),
    Mutant("the past is not checked: clock", ((Incarnation, "check", lambda self, *args: (self, None)),),
           directed.a_clock_that_stood_still),
    Mutant("a late copy gets a whole grace", ((LeasePolicy, "stop_within", lambda self, grace, now: grace),),
           directed.a_copy_of_the_monitor),
    Mutant("only what is seen is stopped", ((Managed, "_needs_stop", _needs_stop_if_seen),), directed.errors_after_a_start),
    Mutant("a deaf side believes in silence", ((Sight, "liveness", _deaf_liveness),
                                               (Sight, "wants_proof", lambda self, *args: False)),
           directed.a_deaf_secondary),
    Mutant("an answer counts without its echo", _swap(Witness, "replied", _replied_without_echo),
           directed.a_mute_bus_of_vc),
    Mutant("what nobody has seen is not stopped", _swap(Managed, "toward", _only_what_was_seen),
           directed.a_copy_that_nobody_sees),
    Mutant("any farewell counts", ((Peer, "left", _any_farewell),), directed.a_late_farewell),
    Mutant("a release notice by any orders", ((Orders, "are_those_of", lambda self, heartbeat: True),),
           directed.a_switchover_before_the_first_start),
    Mutant("a lease by new times at once", ((Agreement, "lease_period", property(lambda self: self.own.timeout)),),
           directed.longer_times_that_nobody_hears),
    Mutant("an earlier heartbeat acknowledges new times", _swap(Agreement, "acknowledged", _any_acknowledgement),
           directed.longer_times_that_nobody_hears),
    Mutant("of times that change twice the first hold", _swap(Agreement, "reconfigured", _the_first_former_ones),
           directed.times_that_change_twice),
    Mutant("new times are told before they are on disk", ((sending, "terms", lambda state: state.setup.timing),),
           directed.shorter_times_that_are_not_on_disk),
    Mutant("unsigned ones count beside signed ones", ((Proof, "proven", lambda self, boot_id: self),),
           directed.a_forger_while_the_primary_is_away),
    Mutant("recordings count", ((hearing, "acknowledges", lambda heartbeat, boot_id: True),),
           directed.recordings_of_a_primary_that_is_away),
    Mutant("a greeting is nothing to silence", _swap(Proof, "met", _greeting_without_doubt), directed.a_restart_that_hears_late),
    Mutant("greetings count against any silence", _swap(Proof, "met", _greeting_always_doubts),
           directed.recordings_of_a_primary_that_is_away),
    Mutant("strays do not matter", _swap(Managed, "_known", _known_with_strays), directed.workers_that_outlive),
]


def main(schedules: int, seed: int) -> int:
    """Print how many of the mutants a random search of so many schedules finds."""
    found = 0
    for mutant in MUTANTS:
        with mutant.in_place():
            at = next((number for number in range(schedules) if _breaks(search.nth(seed, number))), None)
        found += at is not None
        print("{:45} {}".format(mutant.name, "not found" if at is None else "found by schedule {}".format(at)), flush=True)
    print("{} of {} mutants found by random search within {} schedules".format(found, len(MUTANTS), schedules))
    return 0


def _breaks(schedule: Schedule) -> bool:
    try:
        search.verdict(schedule)
        return False
    except search.BrokenPromise:
        return True
