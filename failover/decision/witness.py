"""VOLTTRON Central (VC) as a witness: its answers, the word of the peer platform's VC agent (VCP), and which VC it is.

A question to VC goes with a heartbeat on its bus. It is answered when VC has replied and the heartbeat has come back from
the bus: only then could the peer have heard it there. Silence on VC's bus means something only if both sides are on it.

Each side derives the pair's topic there from its own configuration. If the peer's is not heard on it, it may be configured
with a wrong key or with other managed agents, and use another topic. So this side publishes more widely meanwhile.
"""

from typing import Callable, NamedTuple, Optional, Tuple

from failover.decision.heartbeat import Heartbeat
from failover.decision.vocabulary import Moment, Suspicion, suspect

__all__ = ["Question", "Witness"]

# So many periods may lie between two questions that VC answered, or VC's answers have lapsed.
_PERIODS_BETWEEN_ANSWERS = 2

# Seconds after which a question to VCP is lost, of which not even its silence was told.
_VCP_LOST_AFTER = 15.0

# Questions that are open at most. One that is older counts as unanswered.
_QUESTIONS = 100


class Question(NamedTuple):
    """A question to VC that has not been answered.

    :ivar sequence: number of the heartbeat that went with it.
    :ivar replied_at: when VC replied; None if it has not.
    """

    sequence: int
    asked: Moment
    is_echoed: bool = False
    replied_at: Optional[Moment] = None


class Missing(NamedTuple):
    """A heartbeat of the peer that came directly, and since which none has come over VC's bus."""

    boot_id: str
    sequence: int
    since: Moment


