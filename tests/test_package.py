"""The distribution, as both build backends make it and as the real `vctl` installs it."""

import base64
import csv
import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string

import pytest

from tests.testbed.pair import FAILOVER, REPOSITORY
from tests.testbed.platforms import Platform

IDENTITY_FILE = "volttron-failover-default-vip-id"


def copy_source(folder):
    """Copy the repository, to build in."""
    return shutil.copytree(REPOSITORY, folder, symlinks=True,
                           ignore=shutil.ignore_patterns(".*", "__pycache__", "dist", "build", "*.egg-info"))


def build(source, *command):
    subprocess.run([sys.executable, *command], cwd=source, check=True, capture_output=True, timeout=120)
    [wheel] = (source / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(folder):
    """The wheel that `make dist` makes, as modular VOLTTRON would, with the identity for the monolithic one."""
    return build(copy_source(folder / "poetry"), str(REPOSITORY / ".ci" / "dist.py"))


def read(wheel, name):
    with zipfile.ZipFile(wheel) as archive:
        [path] = [path for path in archive.namelist() if path == name or path.endswith(".dist-info/" + name)]
        return archive.read(path).decode()


def test_the_wheel_requires_nothing_and_holds_the_default_identity(wheel):
    metadata = message_from_string(read(wheel, "METADATA"))
    assert metadata["Name"] == "volttron-failover"
    assert all("extra ==" in requirement for requirement in metadata.get_all("Requires-Dist"))
    assert read(wheel, IDENTITY_FILE) == (REPOSITORY / "IDENTITY").read_text() == FAILOVER + "\n"
    assert read(wheel, "IDENTITY_TEMPLATE") == FAILOVER + "\n"
    assert "volttron-failover=failover.agent:main" in read(wheel, "entry_points.txt")
    with zipfile.ZipFile(wheel) as archive:
        modules = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "failover").rglob("*.py")}
        assert {path for path in archive.namelist() if ".dist-info/" not in path} == modules | {
            IDENTITY_FILE, "volttron/plugins/vctl/failover.py"}


def test_setup_py_makes_the_same_distribution(folder, wheel):
    """As monolithic VOLTTRON builds it."""
    ours = build(copy_source(folder / "setuptools"), "setup.py", "bdist_wheel")
    same = [message_from_string(read(one, "METADATA")) for one in (ours, wheel)]
    for field in ("Name", "Version", "Summary", "Requires-Python"):
        assert same[0][field] == same[1][field] is not None
    assert "eggsecutable = failover.agent:main" in read(ours, "entry_points.txt")
    with zipfile.ZipFile(ours) as archive:
        modules = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "failover").rglob("*.py")}
        assert {path for path in archive.namelist() if ".dist-info/" not in path} == modules


def test_the_wheel_is_recorded_whole(wheel):
    recorded = {name: (digest, size) for name, digest, size in csv.reader(read(wheel, "RECORD").splitlines())}
    with zipfile.ZipFile(wheel) as archive:
        assert recorded.keys() == set(archive.namelist())
        for name, (digest, size) in recorded.items():
            content = archive.read(name)
            found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            assert name.endswith("/RECORD") or (digest, int(size)) == ("sha256=" + found, len(content))


def test_the_source_distribution_holds_what_either_vctl_builds_from(wheel):
    [path] = wheel.parent.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        files = {info.name.split("/", 1)[1]: archive.extractfile(info).read() for info in archive}
        assert all(info.mtime >= 315532800 for info in archive), "no wheel can hold what is older than 1980"
    for name in ("setup.py", "pyproject.toml", "IDENTITY", IDENTITY_FILE, "README.md", "failover/agent.py"):
        assert files[name] == (REPOSITORY / name).read_bytes()


def test_vctl_installs_the_wheel_under_the_default_identity(folder, wheel):
    root = folder / "wheel"
    root.mkdir()
    platform = Platform(root, "wheel")
    try:
        platform.start()
        uuid = platform.install(wheel, start=False)
        assert platform.uuid(FAILOVER) == uuid
    finally:
        platform.close()
