"""Signatures of heartbeats: only the two sides can make them, without anything to configure.

Both make the same key of what they have had since their installation: the secret key of their own platform, and the
public key of the other one, which is ``remote_serverkey``. A heartbeat carries the HMAC-SHA256 of its text and of the path for
which it was made, as the last field of its JSON object. Which signed heartbeats count is decided elsewhere
(:mod:`failover.decision.proof`): a signature alone does not tell a heartbeat from its recording.
"""

import base64
import hashlib
import hmac
import re
from typing import Any, Optional

from failover.decision.vocabulary import Path
from failover.x25519 import BASE_POINT, shared_secret

__all__ = ["Seal", "key_of"]

_PURPOSE = b"volttron-failover heartbeat 1"
_SIGNED = re.compile(r'(\{.*), "signature": "([0-9a-f]{64})"\}', re.DOTALL)


class Seal:
    """Signs heartbeats, and checks signatures.

    :param key: None if heartbeats cannot be signed.
    :param checks: whether signatures matter here.
    :ivar known_by: what tells its key from others, and nobody what it is; None without one.
    """

    def __init__(self, key: Optional[bytes] = None, checks: bool = True):
        self._key = key
        self._checks = checks
        self.known_by = None if key is None else hashlib.sha256(key).hexdigest()[:16]

    def signed(self, path: Path, text: str) -> str:
        """Return the text of a heartbeat, a JSON object, with a signature that holds on this path."""
        if self._key is None:
            return text
        return '{}, "signature": "{}"}}'.format(text[:-1], _signature(self._key, path, text))

    def verdict(self, path: Path, message: Any) -> Optional[bool]:
        """Return whether a message is signed; None if the signature is wrong, so that it is to be dropped."""
        if self._key is None or not self._checks:
            return False
        found = _SIGNED.fullmatch(message) if isinstance(message, str) else None
        if found is None:
            return False
        if hmac.compare_digest(found.group(2), _signature(self._key, path, found.group(1) + "}")):
            return True
        return None


def _signature(key: bytes, path: Path, text: str) -> str:
    # The text may hold what cannot be encoded otherwise: half of a surrogate pair.
    content = "{}\n{}".format(path.value, text).encode("utf-8", "surrogatepass")
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def key_of(secretkey: str, own_serverkey: str, remote_serverkey: str) -> bytes:
    """Return the key by which the two sides sign. Keys of platforms are VOLTTRON's texts of 43 characters.

    :raises ValueError: they are no keys, or the secret one does not belong to the public one.
    """
    secret = _bytes(secretkey)
    if shared_secret(secret, BASE_POINT) != _bytes(own_serverkey):
        raise ValueError("the secret key on file is not that of the running platform")
    return hmac.new(shared_secret(secret, _bytes(remote_serverkey)), _PURPOSE, hashlib.sha256).digest()


def _bytes(key: str) -> bytes:
    return base64.b64decode(key + "=", altchars=b"-_", validate=True)
