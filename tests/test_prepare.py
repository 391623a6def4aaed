"""build-aux/prepare with a Python that only pretends: what is told while pip works, and after."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.checkout import ROOT

SECONDS: Final = 50
ZONES: Final = Path("/usr/share/zoneinfo/Europe/Berlin")
PRETENDER: Final = """\
#!/bin/sh
case "$*" in
"-m venv "*) for venv; do :; done; mkdir -p "$venv/bin"; cp "$0" "$venv/bin/python" ;;
"-m pip --version") [ "${0%/.venv/bin/python}" != "$0" ] ;;
"-m pip install "*)
    echo "Obtaining file:///here"
    echo "Collecting bleak>=0.20 (from blelock)"
    echo "  Downloading bleak-0.22.3-py3-none-any.whl (142 kB)"
    echo "Collecting paho-mqtt<3"
    echo "Installing collected packages: paho-mqtt, bleak"
    echo "WARNING: Running pip as the 'root' user can result in broken permissions" >&2
    exit "$PIP_ENDS_WITH" ;;
esac
"""

pytestmark = pytest.mark.skipif(not ZONES.exists(), reason="prepare would install tzdata")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What prepare reads, and programs that only have to be there."""
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "build-aux/prepare"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("python", "mosquitto", "dbus-daemon"):
        (programs / name).write_text(PRETENDER)
        (programs / name).chmod(0o755)
    return tmp_path


def prepare(checkout: Path, pip_ends_with: int) -> subprocess.CompletedProcess[str]:
    """`make demo` where nothing is prepared, and pip ends so."""
    programs = checkout / "programs"
    return subprocess.run(
        [checkout / "build-aux" / "prepare", "run"],
        env={
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHON": str(programs / "python"),
            "PIP_ENDS_WITH": str(pip_ends_with),
        },
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_while_pip_works_it_is_told_on_what_and_nothing_that_alarms(checkout: Path) -> None:
    done = prepare(checkout, 0)
    assert (done.returncode, done.stderr) == (0, "")
    head, working = done.stdout.splitlines()
    assert head.startswith("==> Python environment in .venv (pip fetches")
    assert working == " bleak paho-mqtt (installing them)"
    assert prepare(checkout, 1).stdout == "", "all is in place"


def test_all_that_pip_said_is_told_where_it_fails_and_the_next_run_tries_again(
    checkout: Path,
) -> None:
    failed = prepare(checkout, 1)
    assert failed.returncode == 1
    assert "WARNING: Running pip" in failed.stderr
    assert "Downloading bleak" in failed.stderr
    assert "blelock: pip could not install what blelock needs" in failed.stderr
    assert prepare(checkout, 0).returncode == 0
