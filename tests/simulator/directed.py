"""Schedules made for a purpose: each is a function of a number, which shifts something a little."""

from math import inf
from typing import Callable, Dict

from failover.decision.vocabulary import CLOCK_DRIFT_BOUND, Timing
from tests.simulator.schedule import Fault, Schedule

__all__ = ["CASES", "KINDS", "LONG", "RESTARTS", "SHORT", "SILENCE", "TIMING"]

TIMING = Timing(10.0, 1.0, 10.0)
SILENCE = sum(TIMING) * CLOCK_DRIFT_BOUND
SHORT, LONG = Timing(4.0, 1.0, 1.0), Timing(20.0, 3.0, 10.0)

# Places of faults. To one that is on links, a way is added.
PRIMARY, SECONDARY = 0, 1
PRIMARY_AND_SECONDARY, PRIMARY_AND_VC, SECONDARY_AND_VC = 0, 1, 2
FIRST_TO_SECOND, SECOND_TO_FIRST = 6, 12
# To the place of "reconfigured", longer ones of the other times may be added.
LONGER_TIMES, LONGER_PERIOD = 4, 6


def isolated_primary(number):
    """The primary stops in time; the secondary starts too early."""
    return Schedule((Fault("cut off", PRIMARY, 30 + number / 10),), seed=number)


def late_answers(number):
    """VC's answers reach the primary seconds late, long after the last of its heartbeats has left it."""
    return Schedule((Fault("slow", PRIMARY_AND_VC + SECOND_TO_FIRST, 26, 8, 4.9),
                     Fault("cut", PRIMARY_AND_SECONDARY, 30),
                     Fault("cut", PRIMARY_AND_VC + FIRST_TO_SECOND, 31 + number % 20 / 10)), seed=number)


def primary_that_only_hears(number):
    """Nothing leaves the primary's machine any more."""
    return Schedule((Fault("cut off", PRIMARY + FIRST_TO_SECOND, 30 + number / 10),), seed=number)


def blind_secondary(number):
    """The secondary is cut off for long, and then sees VC again."""
    return Schedule((Fault("cut off", SECONDARY, 30, 40 + number / 10), Fault("cut", PRIMARY_AND_SECONDARY, 65)),
                    vcp=False, seed=number)


def one_heartbeat_in_a_gap(number):
    """The only heartbeats of the primary that reach VC do so while the secondary's connection is built anew."""
    gap = 34.5 + number / 100
    return Schedule((Fault("cut", PRIMARY_AND_SECONDARY, 30),
                     Fault("cut", PRIMARY_AND_VC + FIRST_TO_SECOND, 30, gap - 30),
                     Fault("connection to VC reset", SECONDARY, gap),
                     Fault("cut", PRIMARY_AND_VC + FIRST_TO_SECOND, gap + 0.4)), vcp=False, seed=number)


def unequal_times(number):
    """The secondary is configured with shorter times than the primary."""
    return isolated_primary(number)._replace(timings=(TIMING, Timing(5.0, 1.0, 2.0)))


def return_during_the_start(number):
    """The primary comes back while the secondary starts its agent, which takes seconds."""
    return Schedule((Fault("power lost", PRIMARY, 20, 19 + number / 10),), start_takes=3.0, seed=number)


def a_forged_number(number):
    """A heartbeat with the primary's boot_id and a number of the future, to which its own ones do not come."""
    return Schedule((Fault("forged heartbeat", SECONDARY, 20 + number / 10, None, (0.2, 0.4)[number % 2]),), vcp=False,
                    signs=False, seed=number)


def a_copy_of_the_monitor(number):
    """An isolated primary's agent crashes while control answers with errors, so that the platform starts it again, and is
    seen when the secondary already runs."""
    return Schedule((Fault("cut off", PRIMARY, 30), Fault("control wrong", PRIMARY, 36, 22 + number / 10),
                     Fault("managed agent killed", PRIMARY, 38.5 + number / 40)), vcp=False, seed=number)


def errors_after_a_start(number):
    """While the primary starts its agent, control begins to answer with errors; then the primary is cut off."""
    return Schedule((Fault("control wrong", PRIMARY, 1 + number / 15, 80), Fault("cut off", PRIMARY, 20)), start_takes=1.5,
                    answer_takes=5.0, vcp=False, seed=number)


