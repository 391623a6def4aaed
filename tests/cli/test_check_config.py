"""`check-config` tells every error and touches nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blelockd.cli.exits import Exit
from tests.checkout import ROOT
from tests.cli.commands import MAINS, execute, status_of

SHIPPED = ROOT / "etc" / "blelock"


@pytest.mark.parametrize("role", MAINS)
def test_the_shipped_file_has_no_errors(role: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = SHIPPED / f"{role}.yaml"

    assert status_of(role, "check-config", file) == Exit.OK
    told = capsys.readouterr().out
    assert f"{file}: no errors" in told


def test_the_file_may_be_named_either_way(tmp_path: Path) -> None:
    good, bad = SHIPPED / "lock.yaml", tmp_path / "bad.yaml"
    bad.write_text("lock_id: 5 5\n")

    assert status_of("lock", "check-config", "--config", good) == Exit.OK
    assert status_of("lock", "check-config", "--config", bad) == Exit.CONFIG
    assert status_of("lock", "check-config", good, "--config", bad) == Exit.OK


def test_all_errors_are_told_and_no_traceback(tmp_path: Path) -> None:
    file = tmp_path / "lock.yaml"
    file.write_text("lock_id: front\nslot: 3\nmqtt:\n  prot: 1\n")
    ended = execute("lock", "check-config", file)

    assert ended.returncode == Exit.CONFIG
    assert ended.stdout == ""
    assert f"{file}:2: slot: unknown key (did you mean slot_seconds?)" in ended.stderr
    assert f"{file}:4: mqtt.prot: unknown key" in ended.stderr
    assert "mend these 2 lines" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_line_with_two_errors_is_one_line_to_mend(tmp_path: Path) -> None:
    file = tmp_path / "lock.yaml"
    file.write_text("lock_id: front\nmqtt: {prot: 1, hots: 2}\n")
    ended = execute("lock", "check-config", file)

    assert ended.stderr.count(f"{file}:2: ") == 2
    assert "mend this line" in ended.stderr


def test_a_missing_file_is_told_apart_from_a_wrong_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of("lock", "check-config", tmp_path / "none.yaml") == Exit.NO_INPUT
    assert f"{tmp_path / 'none.yaml'}: no such file\n  name another" in capsys.readouterr().err


def test_the_file_of_another_role_is_told_with_a_remedy_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert status_of("lock", "check-config", SHIPPED / "issuer.yaml") == Exit.CONFIG

    told = capsys.readouterr().err
    assert "this looks like issuer.yaml; expected lock.yaml\n  name the file of" in told
    assert "mend" not in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "lock.yaml"
    file.touch(mode=0o000)

    assert status_of("lock", "check-config", file) == Exit.NO_PERMISSION
