"""On what times and names both sides go, when their configurations differ or have just been changed.

Where the times differ, the larger ones hold on both sides. Former ones hold as long as the peer may not know the new ones.
What one message alone says of the peer's times and name is not believed for longer than one silence, and not at all where
the times are implausible: it may be forged. A second heartbeat of the same start, some time later, confirms it.
"""

from typing import NamedTuple, Optional, Tuple

from failover.decision.heartbeat import Heartbeat
from failover.decision.setup import Record, Setup
from failover.decision.vocabulary import CLOCK_DRIFT_BOUND, PLAUSIBLE, Moment, Suspicion, Timing, suspect

__all__ = ["Agreement", "Claim"]


class Claim(NamedTuple):
    """What a heartbeat says of its sender and no other one has confirmed.

    :ivar boot_id: the start of the sender.
    :ivar instance: the sender's instance name; None if it is not known any more.
    :ivar since: when it was heard.
    :ivar until: until when it counts.
    """

    boot_id: str
    timing: Timing
    instance: Optional[str]
    since: Moment
    until: Moment


class Agreement(NamedTuple):
    """What is known of the two sides' times and of the peer's name.

    :ivar own: this side's times, as configured.
    :ivar former: this side's former times, as long as the peer may go by them: of several, the shortest.
    :ivar peer: the peer's times, as confirmed.
    :ivar instance: the peer platform's instance name, as configured or confirmed.
    :ivar remote_instance: the same, as configured.
    :ivar knows: by one heartbeat alone, that the peer knows this side's times.
    :ivar timing: the times that hold; all the others are what they are made from.
    :ivar announced: number of the first heartbeat that told the peer ``own`` while it may go by others; None if none has.
    """

    own: Timing
    former: Optional[Timing]
    peer: Optional[Timing]
    instance: Optional[str]
    remote_instance: Optional[str]
    claim: Optional[Claim]
    timing: Timing
    knows: Optional[Suspicion] = None
    announced: Optional[int] = None

    @classmethod
    def at_start(cls, setup: Setup, record: Record, now: Moment) -> "Agreement":
        """Return what the last start has left."""
        own = cls(setup.timing, record.own_terms, record.peer_terms, setup.remote_instance or record.peer_instance,
                  setup.remote_instance, None, setup.timing)
        if record.claimed_terms is not None:
            until = now + _silence(own.known.larger(record.claimed_terms))
            own = own._replace(claim=Claim("", record.claimed_terms, None, now, until))
        return own._agreed()

    @property
    def known(self) -> Timing:
        """The times that hold, but for what one heartbeat alone says."""
        return self.own.larger(self.peer).larger(self.former)

    @property
    def claimed(self) -> Optional[Timing]:
        """The times that one heartbeat alone says and that count; None if there are none."""
        claim = self.claim
        return claim.timing if claim is not None and claim.timing.is_plausible_beside(self.known) else None

    @property
    def lease_period(self) -> float:
        """Seconds for which a renewal is good. The peer waits for as long as it knows this side to run on."""
        return self.own.timeout if self.former is None else min(self.own.timeout, self.former.timeout)

    @property
    def stop_grace(self) -> float:
        """Seconds that a stop may take here: as long as the peer knows to wait. The larger times are for waiting alone."""
        return self.own.stop_grace if self.former is None else min(self.own.stop_grace, self.former.stop_grace)

    @property
    def silence_needed(self) -> float:
        """Seconds of silence after which the peer has stopped, if it ran.

        Whose times are not known, because this side has lost its memory or never had any, is given the longest ones that
        are plausible.
        """
        return _silence(self.timing) * (1 if self.peer is not None else PLAUSIBLE)

    @property
    def peer_instance(self) -> Optional[str]:
        """The peer platform's instance name, if anything says it."""
        return self.instance or (self.claim.instance if self.claim is not None else None)

    def believes(self, heartbeat: Heartbeat) -> bool:
        """Whether what this heartbeat says of its sender is known for good, so that it may be acknowledged.

        An acknowledgement lets the peer go by its new times: not before they outlive a restart of this side.
        """
        return (self.claim is None or self.claim.boot_id != heartbeat.boot_id) and (
            self.peer is None or self.peer == Timing.of(heartbeat))

    def reconfigured(self, own: Timing, is_strict: bool) -> "Agreement":
        """This side has other times from now on.

        :param is_strict: whether the peer goes by this side's times: by one or another of the former ones, until it knows
            these.
        """
        former = self.own.smaller(self.former) if is_strict else None
        return self._replace(own=own, former=former, knows=None, announced=None)._agreed()

    def said(self, timing: Timing, sequence: int) -> "Agreement":
        """The heartbeat with this number tells the peer these times of this side."""
        if self.former is None:
            return self
        if timing != self.own:
            return self if self.announced is None else self._replace(announced=None, knows=None)
        if self.announced is not None:
            return self
        return self._replace(announced=sequence)

    def acknowledged(self, heartbeat: Heartbeat, now: Moment) -> "Agreement":
        """The peer says that it knows this side's times now. It does if two heartbeats of one start say so."""
        if (self.former is None or self.announced is None or heartbeat.heard_sequence is None
                or heartbeat.heard_sequence < self.announced):
            return self
        knows, is_certain = suspect(
            self.knows, heartbeat.boot_id, self.own.smaller(self.former).heartbeat_period, now)
        if not is_certain or not self.believes(heartbeat):
            return self._replace(knows=knows)
        return self._replace(former=None, knows=None, announced=None)._agreed()

    def after(self, now: Moment) -> "Agreement":
        """Drop what no second heartbeat has confirmed in time."""
        return self if self.claim is None or now < self.claim.until else self._replace(claim=None)._agreed()

    def heard(self, heartbeat: Heartbeat, now: Moment) -> "Tuple[Agreement, Optional[str]]":
        """Note what a heartbeat says of its sender; believe it if another one of the same start said the same before.

        :return: what holds now, and what of the heartbeat is not believed, in words, or None.
        """
        timing, instance, before = Timing.of(heartbeat), self.remote_instance or heartbeat.instance_name, self.claim
        if timing == self.peer and instance == self.instance:
            return (self if before is None else self._replace(claim=None)._agreed()), None
        if before is None or (before.boot_id, before.timing, before.instance) != (heartbeat.boot_id, timing, instance):
            # Without it, the silence would be over by then.
            until = now + _silence(self.known)
            doubt = None
            if not timing.is_plausible_beside(self.known):
                doubt = "it claims {}, more than {} times the known values: a second one must confirm them".format(
                    ", ".join("{} {:g} s".format(*one) for one in timing._asdict().items()), PLAUSIBLE)
            return self._replace(claim=Claim(heartbeat.boot_id, timing, instance, now, until))._agreed(), doubt
        # By the shortest of the periods: while it is not believed, it is not acknowledged, and that must not last.
        if now - before.since >= timing.smaller(self.own).smaller(self.peer).heartbeat_period / 2:
            return self._replace(peer=timing, instance=instance, claim=None)._agreed(), None
        return self, None

    def _agreed(self) -> "Agreement":
        claimed = self.claimed
        timing = self.known if claimed is None else self.known.larger(claimed)
        return self if timing == self.timing else self._replace(timing=timing)


def _silence(timing: Timing) -> float:
    """Return the seconds of silence after which a peer with these times has stopped, if it ran: so long a takeover waits.

    It notices that it is cut off after ``timeout``, at its next look, and has ``stop_grace`` to stop, all by its own clock.
    """
    return sum(timing) * CLOCK_DRIFT_BOUND