def a_copy_that_nobody_sees(number):
    """An agent that had to be killed is wanted again while control answers too slowly to say anything. The platform starts
    it again, and then the primary is cut off."""
    return Schedule((Fault("control slow", PRIMARY, 12, 80, 40.0), Fault("cut off", PRIMARY, 20, 21 + number % 10 / 10),
                     Fault("cut off", PRIMARY, 56 + number / 10)), obeys=False, vcp=False, seed=number)


def a_deaf_secondary(number):
    """The secondary's bus has dropped its subscription, and the primary is cut off from VC."""
    return Schedule((Fault("deafened", SECONDARY, 20 + number / 10), Fault("cut", PRIMARY_AND_VC, 22)), vcp=False,
                    seed=number)


def a_mute_bus_of_vc(number):
    """VC's bus passes nothing on to the secondary, and the two do not reach each other directly."""
    return Schedule((Fault("VC's bus mute", SECONDARY, 20 + number / 10), Fault("cut", PRIMARY_AND_SECONDARY, 25)),
                    vcp=False, seed=number)


def workers_that_outlive(number):
    """The managed agent crashes, and what it has forked goes on for a while."""
    return Schedule((Fault("managed agent killed", PRIMARY, 20 + number / 10),), workers=True, seed=number)


def a_late_farewell(number):
    """The primary's farewell reaches the secondary over VC's bus alone, and after the primary's next start."""
    return Schedule((Fault("slow", PRIMARY_AND_VC + FIRST_TO_SECOND, 28, 40, 12.0 + number / 5),
                     Fault("cut", PRIMARY_AND_SECONDARY, 29.8, 1.7), Fault("failover agent stopped", PRIMARY, 30, 1)),
                    stop_takes=0.1, vcp=False, seed=number)


def a_switchover_before_the_first_start(number):
    """An operator orders a switchover while the word is under way that lets the primary start."""
    return Schedule((Fault("slow", PRIMARY_AND_SECONDARY, 0, 30, 3.0), Fault("slow", PRIMARY_AND_VC, 0, 30, 3.0),
                     Fault("switchover ordered", SECONDARY, 2 + number / 15)), vcp=False, seed=number)


