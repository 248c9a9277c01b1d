"""What operators ask of a failover agent. Like all events, each is frozen and hashable, and can be written as JSON."""

from typing import NamedTuple

from failover.decision.setup import Settings

__all__ = ["PauseAsked", "Reconfigured", "ResumeAsked", "SwitchoverAsked"]


class PauseAsked(NamedTuple):
    """An operator wants nobody to start the managed agents for so many seconds."""

    seconds: float


class ResumeAsked(NamedTuple):
    """An operator wants the pause to end."""


class SwitchoverAsked(NamedTuple):
    """An operator wants the side with this configured role to run the managed agents."""

    to: str


class Reconfigured(NamedTuple):
    """Another configuration has been stored, which differs in settings alone that may change now."""

    settings: Settings
