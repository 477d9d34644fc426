"""Put the part of plotly.js that pages are drawn with into the package, from the npm registry.

    python docs/fetch_plotly.py

The version and the checksums stand in ``ensembler/report/plotly_bundle.py``: nothing else is written. To take a newer
one, put there its version, the integrity that ``npm view plotly.js-cartesian-dist-min dist.integrity`` tells, and the
checksums that this script then asks for.
"""

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from ensembler.report.plotly_bundle import INTEGRITY, LICENCE, PACKAGE, SCRIPT, SHA256, VERSION

TEMPLATES = Path(__file__).parents[1] / "ensembler" / "report" / "templates"
MEMBERS = {SCRIPT: f"package/{SCRIPT}", LICENCE: "package/LICENSE"}


def main() -> None:
    """Fetch the archive, check it, and write the two files."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=folder, check=True, capture_output=True, text=True
        )
        archive = Path(folder) / packed.stdout.split()[-1]
        write_members(archive.read_bytes(), archive)


def write_members(content: bytes, archive: Path) -> None:
    """Check an archive and its files, and write these."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != INTEGRITY:
        sys.exit(f"{archive.name}: got {found}, expected {INTEGRITY}")
    with tarfile.open(archive) as opened:
        taken = {name: opened.extractfile(member) for name, member in MEMBERS.items()}
        data = {name: file.read() for name, file in taken.items() if file is not None}
    for name, expected in SHA256.items():
        got = hashlib.sha256(data[name]).hexdigest()
        if got != expected:
            sys.exit(f"{name}: got {got}, expected {expected}")
    for name, written in data.items():
        (TEMPLATES / name).write_bytes(written)


if __name__ == "__main__":
    main()
