"""What goes wrong on a connection to another platform, in the operator's words."""

from typing import Optional

from failover.text import clean

__all__ = ["Ended", "LinkError", "Overdue", "Refused", "RemoteError", "Unreadable", "broken_handshake", "no_connection",
           "silence", "text_of"]


class LinkError(Exception):
    """The connection cannot be used now. The text tells the operator what to look at."""


class Ended(LinkError):
    """The connection ended in a way that tells whether the router still holds the name, or, with None, leaves that open.

    A router ignores a second connection under a name as long as it has not noticed the end of the first, which takes
    minutes when a cut link swallowed that end, and for ever when somebody else took the name. Another name gets in.
    """

    def __init__(self, text: str, name_held: Optional[bool]):
        super().__init__(text)
        self.name_held = name_held


class Overdue(Ended):
    """An answer is overdue, and the connection stands: it may still come."""


class Refused(LinkError):
    """Nothing listens there. A router that was there has ended."""


class RemoteError(Exception):
    """The peer answered a call with an error. The text is the peer's, cleaned."""


class Unreadable(ValueError):
    """What came is no VIP message, or not one of the expected kind."""


def no_connection(shown: str, within: float) -> LinkError:
    """Return what to raise when there was not even an answer of the network.

    :param shown: the address, cleaned.
    :param within: seconds that were waited.
    """
    return LinkError("no connection to {} within {:g} s: is the name known, does that platform run, does a firewall "
                     "drop packets?".format(shown, within))


def silence(shown: str, within: float, shaken: bool, is_asked: bool = False) -> LinkError:
    """Return what to raise when a router that was reached does not answer.

    :param shown: the address, cleaned.
    :param within: seconds that an answer may take.
    :param shaken: whether the handshake had succeeded, so that the router knows the keys.
    :param is_asked: whether it has welcomed us, and has been sent what it does not answer.
    """
    text = ("{} did not answer within {:g} s: is that platform overloaded or frozen, or the network cut{}? "
            "See `vctl status` there")
    if shaken:
        return (Overdue if is_asked else Ended)(text.format(shown, within, ""), name_held=True)
    # VOLTTRON 9 leaves who has an unknown key without any answer.
    return LinkError(text.format(shown, within, ", or does it not know our public key (`vctl auth add` there)"))


def broken_handshake(shown: str, reached: bool, shaken: bool) -> LinkError:
    """Return what to raise when the connection ended before the router's welcome.

    :param shown: the address, cleaned.
    :param reached: whether something accepted the connection.
    :param shaken: whether the handshake had succeeded.
    """
    if not reached:
        return Refused("nothing listens at {}: does that platform run, and is this its address? "
                       "See `vctl status` there".format(shown))
    if not shaken:
        return LinkError("{} broke off the handshake: the server key configured here is not its key, as `vctl auth "
                         "servercred` (on VOLTTRON 9 `vctl auth serverkey`) prints it there, or something else listens "
                         "there".format(shown))
    # It may be this machine that gave up a connection which nobody acknowledged: then the router may hold the name.
    return Ended("{} closed the connection before it said hello".format(shown), name_held=True)


def text_of(error: BaseException) -> str:
    """Return what to show of an error: the words of a LinkError, which are clean, and of another one its kind too."""
    return str(error) if isinstance(error, LinkError) else clean(repr(error))
