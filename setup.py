"""For monolithic VOLTTRON, which builds agents with setuptools. Name, version and all else are in pyproject.toml."""

from setuptools import find_packages, setup

setup(packages=find_packages(include=["failover", "failover.*"]))
