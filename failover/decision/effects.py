"""All that the decision can ask for. The shell performs each at once, and posts what comes of it as an event.

``within`` is seconds, ``agent`` the VIP identity of a managed agent, and ``number`` counts the commands given to it.
"""

from enum import Enum
from typing import NamedTuple, Optional, Union

from failover.decision.heartbeat import Heartbeat
from failover.decision.setup import Record
from failover.decision.vocabulary import Command, Moment, Path

__all__ = ["AskVcp", "Effect", "EndAsOrphan", "EndStrays", "ForbidRestart", "Launch", "Note", "NoteKind", "PrepareStart",
           "ProveHearing", "Publish", "ReconnectNow", "RenewVcLink", "Resubscribe", "SaveRecord", "Stop", "StopForGood",
           "Want"]


class Publish(NamedTuple):
    """Publish a heartbeat; over VC's bus, and ask VC a question with it.

    LinkFree or LinkChanged follows when the next one can be published, and PublishRefused before if this one did not go out.

    :ivar widely: whether the peer may know another topic as the pair's own than this side, so that it must go out on all
        topics by which either may be heard.
    """

    path: Path
    heartbeat: Heartbeat
    widely: bool = False


class ReconnectNow(NamedTuple):
    """The peer is alive, so the next attempt to connect to its platform need not wait."""


class RenewVcLink(NamedTuple):
    """VC's platform takes heartbeats but does not pass them on: try a new connection."""


class ProveHearing(NamedTuple):
    """Ask the local bus whether the subscription stands. HearingProven follows."""


class Resubscribe(NamedTuple):
    """The local bus has dropped the subscription: renew it. Subscribed follows."""


class AskVcp(NamedTuple):
    """Ask the VCP of this platform whether the managed agent runs there. VcpAnswered follows within ``within``."""

    instance_name: str
    agent: str
    within: float


class Want(NamedTuple):
    """From now on the agent should run, should not, or is left as it is (None).

    :ivar is_strict: while it should not run, whatever appears is killed at once.
    """

    agent: str
    wanted: Optional[Command]
    is_strict: bool


class PrepareStart(NamedTuple):
    """Look up what a start needs, which may take long. ReadyToStart or CommandEnded follows."""

    agent: str
    number: int


class Launch(NamedTuple):
    """Ask control for the start: the point of no return. StartAnswered and CommandEnded follow.

    :ivar before: the moment from which on it must not be asked for any more; None if there is none.
    """

    agent: str
    number: int
    before: Optional[Moment]


class Stop(NamedTuple):
    """Stop the agent, by control or by signals, so that it is gone within ``within``. CommandEnded follows."""

    agent: str
    number: int
    within: float


class ForbidRestart(NamedTuple):
    """Keep the platform from starting the agent by itself. RestartForbidden follows."""

    agent: str


class EndStrays(NamedTuple):
    """End the agent's processes that control does not know. StraysEnded follows.

    :ivar all: none may run, whether control knows it or not.
    """

    agent: str
    within: float
    all: bool


class SaveRecord(NamedTuple):
    """Write down what must outlive a restart. RecordSaved follows."""

    record: Record


class StopForGood(NamedTuple):
    """Stop all managed agents within so many seconds, because this failover agent ends, and see to it that the platform
    starts none.
    """

    within: float


class EndAsOrphan(NamedTuple):
    """The local platform is gone: end what is left of it, and then this process.

    :ivar within: seconds that the managed agents have to end.
    """

    within: float


class NoteKind(Enum):
    """Who should read a note: the operator at once, or whoever reads the log."""

    ALERT = "alert"
    WARNING = "warning"
    INFO = "info"


class Note(NamedTuple):
    """Something worth saying that is not in the state. A warning that repeats itself is logged once."""

    kind: NoteKind
    text: str


Effect = Union[Publish, ReconnectNow, RenewVcLink, ProveHearing, Resubscribe, AskVcp, Want, PrepareStart, Launch, Stop,
               ForbidRestart, EndStrays, SaveRecord, StopForGood, EndAsOrphan, Note]
