"""`forget`, `backup` and `restore`, as an operator runs them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from blelockd.cli.exits import Exit
from tests.cli.home import FRONT, Home

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


def test_a_forgotten_person_is_a_mark_in_an_audit_that_verifies(lived_in: Home) -> None:
    status, told = lived_in.run("forget", "Ada")
    assert status == Exit.OK
    assert "forgotten: in the audit there is forgotten-" in told
    assert "issuer.yaml, in the journal and in backups" in told
    shown = lived_in.run("audit")[1]
    assert "Ada" not in shown
    assert " forgotten-" in shown
    assert lived_in.run("audit", "verify")[0] == Exit.OK
    assert lived_in.run("forget", "Ada")[0] == Exit.DATA


def test_a_backup_is_made_once_and_restored(lived_in: Home, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    status, told = lived_in.run("backup", file)
    assert status == Exit.OK
    assert "checked, and on the disk\nhead 11:" in told
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    status, told = lived_in.run("backup", file)
    assert (status, "it stays" in told) == (Exit.CANNOT_CREATE, True)
    assert file.read_bytes() == before
    lived_in.guest("Eve", "watch")
    assert lived_in.run("backup", file, "--replace")[0] == Exit.OK
    file.write_bytes(before)
    status, told = lived_in.run("restore", file)
    assert status == Exit.OK
    assert "event 11" in told
    assert "systemctl start blelock-issuer" in told
    assert "uses since then are not counted" in told
    assert "Uses since then are not known either" in " ".join(
        lived_in.run("restore", "--help")[1].split()
    )
    assert "Eve" not in lived_in.run("guest", "list")[1]
    assert lived_in.run("audit", "verify")[0] == Exit.OK
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} == set()


def test_what_cannot_be_backed_up_or_restored_is_named(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    status, told = home.run("backup", file)
    assert (status, "nothing to back up" in told) == (Exit.NO_INPUT, True)
    assert home.run("restore", file)[0] == Exit.NO_INPUT
    home.lock(FRONT)
    assert home.run("backup", tmp_path / "nowhere" / "backup.db")[0] == Exit.IO
    file.write_bytes(b"not a backup" * 100)
    status, told = home.run("restore", file)
    assert (status, "nothing was changed" in told) == (Exit.DATA, True)
    with home.store() as daemon:
        daemon.locks.all()
        status, told = home.run("restore", file)
    assert (status, "systemctl stop blelock-issuer" in told) == (Exit.IO, True)


@ROOT_ONLY
def test_root_backs_up_as_the_owner_of_the_directory(lived_in: Home, tmp_path: Path) -> None:
    for path in (lived_in.state, *lived_in.state.iterdir()):
        os.chown(path, 12345, 12345)
    for parent in (tmp_path, *tmp_path.parents):
        if not parent.stat().st_mode & stat.S_IXOTH:
            parent.chmod(0o755)
    file = tmp_path / "backup.db"
    assert lived_in.run("backup", file)[0] == Exit.OK
    assert file.stat().st_uid == os.geteuid() == 0
    assert {path.stat().st_uid for path in lived_in.state.iterdir()} <= {12345}
