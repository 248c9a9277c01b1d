"""What the shell alone knows, for the words that the operator reads."""

from typing import Mapping, NamedTuple, Optional

__all__ = ["Surroundings"]


class Surroundings(NamedTuple):
    """What is around the decision at a moment. Times are seconds.

    :ivar address: the peer platform's, as configured.
    :ivar link_up: whether the connection to it is up.
    :ivar link_error: why it is down, or was last; None if it never failed.
    :ivar link_refusal: the peer platform's words if it refuses heartbeats.
    :ivar link_since: for how long it has been up, or down.
    :ivar vc_address: of VC's platform; None in simple failover.
    :ivar vc_error: why VC does not answer.
    :ivar faults: what is the matter with what the shell does, a text for each kind.
    :ivar loop: what is wrong if the managed agent ends again and again.
    :ivar has_settled: whether the managed agent has run for long enough for its start to have succeeded.
    :ivar has_unexpected_copy: whether it ran within ``timeout`` without having been started by the rules.
    :ivar paused_until: until when the pair is paused, as a time of day; None while it is not.
    :ivar is_timeout_late: whether a shorter ``timeout`` that is configured has not been in use for that long.
    :ivar compares: whether what is installed of the managed agents should be the same on both sides.
    :ivar unheard_since: since when the peer has not been heard: :func:`failover.words.lines.since`.
    :ivar answers_there: whether the managed agent answers on the peer's platform though this side runs it.
    """

    address: str
    link_up: bool
    link_error: Optional[str]
    link_refusal: Optional[str]
    link_since: float
    vc_address: Optional[str]
    vc_error: Optional[str]
    faults: Mapping[str, str]
    loop: Optional[str]
    has_settled: bool
    has_unexpected_copy: bool
    unheard_since: str
    paused_until: Optional[str] = None
    is_timeout_late: bool = False
    compares: bool = True
    answers_there: bool = False
