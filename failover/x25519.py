"""X25519 (RFC 7748): a secret that two sides share, each made of its own secret key and the other's public key.

It is here because VOLTTRON 9 has no library for it unless its web parts are installed, and because importing the one that
VOLTTRON 11 has takes 7 MiB and 60 ms in each failover agent, for what is needed once per start and takes 2 ms here. It does
not take the same time for every key. Nobody can learn from that: it runs once, with keys that nobody else chooses.
"""

__all__ = ["BASE_POINT", "shared_secret"]

_P = 2 ** 255 - 19
_A24 = 121665

# With this for the other's public key the result is one's own public key.
BASE_POINT = (9).to_bytes(32, "little")


def shared_secret(secretkey: bytes, publickey: bytes) -> bytes:
    """Return the shared secret of 32 bytes.

    :raises ValueError: a key does not have 32 bytes, or the public key makes the same secret for everybody.
    """
    if len(secretkey) != 32 or len(publickey) != 32:
        raise ValueError("a key must have 32 bytes")
    scalar = int.from_bytes(secretkey, "little") & ~7 & (2 ** 255 - 1) | 2 ** 254
    point = int.from_bytes(publickey, "little") & (2 ** 255 - 1)
    x2, z2, x3, z3, swapped = 1, 0, point, 1, 0
    for bit in range(254, -1, -1):
        now = scalar >> bit & 1
        if now != swapped:
            x2, z2, x3, z3, swapped = x3, z3, x2, z2, now
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % _P, b * b % _P, d * a % _P, c * b % _P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % _P, point * (da - cb) ** 2 % _P
        x2, z2 = aa * bb % _P, e * (aa + _A24 * e) % _P
    if swapped:
        x2, z2 = x3, z3
    shared = x2 * pow(z2, _P - 2, _P) % _P
    if shared == 0:
        raise ValueError("it is no usable public key")
    return shared.to_bytes(32, "little")
