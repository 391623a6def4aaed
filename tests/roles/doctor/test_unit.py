"""What a unit says of itself is a finding, with what to do."""

from __future__ import annotations

import pytest

from blelockd.roles.doctor.unit import unit
from blelockd.services.diagnosis import Finding, Grade
from blelockd.services.events import EventKind
from tests.fakes.service_manager import ServiceManager

UP = "broker up: connected; scan up: on hci0"


async def found(role: str = "lock", name: str | None = "") -> dict[str, Finding]:
    named = f"blelock-{role}" if name == "" else name
    return {finding.check: finding async for finding in unit(role, named)}


def verdict(finding: Finding) -> tuple[Grade, str]:
    return finding.grade, finding.cause


async def test_a_unit_that_runs_well_is_fine_in_all_its_parts(manager: ServiceManager) -> None:
    manager.runs("blelock-lock", UP)
    findings = await found()

    assert list(findings) == ["unit", "its broker", "its scan", "sessions"]
    assert {finding.grade for finding in findings.values()} == {Grade.FINE}
    assert findings["its scan"].told == "up, on hci0"


async def test_what_cannot_be_seen_from_here_is_doubtful(manager: ServiceManager) -> None:
    assert verdict((await found())["unit"]) == (Grade.DOUBTFUL, "no-unit")
    assert verdict((await found(name=None))["unit"]) == (Grade.DOUBTFUL, "no-unit")
    manager.refuses("not booted with systemd")
    finding = (await found())["unit"]
    assert verdict(finding) == (Grade.DOUBTFUL, "no-systemd")
    assert "in a terminal" in finding.remedy


@pytest.mark.parametrize("role", ["issuer", "lock", "guest"])
async def test_a_unit_that_was_not_started_serves_nobody(
    role: str, manager: ServiceManager
) -> None:
    manager.has(f"blelock-{role}")
    (finding,) = (await found(role)).values()

    unlock_needs_none = role == "guest"
    assert finding.grade is (Grade.DOUBTFUL if unlock_needs_none else Grade.BROKEN)
    assert finding.cause == "unit-stopped"
    assert f"systemctl enable --now blelock-{role}" in finding.remedy


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"NRestarts": "2"}, (Grade.DOUBTFUL, "unit-restarted")),
        ({"UnitFileState": "disabled"}, (Grade.DOUBTFUL, "unit-not-enabled")),
        ({"ActiveState": "failed", "Result": "watchdog"}, (Grade.BROKEN, "unit-failed")),
        (
            {"ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code"},
            (Grade.BROKEN, "unit-failed"),
        ),
        ({"ActiveState": "activating"}, (Grade.DOUBTFUL, "unit-starting")),
    ],
)
async def test_how_a_unit_stands_has_a_name(
    properties: dict[str, str], expected: tuple[Grade, str], manager: ServiceManager
) -> None:
    manager.runs("blelock-lock", UP, **properties)

    assert verdict((await found())["unit"]) == expected


async def test_each_part_speaks_for_itself(manager: ServiceManager) -> None:
    manager.runs(
        "blelock-guest",
        "advertisement down: hci0 is powered off: power it on; session a starting; session b up: x",
    )
    findings = await found("guest")

    assert verdict(findings["its advertisement"]) == (Grade.BROKEN, "advertisement-down")
    assert findings["its advertisement"].told == "hci0 is powered off: power it on"
    assert verdict(findings["its session a"]) == (Grade.DOUBTFUL, "starting")
    assert verdict(findings["its session b"]) == (Grade.FINE, "")
    assert "sessions" not in findings


async def test_a_lock_without_the_time_is_sent_to_the_issuer(manager: ServiceManager) -> None:
    manager.runs("blelock-lock", "time down: not told yet; scan down: hci0 is powered off")
    findings = await found()

    assert "`blelock-issuer doctor`" in findings["its time"].remedy
    assert "issuer" not in findings["its scan"].remedy


async def test_a_trouble_that_the_broker_link_lives_with_is_doubtful(
    manager: ServiceManager,
) -> None:
    remark = "connected to h:1, but: the broker at h:1 does not let us publish to x; allow it"
    manager.runs("blelock-lock", f"broker up: {remark}; scan up: on hci0")

    assert verdict((await found())["its broker"]) == (Grade.DOUBTFUL, "broker-remark")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([], (Grade.FINE, "")),
        ([EventKind.SESSION_RECEIVED], (Grade.FINE, "")),
        ([EventKind.SESSION_REFUSED, EventKind.SESSION_RECEIVED], (Grade.FINE, "")),
        ([EventKind.SESSION_REFUSED], (Grade.BROKEN, "sessions-refused")),
        ([EventKind.ENVELOPE_REFUSED], (Grade.BROKEN, "sessions-refused")),
        (
            [EventKind.SESSION_RECEIVED, EventKind.SESSION_REFUSED],
            (Grade.DOUBTFUL, "session-refused"),
        ),
    ],
)
async def test_sessions_tell_whether_both_sides_have_the_right_keys(
    told: list[EventKind], expected: tuple[Grade, str], manager: ServiceManager
) -> None:
    manager.runs("blelock-lock", UP)
    manager.told(EventKind.STARTED)
    for number, kind in enumerate(told):
        manager.told(kind, f"{kind} as it was told", 1000.0 + number)
    finding = (await found())["sessions"]

    assert verdict(finding) == expected
    if expected[0] is not Grade.FINE:
        assert finding.told == f"{told[-1]} as it was told"
        assert "--fingerprint" in finding.remedy


async def test_another_lock_with_these_keys_is_doubtful(manager: ServiceManager) -> None:
    manager.runs("blelock-lock", UP)
    manager.told(EventKind.STARTED)
    assert "its issuer's ear" not in await found()
    manager.told(EventKind.RIVAL, "another lock with these keys is running, or was")
    finding = (await found())["its issuer's ear"]

    assert verdict(finding) == (Grade.DOUBTFUL, "another-lock")
    assert "another lock with these keys" in finding.told
    assert "keygen" in finding.remedy


async def test_a_journal_that_may_not_be_read_is_no_fault(manager: ServiceManager) -> None:
    manager.runs("blelock-lock", UP)
    (manager.directory / "journalctl").write_text("#!/bin/sh\necho no permission >&2\nexit 1\n")

    assert verdict((await found())["sessions"]) == (Grade.DOUBTFUL, "no-journal")
