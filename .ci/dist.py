"""Builds dist/: a wheel and a source distribution, both for either VOLTTRON. Run in the folder that holds pyproject.toml.

Poetry packs a link under the name of its target. So what VOLTTRON 9 takes the default VIP identity from is added here:
IDENTITY to the source, and to the wheel what `vctl install` makes of it for a folder.
"""

import base64
import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

IDENTITY = Path("IDENTITY").read_bytes()
# 2016, as poetry dates what is in a wheel. It dates the source 1970, and of that VOLTTRON 9 can make no wheel.
DATE = 1451606400


def complete_wheel(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        files = {info: archive.read(info) for info in archive.infolist()}
    [record] = [info for info in files if info.filename.endswith(".dist-info/RECORD")]
    template = zipfile.ZipInfo(str(Path(record.filename).with_name("IDENTITY_TEMPLATE")), record.date_time)
    template.external_attr = record.external_attr
    digest = base64.urlsafe_b64encode(hashlib.sha256(IDENTITY).digest()).rstrip(b"=").decode()
    files[record] = "{},sha256={},{}\n".format(template.filename, digest, len(IDENTITY)).encode() + files[record]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, content in [(template, IDENTITY), *files.items()]:
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)


def complete_source(path: Path) -> None:
    with tarfile.open(path) as archive:
        files = [(info, archive.extractfile(info).read()) for info in archive]
    identity = tarfile.TarInfo(files[0][0].name.split("/")[0] + "/IDENTITY")
    identity.size, identity.mode = len(IDENTITY), 0o644
    with gzip.GzipFile(path, "wb", mtime=0) as file, tarfile.open(fileobj=file, mode="w") as archive:
        for info, content in [*files, (identity, IDENTITY)]:
            info.mtime = DATE
            archive.addfile(info, io.BytesIO(content))


if __name__ == "__main__":
    subprocess.run([sys.executable, "-m", "poetry", "build", "--quiet"], check=True)
    for wheel in Path("dist").glob("*.whl"):
        complete_wheel(wheel)
    for source in Path("dist").glob("*.tar.gz"):
        complete_source(source)
