"""VIP, the VOLTTRON Interconnect Protocol (version 1), as a further client beside the one that every agent has.

:mod:`failover.vip.link` is what the rest of the package uses: a connection to the router of another platform that keeps
itself alive. It is made of sessions (:mod:`failover.vip.session`), one for each attempt; a session speaks over a socket
(:mod:`failover.vip.transport`), and what it says and hears is encoded and decoded without one
(:mod:`failover.vip.frames`).

VOLTTRON's own agent connection is not used for this. It stays "connected" when the remote is gone, its publish may
never return, and it cannot be closed without leaks.
"""