class Witness(NamedTuple):
    """What VC has said.

    :ivar key: public key of VC's platform, if it is known.
    :ivar questions: those that are open, by their numbers.
    :ivar answered: when the question was asked that was answered last.
    :ivar proven: number of the heartbeat with it.
    :ivar unbroken_since: since when VC's answers have not lapsed; None if they have.
    :ivar vcp_asked: when VCP was asked last.
    :ivar vcp_is_asked: whether an answer of it, or its silence, is awaited.
    :ivar vcp_in_vain: when VCP was asked last without saying that the managed agent runs.
    :ivar vcp_word: what it said last; None if the peer was heard since.
    :ivar is_apart: whether the peer goes by another VC.
    :ivar met_at: when a heartbeat of the peer came last on the pair's topic.
    """

    key: Optional[str] = None
    questions: Tuple[Question, ...] = ()
    answered: Optional[Moment] = None
    proven: Optional[int] = None
    unbroken_since: Optional[Moment] = None
    vcp_asked: Optional[Moment] = None
    vcp_is_asked: bool = False
    vcp_in_vain: Optional[Moment] = None
    vcp_word: Optional[str] = None
    is_apart: bool = False
    missing: Optional[Missing] = None
    doubted: Optional[Suspicion] = None
    back: Optional[Suspicion] = None
    met_at: Optional[Moment] = None

    def awaits_vcp(self, now: Moment) -> bool:
        """Whether an answer of VCP is awaited. One that is long overdue is lost."""
        return self.vcp_is_asked and self.vcp_asked is not None and now - self.vcp_asked < _VCP_LOST_AFTER

    def after(self, period: float, now: Moment) -> "Witness":
        """VC's answers have lapsed if a question is unanswered for a period, or if the last one lies too far back."""
        if self.unbroken_since is not None and self.answered is not None and (
                self.questions and now - self.questions[0].asked > period
                or now - self.answered > _PERIODS_BETWEEN_ANSWERS * period):
            return self._replace(unbroken_since=None)
        return self

    def asked(self, sequence: int, now: Moment) -> "Witness":
        """A question goes out with this heartbeat."""
        return self._replace(questions=self.questions[1 - _QUESTIONS:] + (Question(sequence, now),))

    def not_asked(self, sequence: int) -> "Witness":
        """The heartbeat could not be published."""
        return self._replace(questions=tuple(one for one in self.questions if one.sequence != sequence))

    def echoed(self, sequence: int, period: float, now: Moment) -> "Witness":
        """A heartbeat of this side has come back from VC's bus."""
        return self._seen(sequence, lambda one: one._replace(is_echoed=True), period, now)

    def replied(self, sequence: int, period: float, now: Moment) -> "Witness":
        """VC has replied to the question that went with this heartbeat."""
        return self._seen(sequence, lambda one: one._replace(replied_at=now), period, now)

    def _seen(self, sequence: int, mark: Callable[[Question], Question], period: float, now: Moment) -> "Witness":
        question = next((one for one in self.questions if one.sequence == sequence), None)
        if question is None:
            return self
        question = mark(question)
        if not question.is_echoed or question.replied_at is None:
            return self._replace(questions=tuple(question if one.sequence == sequence else one
                                                 for one in self.questions))
        asked, since = question.asked, self.unbroken_since
        if now - asked > period:
            since = None
        elif since is None:
            since = asked
        return self._replace(
            questions=tuple(one for one in self.questions if one.sequence > sequence), proven=sequence,
            unbroken_since=since, answered=asked if self.answered is None else max(self.answered, asked))

    def lacks_echo(self, answer_within: float, now: Moment) -> bool:
        """Whether VC has replied to a question, but its bus has not passed on the heartbeat for ``answer_within``."""
        return any(one.replied_at is not None and not one.is_echoed and now - one.replied_at >= answer_within
                   for one in self.questions)

    def reset(self) -> "Witness":
        """The connection to VC's platform is a new one, or has ended: heartbeats may have been missed."""
        return self._replace(questions=(), unbroken_since=None)

    def met(self, widely: bool, now: Moment) -> "Witness":
        """A heartbeat of the peer came over VC's bus. Even one that has been overtaken shows that both were on it."""
        return self._replace(missing=None, doubted=None, met_at=self.met_at if widely else now)

    def is_met(self, timeout: float, now: Moment) -> bool:
        """Whether the peer was heard on the pair's topic within ``timeout`` seconds."""
        return self.met_at is not None and now - self.met_at < timeout

    def together(self, boot_id: str, period: float, now: Moment) -> "Witness":
        """A new heartbeat of the peer came over VC's bus. A second one shows that both go by the same VC again.

        What was silence until then was none, so VC's answers begin to count anew.
        """
        if not self.is_apart:
            return self
        back, is_certain = suspect(self.back, boot_id, period, now)
        if not is_certain:
            return self._replace(back=back)
        return self._replace(is_apart=False, back=None, unbroken_since=None)

    def compared(self, heartbeat: Heartbeat, timeout: float, period: float, now: Moment) -> "Witness":
        """Find out, by a heartbeat that came directly, whether the peer goes by another VC.

        It says by which one it goes. And if its heartbeats are answered there, but have not come over this side's VC since
        an earlier one came directly, there are two, though they may have the same key. Two heartbeats must show it.

        :param timeout: seconds, as agreed.
        :param period: seconds between two heartbeats, as configured here.
        """
        missing, differs = self.missing, None not in (heartbeat.vc, self.key) and heartbeat.vc != self.key
        if self.unbroken_since is None:
            missing = None
        elif missing is None or missing.boot_id != heartbeat.boot_id or missing.since < self.unbroken_since:
            missing = Missing(heartbeat.boot_id, heartbeat.sequence, now)
        elif heartbeat.vc_sequence is not None and heartbeat.vc_sequence > missing.sequence:
            differs = differs or now - missing.since >= timeout / 2
        doubted, is_apart = None, self.is_apart
        if differs:
            doubted, is_certain = suspect(self.doubted, heartbeat.boot_id, period, now)
            is_apart = is_apart or is_certain
        if (missing, doubted, is_apart) == (self.missing, self.doubted, self.is_apart):
            return self
        return self._replace(missing=missing, doubted=doubted, is_apart=is_apart)
