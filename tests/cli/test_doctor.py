"""`doctor` shows each finding as it comes, and ends with what the worst one is worth."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blelockd.cli.exits import Exit
from blelockd.roles.doctor import Patient
from blelockd.services.diagnosis import Finding, broken, doubtful, fine
from tests.cli.commands import config, execute, status_of

WELL = fine("adapter", "hci0, powered on")
ODD = doubtful("clock", "clock-adrift", "nothing keeps it right", "`timedatectl`")
BAD = broken("own lock.pem", "key-missing", "there is none", "make it with `keygen`")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the doctor will find."""
    found: list[Finding] = []

    async def diagnose(patient: Patient) -> AsyncIterator[Finding]:
        for finding in found:
            yield finding

    monkeypatch.setattr("blelockd.roles.doctor.diagnose", diagnose)
    return found


@pytest.mark.parametrize(
    ("findings", "status", "summary"),
    [
        ([], Exit.OK, "0 broken, 0 doubtful, 0 fine"),
        ([WELL], Exit.OK, "0 broken, 0 doubtful, 1 fine"),
        ([WELL, ODD], Exit.OK, "0 broken, 1 doubtful, 1 fine"),
        ([BAD, ODD, WELL], Exit.NO, "1 broken, 1 doubtful, 1 fine"),
    ],
)
def test_what_is_broken_decides(
    findings: list[Finding],
    status: Exit,
    summary: str,
    found: list[Finding],
    capsys: pytest.CaptureFixture[str],
) -> None:
    found += findings

    assert status_of("lock", "doctor") == status
    assert capsys.readouterr().out.splitlines()[-1] == summary


def test_a_remedy_names_the_whole_command(
    found: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    found.append(BAD)

    assert status_of("lock", "doctor") == Exit.NO
    told = capsys.readouterr().out
    assert told.startswith(
        "broken: own lock.pem: there is none\n  make it with `blelock-lock keygen`\n"
    )


def test_a_program_gets_one_object(
    found: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    found += [WELL, BAD]

    assert status_of("lock", "doctor", "--json", "--config", "/etc/blelock/lock-a.yaml") == Exit.NO
    assert json.loads(capsys.readouterr().out) == {
        "config": "/etc/blelock/lock-a.yaml",
        "unit": "blelock-lock@a",
        "worst": "broken",
        "findings": [
            {
                "check": "adapter",
                "grade": "fine",
                "told": "hci0, powered on",
                "cause": "",
                "remedy": "",
            },
            {
                "check": "own lock.pem",
                "grade": "broken",
                "told": "there is none",
                "cause": "key-missing",
                "remedy": "make it with `blelock-lock keygen`",
            },
        ],
    }


def test_a_configuration_with_errors_is_a_finding_and_not_the_end(tmp_path: Path) -> None:
    file = config(tmp_path, "lock", "adapter: usb\nslot_secnds: 3\n")
    ended = execute("lock", "doctor", "--config", file, "--json")

    assert ended.returncode == Exit.NO
    told = json.loads(ended.stdout)
    first, *rest = told["findings"]
    assert (first["check"], first["grade"]) == ("configuration", "broken")
    assert "adapter: found" in first["told"]
    assert "slot_seconds" in first["told"]
    assert [finding["check"] for finding in rest] == ["clock", "unit"]
    assert told["unit"] is None


def test_a_configuration_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    ended = execute("guest", "doctor", "--config", tmp_path / "none.yaml")

    assert ended.returncode == Exit.NO
    assert ended.stdout.startswith("broken: configuration: ")
    assert "Traceback" not in ended.stderr


def test_what_a_daemon_needs_and_has_not_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    monkeypatch.setenv("PATH", str(tmp_path))

    file = config(tmp_path, "issuer", "mqtt: {host: 127.0.0.1, port: 1}\n")
    assert status_of("issuer", "doctor", "--config", file) == Exit.NO
    told = capsys.readouterr().out
    assert "broken: own isk.pem: " in told
    assert "broken: system bus: " in told
    assert "broken: broker: " in told