def a_switchover(number):
    """There and back."""
    return Schedule((Fault("switchover ordered", number % 2, 30 + number / 10),
                     Fault("switchover ordered", number // 2 % 2, 60 + number / 10)), seed=number)


def a_failing_agent(number):
    """It fails on one side, and then on the other."""
    return Schedule((Fault("managed agent fails", PRIMARY, 30 + number / 10),
                     Fault("managed agent fails", SECONDARY, 40 + number / 10)), seed=number)


def a_switchover_that_is_cut_off(number):
    """The two lose each other, or VC, in the middle of it."""
    return Schedule((Fault("switchover ordered", number % 2, 30),
                     Fault("cut", number % 3, 30 + number / 30, (None, 20.0)[number // 2 % 2])), seed=number)


def a_pause(number):
    """A lease that is lost stops the agent in a pause too, and nobody starts it before it is over."""
    return Schedule((Fault("paused", number % 2, 30, 40, 5.0), Fault("cut off", PRIMARY, 40 + number / 10, 20)), seed=number)


def kept_after_a_takeover(number):
    """The primary comes back, and is to run the agent only when it has been well for a while, or not at all."""
    return Schedule((Fault("power lost", PRIMARY, 30 + number / 10, 20),), fail_back=(8.0, inf)[number % 2], seed=number)


def a_chosen_side_that_fails(number):
    """An operator's choice ends when the chosen side fails."""
    return Schedule((Fault("switchover ordered", PRIMARY, 30), Fault("power lost", SECONDARY, 45 + number / 10, 40)),
                    seed=number)


# Cases in which each cell of the tables matters

def no_fault(number):
    return Schedule((Fault("managed agent killed", SECONDARY, 90),), seed=number)


def primary_reboots(number):
    return Schedule((Fault("power lost", PRIMARY, 30 + number / 10, 40),), seed=number)


def vc_never_answers(number):
    return Schedule((Fault("VC killed", PRIMARY, 0.1),), seed=number)


def primary_reboots_when_the_secondary_is_gone(number):
    return Schedule((Fault("power lost", SECONDARY, 20), Fault("power lost", PRIMARY, 30, 10)), seed=number)


def primary_cut_off_from_the_start(number):
    return Schedule((Fault("cut off", PRIMARY, 0.0),), seed=number)


def secondary_cut_off(number):
    return Schedule((Fault("cut off", SECONDARY, 30),), seed=number)


def primary_returns_without_vc(number):
    return Schedule((Fault("power lost", PRIMARY, 20, 40), Fault("VC killed", PRIMARY, 60)), (Timing(4.0, 1.0, 10.0),) * 2,
                    seed=number)


def secondary_lost_while_the_primary_returns(number):
    return Schedule((Fault("power lost", PRIMARY, 20, 30), Fault("cut off", SECONDARY, 50)), seed=number)


def restarted(*before):
    """Return schedules that end with a restart of a failover agent, within its lease: that stops nothing."""
    def schedule(number):
        side = SECONDARY if before and before[0].kind == "power lost" else PRIMARY
        return Schedule(before + (Fault("failover agent killed", side, 60 + number / 10, 0.2),), seed=number)
    return schedule


def primary_leaves_before_vc_is_known(number):
    return Schedule((Fault("failover agent stopped", PRIMARY, 1.0, 20),), seed=750 + number)


def active_secondary_restarted_as_the_primary_returns(number):
    return Schedule((Fault("power lost", PRIMARY, 20, 40), Fault("failover agent killed", SECONDARY, 60 + number / 4, 0.2),
                     Fault("cut", 2, 60, 30)), seed=number)


RESTARTS = [restarted(), restarted(Fault("cut", PRIMARY_AND_SECONDARY, 25)), restarted(Fault("VC killed", 0, 59.9)),
            restarted(Fault("power lost", PRIMARY, 20))]
CASES = [no_fault, isolated_primary, primary_reboots, vc_never_answers, primary_reboots_when_the_secondary_is_gone,
         primary_cut_off_from_the_start, secondary_cut_off, primary_that_only_hears, primary_returns_without_vc,
         secondary_lost_while_the_primary_returns, primary_leaves_before_vc_is_known,
         active_secondary_restarted_as_the_primary_returns] + RESTARTS


# Kinds that the search leaves out or is unlikely to find: what is configured, known or timed on one side is not as it was;
# and what operators order.

def equal_primaries(number):
    """The secondary is configured as primary too, and both see VC and each other; no VCP says who runs."""
    return Schedule((Fault("role changed", SECONDARY, 30 + number / 10, 2),), vcp=False, seed=number)


def equal_secondaries(number):
    """The primary is configured as secondary too."""
    return Schedule((Fault("role changed", PRIMARY, 30 + number / 10, 2),), vcp=False, seed=number)


def a_wrong_key(number):
    """One side is configured with a wrong key, and what it says then reaches the other one over VC alone."""
    return Schedule((Fault("key mistyped", number % 2, 20 + number / 10, 2), Fault("cut off", number // 2 % 2, 90, 60)),
                    vcp=False, signs=number // 4 % 2 == 0, seed=number)


def a_wrong_key_amid_a_lease(number):
    """The primary's failover agent dies, and its next start, within its lease, has a wrong key."""
    return Schedule((Fault("failover agent killed", PRIMARY, 30, 0.2), Fault("key mistyped", PRIMARY, 30.1, 0.2 + number / 10)),
                    vcp=False, seed=number)


def a_wrong_key_and_a_cut_link(number):
    """One side is configured with a wrong key, and the two cannot reach each other directly."""
    return Schedule((Fault("cut", PRIMARY_AND_SECONDARY, 10), Fault("key mistyped", number % 2, 20 + number / 10, 2)),
                    vcp=False, signs=number // 4 % 2 == 0, seed=number)


def two_vcs(number):
    """The primary goes by another VC than the secondary, and then they do not hear each other any more."""
    return Schedule((Fault("VC moved", PRIMARY, 20, 2), Fault("cut", PRIMARY_AND_SECONDARY, 60 + number / 10)),
                    seed=number)


def lost_memory(number):
    """The secondary knows the primary's longer times, forgets them, and cannot hear them again."""
    return Schedule((Fault("reconfigured", PRIMARY + LONGER_TIMES, 20, 1),
                     Fault("memory lost", SECONDARY, 59, 1 + number / 10),
                     Fault("cut off", PRIMARY, 60)), timings=(Timing(4.0, 1.0, 1.0),) * 2, seed=number)


def longer_times_that_nobody_hears(number):
    """The primary, which only hears any more, gets longer times while it runs: the secondary goes by the former ones."""
    return Schedule((Fault("cut off", PRIMARY + FIRST_TO_SECOND, 30),
                     Fault("reconfigured live", PRIMARY + LONGER_TIMES, 30 + number / 100)),
                    timings=(SHORT, SHORT), seed=number)


def times_that_change_twice(number):
    """Both get shorter times; then the primary, which cannot know if the secondary knows them, gets longer ones again."""
    return Schedule((Fault("reconfigured live", SECONDARY, 10), Fault("reconfigured live", PRIMARY, 25),
                     Fault("cut", PRIMARY_AND_SECONDARY + SECOND_TO_FIRST, 25),
                     Fault("cut", SECONDARY_AND_VC + FIRST_TO_SECOND, 25, 14),
                     Fault("reconfigured live", PRIMARY + LONGER_TIMES, 38),
                     Fault("cut off", PRIMARY + FIRST_TO_SECOND, 40 + number / 10)), timings=(LONG, LONG), seed=number)


def shorter_times_that_are_not_on_disk(number):
    """Both get shorter times while the primary's disk hangs; its failover agent dies, and its next start is cut off."""
    return Schedule((Fault("disk hung", PRIMARY, 22), Fault("reconfigured live", SECONDARY, 25),
                     Fault("reconfigured live", PRIMARY, 25), Fault("failover agent killed", PRIMARY, 35, 2 + number / 20),
                     Fault("cut off", PRIMARY, 35)), timings=(LONG, LONG), seed=number)


def a_longer_stop_grace_that_nobody_knows(number):
    """The primary, which nobody hears any more, gets longer times, and its failover agent is stopped."""
    return Schedule((Fault("cut off", PRIMARY + FIRST_TO_SECOND, 30),
                     Fault("reconfigured live", PRIMARY + LONGER_TIMES, 30.5),
                     Fault("failover agent stopped", PRIMARY, 31 + number / 8)),
                    timings=(SHORT, SHORT), vcp=False, obeys=False, seed=number)


def a_shorter_stop_grace_amid_a_stop(number):
    """The primary stops its agent for a switchover, gets shorter times meanwhile, and is cut off."""
    return Schedule((Fault("reconfigured live", SECONDARY, 10), Fault("switchover ordered", PRIMARY, 30),
                     Fault("reconfigured live", PRIMARY, 30.5 + number / 20), Fault("cut off", PRIMARY, 32.5 + number / 20)),
                    timings=(LONG, LONG), vcp=False, obeys=False, seed=number)


def a_longer_period_after_a_farewell(number):
    """The secondary, without VC when the primary says farewell, gets a longer period; the primary is back, and not heard."""
    return Schedule((Fault("cut", SECONDARY_AND_VC, 25, 18 + number / 20), Fault("failover agent stopped", PRIMARY, 30, 1.0),
                     Fault("cut", PRIMARY_AND_SECONDARY, 30.9 + number / 100),
                     Fault("reconfigured live", SECONDARY + LONGER_PERIOD, 33)), timings=(SHORT, SHORT), vcp=False,
                    stop_takes=0.1, seed=number)


def times_that_change_back_on_a_hung_disk(number):
    """The primary gets shorter times and its own again while its disk hangs, dies, and is cut off when it is back."""
    return Schedule((Fault("reconfigured live", SECONDARY, 10), Fault("disk hung", PRIMARY, 30),
                     Fault("reconfigured live", PRIMARY, 30.5), Fault("reconfigured live", PRIMARY + LONGER_TIMES, 31.0),
                     Fault("failover agent killed", PRIMARY, 35 + number / 10, 2.0),
                     Fault("cut off", PRIMARY, 35 + number / 10)),
                    timings=(LONG, LONG), vcp=False, seed=number)


def times_that_change_while_they_are_written(number):
    """The primary's times change while the slow disk of the secondary takes the former ones; then that one is restarted."""
    at = 34.5 + number % 30 / 10
    return Schedule((Fault("disk slow", SECONDARY, 20), Fault("reconfigured live", PRIMARY, 30),
                     Fault("reconfigured live", PRIMARY + LONGER_TIMES, 31.6 + number % 10 / 10),
                     Fault("failover agent killed", SECONDARY, at, 1.0), Fault("cut off", PRIMARY, at)),
                    timings=(LONG, SHORT), vcp=False, seed=number)


def former_times_told_again(number):
    """Longer times that have been told are not on disk when the lease is given up for a switchover: the former are told."""
    return Schedule((Fault("VC killed", 0, 20, 25), Fault("reconfigured live", PRIMARY + LONGER_TIMES, 30),
                     Fault("disk hung", PRIMARY, 30.2), Fault("switchover ordered", PRIMARY, 30.3 + number % 10 / 10),
                     Fault("cut off", SECONDARY, 31.5 + number / 40, 68.5 - number / 40), Fault("cut off", PRIMARY, 100)),
                    timings=(SHORT, SHORT), vcp=False, seed=number)


def a_snapshot(number):
    """The primary, whose machine went off, goes on from when it held the lease; the secondary has taken over."""
    return Schedule((Fault("set back", PRIMARY, 20 + number / 10, 60), Fault("power lost", PRIMARY, 50)), vcp=False,
                    seed=number)


def a_clock_that_stood_still(number):
    """The secondary takes over while the primary's clock stands. Afterwards all that the primary says comes late, but
    it hears the secondary at once."""
    return Schedule((Fault("clock stood still", PRIMARY, 30 + number / 10, 40),
                     Fault("slow", PRIMARY_AND_SECONDARY + FIRST_TO_SECOND, 60, 60, 20.0),
                     Fault("slow", PRIMARY_AND_VC + FIRST_TO_SECOND, 60, 60, 20.0)), vcp=False, seed=number)


def _takeover_and_back(number, kind):
    """The primary's power is lost and comes back, both failover agents have started before, and somebody forges all the time."""
    return Schedule((Fault("failover agent stopped", SECONDARY, 12, 2.0), Fault("failover agent stopped", PRIMARY, 20, 2.0),
                     Fault(kind, PRIMARY, 27, 120), Fault(kind, SECONDARY, 27, 120),
                     Fault("power lost", PRIMARY, 30 + number / 10, 60)), seed=number)


def a_forger(number):
    """Of either side, on either bus."""
    return _takeover_and_back(number, "forger")


def a_forger_while_the_primary_is_away(number):
    """The takeover comes all the same."""
    return Schedule((Fault("forger", SECONDARY, 28, 200), Fault("power lost", PRIMARY, 30 + number / 10)), vcp=False, seed=number)


def recordings(number):
    """What both sides have said before is played again."""
    return _takeover_and_back(number, "recordings played")


def recordings_of_a_primary_that_is_away(number):
    """Both have started anew, and the secondary hears their former lives. The takeover comes all the same."""
    return Schedule((Fault("failover agent stopped", PRIMARY, 120, 2.0), Fault("failover agent stopped", SECONDARY, 126, 2.0),
                     Fault("power lost", PRIMARY, 136 + number / 10), Fault("recordings played", SECONDARY, 137, 300)),
                    vcp=False, seed=number)


def an_upgrade(number):
    """One side after the other gets a release that signs, and the primary loses its power between, or after."""
    first = number % 2
    return Schedule((Fault("upgraded", first, 20, 2.0), Fault("power lost", PRIMARY, 40 + number, 30),
                     Fault("upgraded", 1 - first, 50, 2.0)), signs=False, seed=number)


def a_restart_that_hears_late(number):
    """The primary is started anew while all that VC's bus has for it comes late, and it is then cut off."""
    return Schedule((Fault("cut", PRIMARY_AND_SECONDARY, 28), Fault("slow", PRIMARY_AND_VC + SECOND_TO_FIRST, 29, 60, 4.0),
                     Fault("failover agent killed", PRIMARY, 30, 0.5), Fault("cut off", PRIMARY + FIRST_TO_SECOND, 33 + number / 6)),
                    vcp=False, obeys=False, seed=number)


KINDS: Dict[str, Callable[[int], Schedule]] = {kind.__name__: kind for kind in (
    equal_primaries, equal_secondaries, a_wrong_key, a_wrong_key_amid_a_lease, a_wrong_key_and_a_cut_link,
    two_vcs, lost_memory, a_snapshot,
    a_clock_that_stood_still, a_late_farewell, a_copy_that_nobody_sees,
    a_switchover_before_the_first_start, a_switchover, a_failing_agent, a_switchover_that_is_cut_off, a_pause,
    kept_after_a_takeover,
    a_chosen_side_that_fails, longer_times_that_nobody_hears, times_that_change_twice, shorter_times_that_are_not_on_disk,
    a_longer_stop_grace_that_nobody_knows, a_shorter_stop_grace_amid_a_stop, a_longer_period_after_a_farewell,
    times_that_change_back_on_a_hung_disk, times_that_change_while_they_are_written, former_times_told_again,
    a_forger, a_forger_while_the_primary_is_away, recordings, recordings_of_a_primary_that_is_away, an_upgrade,
    a_restart_that_hears_late)}
