"""The demo, `python -m tests.demo`: real platforms, faults, takeovers and give-backs, on a live screen or in lines."""
