"""What agents of another platform have been asked, and have not answered yet."""

from typing import Any, Dict

import gevent
from gevent.event import AsyncResult

from failover import clock
from failover.vip import frames
from failover.vip.errors import LinkError, RemoteError

__all__ = ["NO_ANSWER_AFTER", "Questions"]

# Seconds after which no answer is expected any more, for which an old connection would have to stay open.
NO_ANSWER_AFTER = 60.0


class Questions:
    """The open questions of one session.

    A question whose caller waits no longer remains open: an agent of VOLTTRON 9 ends for good when its answer finds
    that who asked is gone.
    """

    def __init__(self) -> None:
        self._calls: Dict[bytes, AsyncResult[Any]] = {}
        self._asked_at: Dict[bytes, float] = {}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._asked_at)

    def wait(self, ident: bytes, timeout: float, otherwise: str) -> Any:
        """Wait for the answer to a question that has just been asked.

        :param ident: the question's id.
        :param timeout: seconds.
        :param otherwise: what to say when no answer came in time.
        :raises LinkError: no answer came in time, or none can come.
        :raises RemoteError: the peer refused, or the method raised.
        """
        result = self._calls[ident] = AsyncResult()
        now = clock.now()
        self._asked_at = {one: at for one, at in self._asked_at.items() if now - at < NO_ANSWER_AFTER}
        self._asked_at[ident] = now
        limit = gevent.Timeout(timeout)
        try:
            with limit:
                return result.get()
        except gevent.Timeout as caught:
            if caught is not limit:
                raise
            raise LinkError(otherwise) from None
        finally:
            self._calls.pop(ident, None)

    def answered(self, message: frames.Message) -> None:
        """Take in a message that may be an answer, and hand it to the caller if there still is one."""
        self.close(message.ident)
        if message.ident in self._calls:
            try:
                self._calls[message.ident].set(frames.answer(message))
            except RemoteError as error:
                self._calls[message.ident].set_exception(error)

    def close(self, ident: bytes) -> None:
        """The question with this id, if it is one, is answered, whatever becomes of the answer."""
        self._asked_at.pop(ident, None)

    def give_up(self, why: str) -> None:
        """Have the callers told by a LinkError that no answer will come to them. The questions remain open."""
        for result in self._calls.values():
            result.set_exception(LinkError(why))

    def forget(self) -> None:
        """No answer will come any more."""
        self._asked_at.clear()
