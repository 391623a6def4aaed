"""The next version of a package, as its maintainers might publish it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

NEXT_VERSION: Final = "99.0"
CHANGED_DEFAULT: Final = "# A remark that the next version brings.\n"

_SECONDS: Final = 60


def newer(package: Path, directory: Path) -> Path:
    """`package` with a higher version and a changed configuration, in `directory`."""
    tree = directory / package.stem
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True, timeout=_SECONDS)
    control = tree / "DEBIAN/control"
    control.write_text(
        re.sub(r"(?m)^Version: .*$", f"Version: {NEXT_VERSION}", control.read_text())
    )
    for shipped in (tree / "etc/blelock").glob("*.yaml"):
        shipped.write_text(CHANGED_DEFAULT + shipped.read_text())
    built = directory / package.name
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", tree, built],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=_SECONDS,
    )
    return built
