"""A directory is its owner's while the owner lives, and nobody's for long after that."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from blelockd.virtual.scratch import PREFIX, scratch
from tests.checkout import ROOT

OWNER = """
import sys
from blelockd.virtual.scratch import scratch
with scratch() as directory:
    (directory / "sub").mkdir()
    (directory / "sub" / "file").touch()
    print(directory, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where all the directories of this test are."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_a_killed_owner_left_goes_when_the_next_begins(place: Path) -> None:
    with subprocess.Popen(
        (sys.executable, "-c", OWNER),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as owner:
        assert owner.stdout is not None
        theirs = Path(owner.stdout.readline().strip())
        with scratch():
            assert (theirs / "sub" / "file").exists()  # its owner lives
        owner.kill()
    assert theirs.exists()
    with scratch() as ours:
        assert list(place.iterdir()) == [ours]
    assert not list(place.iterdir())


def test_two_of_one_process_do_not_take_each_other_for_stale(place: Path) -> None:
    with scratch() as one, scratch() as other:
        assert sorted(place.iterdir()) == sorted([one, other])


def test_what_only_looks_like_one_stays(place: Path) -> None:
    elsewhere, file = place / "elsewhere", place / f"{PREFIX}file"
    elsewhere.mkdir()
    file.touch()
    link = place / f"{PREFIX}link"
    link.symlink_to(elsewhere)
    with scratch():
        pass
    assert sorted(place.iterdir()) == sorted([elsewhere, file, link])
