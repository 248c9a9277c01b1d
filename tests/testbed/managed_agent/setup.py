"""For monolithic VOLTTRON, which builds agents with setuptools. Name, version and all else are in pyproject.toml."""

from setuptools import setup

setup(packages=["managed_agent"])
