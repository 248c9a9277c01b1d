"""The flight recorder: what went into the decision and what came out, kept in memory, written when it matters.

A recording can be stepped through the decision again (:mod:`failover.recording.replay`) and told in words
(:mod:`failover.recording.trace`). Nothing here is needed to decide: a recording that cannot be written costs itself only.
"""
