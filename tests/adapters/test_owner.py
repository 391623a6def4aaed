"""What root does to another's files, it does as that other."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from blelockd.adapters.owner import become_owner_of
from tests.checkout import ROOT

SOMEBODY: Final = 65534
ONLY_ROOT: Final = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
CODE: Final = """\
import os, sys
from pathlib import Path
from blelockd.adapters.owner import become_owner_of
become_owner_of(Path(sys.argv[1]), sys.argv[2])
(Path(sys.argv[1]) / "made").touch()
print(*os.getresuid(), *os.getresgid(), len(os.getgroups()))
try: os.setuid(0)
except PermissionError: print("no way back")
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that everybody may reach."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def becoming(directory: Path, user: str = "nobody") -> str:
    return subprocess.run(
        [sys.executable, "-c", CODE, str(directory), user],
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout


@ONLY_ROOT
def test_root_becomes_the_owner_for_good(folder: Path) -> None:
    state = folder / "state"
    state.mkdir(mode=0o700)
    os.chown(state, SOMEBODY, SOMEBODY)

    told = becoming(state)
    assert told.splitlines() == [" ".join(["65534"] * 6 + ["0"]), "no way back"]
    assert (state / "made").stat().st_uid == SOMEBODY


@ONLY_ROOT
def test_a_directory_that_is_missing_is_made_for_its_user(folder: Path) -> None:
    becoming(folder / "var" / "state")

    status = (folder / "var" / "state").stat()
    assert (status.st_uid, status.st_mode & 0o777) == (SOMEBODY, 0o700)


@ONLY_ROOT
def test_without_such_a_user_it_stays_roots(folder: Path) -> None:
    assert becoming(folder / "state", "no-such-user").startswith("0 0 0 0 0 0 ")
    assert (folder / "state" / "made").stat().st_uid == 0


@ONLY_ROOT
def test_what_is_roots_own_root_uses_itself(folder: Path) -> None:
    assert becoming(folder).startswith("0 0 0 0 0 0 ")


def test_nobody_else_becomes_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    become_owner_of(tmp_path / "missing", "nobody")
    assert not (tmp_path / "missing").exists()
