"""Failover agent for VOLTTRON: keeps one agent running on one of two platforms."""
