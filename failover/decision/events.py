"""All that can happen, as seen by one failover agent. The shell posts these, and nothing else reaches the decision.

Each is frozen and hashable, and made of texts, numbers, enumerations and such values, so that it can be written as JSON.
``agent`` is the VIP identity of a managed agent; ``asked_at`` is the moment at which a question was asked.
"""

from typing import NamedTuple, Optional, Union

from failover.decision.heartbeat import Heartbeat
from failover.decision.requests import PauseAsked, Reconfigured, ResumeAsked, SwitchoverAsked
from failover.decision.setup import Record
from failover.decision.vocabulary import AgentState, Command, Moment, Path

__all__ = ["AgentFailed", "AgentObserved", "CommandEnded", "EndAsked", "Ended", "Event", "HearingProven", "HeartbeatReceived",
           "LinkChanged", "LinkFree", "PauseAsked", "PlatformAnswered", "PlatformSeen", "PublishRefused", "ReadyToStart",
           "Reconfigured", "RecordSaved", "RestartForbidden", "ResumeAsked", "RetryAllowed", "StartAnswered", "StraysEnded",
           "Subscribed", "SwitchoverAsked", "Tick", "TroubleChanged", "VcAnswered", "VcKnown", "VcpAnswered", "WrongSignature"]


# The peer

class HeartbeatReceived(NamedTuple):
    """A message came on one of the heartbeat topics, or on VC's bus.

    :ivar heartbeat: None if its content is none of ours: empty, of a later version, or malformed.
    :ivar sender: the VIP identity that published it, safe to show.
    :ivar role: the role that the topic stands for; None on VC's bus, where both sides use the same topics.
    :ivar mode: the mode that the topic stands for; None on VC's bus.
    :ivar subject: which managed agent the message says it is about, in whatever version; None if it does not say.
    :ivar is_local: whether the sender is an agent of this platform.
    :ivar fault: what is wrong with a malformed message; None if nothing is.
    :ivar widely: whether it came over VC's bus on another topic than the pair's own.
    :ivar is_signed: whether it has a signature that only the two sides can make. A wrong one makes a WrongSignature.
    """

    path: Path
    heartbeat: Optional[Heartbeat]
    sender: str
    role: Optional[str] = None
    mode: Optional[str] = None
    subject: Optional[str] = None
    is_local: bool = False
    fault: Optional[str] = None
    widely: bool = False
    is_signed: bool = False


class WrongSignature(NamedTuple):
    """A heartbeat came whose signature is not made with the key that both sides should have.

    :ivar sender: the VIP identity that published it, safe to show.
    :ivar subject: which managed agents it says it is about; None if it does not say. Those of another pair have another key.
    """

    sender: str
    subject: Optional[str] = None


class LinkChanged(NamedTuple):
    """The connection to the peer's platform or to VC's came up, or went down, or was replaced."""

    path: Path
    up: bool


class LinkFree(NamedTuple):
    """The connection can take a publish: the last one has been answered."""

    path: Path


class PublishRefused(NamedTuple):
    """A heartbeat could not be published: it did not go out, and never will."""

    path: Path
    sequence: int


# The local platform

class Subscribed(NamedTuple):
    """From now on the local bus delivers the heartbeats of the peer."""


class HearingProven(NamedTuple):
    """The local bus was asked whether the subscription still stands.

    :ivar stands: its answer; None if it gave none.
    """

    asked_at: Moment
    stands: Optional[bool]


class PlatformAnswered(NamedTuple):
    """Control of the local platform answered, whatever it said."""


class PlatformSeen(NamedTuple):
    """The process of the local platform was looked for.

    :ivar lives: whether the process that started this failover agent exists.
    :ivar is_replaced: whether another process has become the platform since; it counts only if the former one is gone.
    """

    lives: bool
    is_replaced: bool = False


# Managed agents

class AgentObserved(NamedTuple):
    """Control of the local platform answered a question about a managed agent.

    :ivar state: None if the answer says nothing new of it.
    :ivar ended_badly: it does not run, and the platform may start it again, because its exit status was not 0.
    :ivar has_strays: processes of the agent run that control does not know.
    """

    agent: str
    state: Optional[AgentState]
    asked_at: Moment
    ended_badly: bool = False
    has_strays: bool = False


class ReadyToStart(NamedTuple):
    """Everything has been looked up for the start with this number: it can be asked for at once."""

    agent: str
    number: int


class CommandEnded(NamedTuple):
    """A command has been carried out, or has failed; what came of it, the next observation says.

    :ivar is_gone: no process of the agent is left, whether control can say so or not.
    """

    agent: str
    number: int
    command: Command
    succeeded: bool
    is_gone: bool = False


class StartAnswered(NamedTuple):
    """Control has answered the call that started the agent, so that it is over: until then the agent may yet appear."""

    agent: str
    number: int


class RestartForbidden(NamedTuple):
    """The platform was told not to start by itself an agent that has ended badly.

    :ivar done: whether it will not, as far as this failover agent can see to it.
    :ivar has_strays: as for AgentObserved, looked for after that.
    """

    agent: str
    asked_at: Moment
    done: bool
    has_strays: bool = False


class StraysEnded(NamedTuple):
    """Processes of the agent that control does not know have been ended, ``all_of_them`` if none is left."""

    agent: str
    all_of_them: bool


class RetryAllowed(NamedTuple):
    """What kept commands from succeeding has been mended: the next attempt need not wait."""


class AgentFailed(NamedTuple):
    """A managed agent has ended unbidden (``is_unwell`` is None), or it hangs or reports BAD, or does so no more."""

    agent: str
    is_unwell: Optional[bool] = None


class TroubleChanged(NamedTuple):
    """What the peer is to know of the managed agents here: what is wrong, and what is installed. None is nothing."""

    text: Optional[str]
    installation: Optional[str] = None


# VOLTTRON Central

class VcKnown(NamedTuple):
    """This side goes by VC on the platform with this public key."""

    serverkey: str


class VcAnswered(NamedTuple):
    """VC answered the question that went with the heartbeat of this number."""

    sequence: int


class VcpAnswered(NamedTuple):
    """The peer platform's VC agent (VCP) was asked whether a managed agent runs on its platform.

    :ivar runs: its answer; None if it gave none.
    """

    asked_at: Moment
    runs: Optional[bool]


# This failover agent

class RecordSaved(NamedTuple):
    """What must outlive a restart has been written to disk, or could not be."""

    record: Record
    saved: bool


class EndAsked(NamedTuple):
    """This failover agent has been told to end.

    :ivar was_let_in: whether it ever took part: a duplicate process that was never let in leaves things to the other.
    """

    was_let_in: bool = True


class Ended(NamedTuple):
    """All that had to be done before the end has been.

    :ivar is_gone: whether the managed agents have been stopped here. The other one is as in :class:`EndAsked`.
    """
    is_gone: bool
    was_let_in: bool = True


class Tick(NamedTuple):
    """Time has passed."""


Event = Union[HeartbeatReceived, LinkChanged, LinkFree, PublishRefused, Subscribed, HearingProven, PlatformAnswered,
              PlatformSeen, AgentObserved, ReadyToStart, CommandEnded, StartAnswered, RestartForbidden, StraysEnded,
              RetryAllowed, AgentFailed, TroubleChanged, VcKnown, VcAnswered, VcpAnswered, RecordSaved, PauseAsked,
              ResumeAsked, SwitchoverAsked, Reconfigured, EndAsked, Ended, Tick, WrongSignature]
