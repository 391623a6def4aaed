"""`status` tells how the unit stands, what it has done, and what to do where that is not told."""

from __future__ import annotations

import json
import re

import pytest

from blelockd.cli.exits import Exit
from blelockd.services.events import EventKind
from tests.cli.commands import MAINS, execute, status_of
from tests.cli.terminal import Terminal
from tests.fakes.service_manager import ServiceManager

UP = "broker up: connected to localhost:1883; scan up: on hci0"


@pytest.fixture
def lock(manager: ServiceManager) -> ServiceManager:
    """A lock that runs well and has opened twice."""
    manager.runs("blelock-lock", UP)
    manager.told(EventKind.STARTED)
    manager.told(EventKind.UNLOCK, "lock_01 opens for session aa", 1_700_000_000)
    manager.told(EventKind.UNLOCK, "lock_01 opens for session bb", 1_700_000_100)
    return manager


def test_a_lock_tells_its_parts_and_its_deeds(
    lock: ServiceManager, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of("lock", "status") == Exit.OK

    told = capsys.readouterr().out.splitlines()
    assert told[0] == "blelock-lock: active (running) since Tue 2026-11-24 10:00:00 UTC"
    assert "up: broker: connected to localhost:1883" in told
    assert "up: scan: on hci0" in told
    (unlocks,) = [line for line in told if line.startswith("2: unlocks: last 2023-11-1")]
    assert unlocks.endswith("lock_01 opens for session bb")
    assert "0: refusals: none so far" in told


@pytest.mark.parametrize(
    ("role", "kind", "line"),
    [
        ("issuer", EventKind.SESSION_DENIED, "1: sessions denied: last "),
        ("guest", EventKind.SESSION_OBTAINED, "1: sessions obtained: last "),
        ("lock", EventKind.REFUSAL, "1: refusals: last "),
    ],
)
def test_each_role_counts_its_own(
    role: str,
    kind: EventKind,
    line: str,
    manager: ServiceManager,
    capsys: pytest.CaptureFixture[str],
) -> None:
    manager.runs(f"blelock-{role}", "")
    manager.told(EventKind.STARTED)
    manager.told(kind, "as it happened")

    assert status_of(role, "status") == Exit.OK
    assert any(told.startswith(line) for told in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("state", ["down: bluetoothd is not running", "starting"])
def test_a_part_that_is_not_up_is_told_with_its_cause(
    state: str, manager: ServiceManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.runs("blelock-lock", f"broker up: connected; scan {state}")
    manager.told(EventKind.STARTED)

    assert status_of("lock", "status") == Exit.NO
    mark, _, detail = state.partition(": ")
    assert f"{mark}: scan: {detail}\n" in capsys.readouterr().out


def test_a_unit_that_was_never_started_is_told_how(
    manager: ServiceManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.has("blelock-lock", UnitFileState="disabled")

    assert status_of("lock", "status") == Exit.NO
    told = capsys.readouterr().out
    assert told.startswith("blelock-lock: inactive (dead), not enabled\n")
    assert "`sudo systemctl enable --now blelock-lock`" in told


def test_a_unit_that_failed_is_told_where_to_look(
    manager: ServiceManager, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = {"ActiveState": "failed", "SubState": "failed", "Result": "exit-code"}
    manager.runs("blelock-lock", "", ExecMainStatus="78", NRestarts="1", **failed)

    assert status_of("lock", "status") == Exit.NO
    told = capsys.readouterr().out
    assert told.startswith(
        "blelock-lock: failed (failed), exit-code 78, restarted once by systemd\n"
    )
    assert "`journalctl -u blelock-lock -n 20`" in told
    assert told.splitlines()[1] == "down: daemon: it does not run"


def test_a_door_of_several_is_found_by_its_configuration(
    manager: ServiceManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.runs("blelock-lock@front", UP)
    argv = ("--config", "/etc/blelock/lock-front.yaml")

    assert status_of("lock", "status", *argv) == Exit.OK
    assert capsys.readouterr().out.startswith("blelock-lock@front: ")
    assert status_of("lock", "status", "--unit", "blelock-lock@front.service") == Exit.OK


@pytest.mark.parametrize("name", ["blelock-*", "-H", "", "a b", "a@b@c"])
def test_a_unit_has_a_unit_s_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("lock", "status", f"--unit={name}") == Exit.USAGE
    assert "such as blelock-lock@front" in capsys.readouterr().err


@pytest.mark.parametrize("role", MAINS)
def test_without_such_a_unit_there_is_a_remedy(
    role: str, manager: ServiceManager, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(role, "status") == Exit.UNAVAILABLE
    told = capsys.readouterr().err
    assert f"there is no unit blelock-{role}\n" in told
    assert f"./blelock-{role}.deb" in told
    assert "in a terminal" in told
    assert f"`sudo blelock-{role} doctor`" in told


def test_without_systemd_there_is_a_reason(
    manager: ServiceManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.refuses("System has not been booted with systemd")

    assert status_of("lock", "status") == Exit.UNAVAILABLE
    told = capsys.readouterr().err
    assert "there is no systemd here that could be asked" in told
    assert "not been booted" in told
    assert "`sudo blelock-lock doctor`" in told


def test_a_journal_that_does_not_go_back_to_the_start_is_not_taken_for_the_whole(
    manager: ServiceManager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.runs("blelock-lock", UP)

    assert status_of("lock", "status") == Exit.OK
    assert "doubtful: journal: it does not go back to the daemon's start" in capsys.readouterr().out


def test_without_the_journal_the_parts_are_told_all_the_same(
    lock: ServiceManager, capsys: pytest.CaptureFixture[str]
) -> None:
    (lock.directory / "journalctl").write_text("#!/bin/sh\necho no permission >&2\nexit 1\n")

    assert status_of("lock", "status") == Exit.OK
    told = capsys.readouterr().out
    assert "up: scan: on hci0\n" in told
    assert "doubtful: journal: journalctl says: no permission: run this as root (sudo)\n" in told
    assert "unlocks" not in told


def test_a_program_gets_one_object(
    lock: ServiceManager, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of("lock", "status", "--json") == Exit.OK

    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["active"], told["whole"]) == ("blelock-lock", True, True)
    assert {"name": "scan", "state": "up", "detail": "on hci0"} in told["parts"]
    assert told["counts"]["unlock"] == 2
    assert told["counts"]["refusal"] == 0
    assert told["last"] == {
        "unlock": {"at_ms": 1_700_000_100_000, "message": "lock_01 opens for session bb"}
    }


@pytest.mark.parametrize("columns", [40, 80])
def test_on_a_terminal_nothing_is_cut_off(
    columns: int, lock: ServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    cause = "nothing listens at a-rather-long-name.example:1883; check that the broker runs"
    lock.runs("blelock-lock", f"broker down: {cause}; scan up: on [hci0]")
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")

    assert status_of("lock", "status") == Exit.NO
    shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert shown != terminal.getvalue()
    assert max(map(len, shown.splitlines())) <= columns
    assert "on [hci0]" in shown
    assert all(word in shown.replace(" ", "").replace("\n", "") for word in cause.split())


def test_a_pipe_gets_plain_lines(lock: ServiceManager) -> None:
    ended = execute("lock", "status", PATH=lock.path, TERM="xterm-256color")

    assert ended.returncode == Exit.OK
    assert ended.stderr == ""
    assert "\x1b" not in ended.stdout
    assert "up: scan: on hci0\n" in ended.stdout
