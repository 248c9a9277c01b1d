"""Who runs the managed agent: evidence and the time go in, what to do comes out.

:func:`failover.decision.machine.step` is the only door. Nothing here does I/O, reads a clock or leaves anything to
chance, and nothing here knows of VOLTTRON: what happens is told by the values of :mod:`failover.decision.events`, what is
to be done by those of :mod:`failover.decision.effects`. All values are immutable and hashable.
"""
