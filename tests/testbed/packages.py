"""Agents that others have published for VOLTTRON 11, out of the package index, on the platforms of the tests."""

import contextlib
import subprocess


@contextlib.contextmanager
def from_index(platform, agents, needs):
    """Put packages into the platform's environment, and have `vctl install NAME` find those of `agents` while this lasts.

    :param agents: the agents' packages, each NAME==VERSION.
    :param needs: what they need beside VOLTTRON, likewise.
    """
    python = str(platform.root / "env" / "bin" / "python")
    done = subprocess.run([python, "-m", "pip", "install", "--no-deps", *agents, *needs], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, "{} cannot be had from the package index:\n{}".format(" ".join(agents), done.stderr)
    # `vctl install` does not look up what the platform's project has already. Of an index that serves only pip it could not.
    project = platform.root / "project" / "pyproject.toml"
    before = project.read_text()
    names = "".join('"{}", '.format(agent.partition("==")[0]) for agent in agents)
    project.write_text(before.replace("dependencies = [", "dependencies = [" + names, 1))
    try:
        yield
    finally:
        project.write_text(before)
