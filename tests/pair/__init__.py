"""The former place of `tests.testbed.pair`, for `tests.test_simulation`."""

from tests.testbed.pair import REPOSITORY

__all__ = ["REPOSITORY"]
