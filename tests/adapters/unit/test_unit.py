"""What systemd and its journal say of a unit is read rightly, and only so far believed."""

from __future__ import annotations

import asyncio
import os

import pytest

from blelockd.adapters.unit import (
    NoSystemd,
    PartStatus,
    UnitStatus,
    asking,
    deeds_of,
    status_of,
    told,
)
from blelockd.services.events import EventKind
from blelockd.services.liveness import PartState
from tests.fakes.service_manager import INVOCATION, ServiceManager
from tests.fakes.waiting import until

LOCK = "blelock-lock"


async def parts_of(manager: ServiceManager, status: str) -> list[PartStatus]:
    manager.runs(LOCK, status)
    return (await status_of(LOCK)).parts()


async def test_a_unit_that_runs_tells_all_of_itself(manager: ServiceManager) -> None:
    manager.runs(LOCK, "scan up: on hci0", NRestarts="3")

    assert await status_of(LOCK) == UnitStatus(
        name=LOCK,
        loaded=True,
        enabled=True,
        active=True,
        state="active (running)",
        result="success",
        exit_status=0,
        restarts=3,
        status="scan up: on hci0",
        since="Tue 2026-11-24 10:00:00 UTC",
        invocation=INVOCATION,
    )


async def test_a_unit_that_is_not_there_is_not_loaded(manager: ServiceManager) -> None:
    unit = await status_of("blelock-lock@front")

    assert (unit.loaded, unit.enabled, unit.active) == (False, False, False)
    assert unit.parts() == []


async def test_a_unit_that_failed_says_with_what(manager: ServiceManager) -> None:
    manager.runs(
        LOCK, "", ActiveState="failed", SubState="failed", Result="exit-code", ExecMainStatus="78"
    )
    unit = await status_of(LOCK)

    assert not unit.active
    assert (unit.state, unit.result, unit.exit_status) == ("failed (failed)", "exit-code", 78)


@pytest.mark.parametrize(
    ("status", "parts"),
    [
        ("", []),
        ("something that is no part of ours", []),
        (
            "broker down: nothing listens at h:1; check that it runs; scan up: on hci0",
            [
                PartStatus("broker", PartState.DOWN, "nothing listens at h:1; check that it runs"),
                PartStatus("scan", PartState.UP, "on hci0"),
            ],
        ),
        (
            "advertisement up: on hci0; session Front_1 starting; session b-2 down: busy",
            [
                PartStatus("advertisement", PartState.UP, "on hci0"),
                PartStatus("session Front_1", PartState.STARTING, ""),
                PartStatus("session b-2", PartState.DOWN, "busy"),
            ],
        ),
    ],
)
async def test_the_status_line_is_taken_apart(
    status: str, parts: list[PartStatus], manager: ServiceManager
) -> None:
    assert await parts_of(manager, status) == parts


async def test_what_could_deceive_a_terminal_does_not_get_through(manager: ServiceManager) -> None:
    (part,) = await parts_of(manager, "broker down: \x1b[2Jcleared")

    assert part.detail == "[2Jcleared"


async def test_without_systemd_there_is_a_reason(
    manager: ServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.refuses("System has not been booted with systemd")
    with pytest.raises(NoSystemd, match="systemctl says: System has not been booted"):
        await status_of(LOCK)

    monkeypatch.setenv("PATH", str(manager.directory / "nowhere"))
    with pytest.raises(NoSystemd, match="systemctl cannot be run"):
        await status_of(LOCK)


async def test_a_systemd_that_hangs_is_not_waited_for(
    manager: ServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    (manager.directory / "systemctl").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(asking, "_SECONDS", 0.2)
    with pytest.raises(NoSystemd, match="does not answer"):
        await status_of(LOCK)


async def test_who_interrupts_leaves_no_process_behind(manager: ServiceManager) -> None:
    pid_file = manager.directory / "pid"
    (manager.directory / "systemctl").write_text(
        f"#!/bin/sh\necho $$ >{pid_file}.new && mv {pid_file}.new {pid_file}\nexec sleep 60\n"
    )
    asked = asyncio.ensure_future(status_of(LOCK))
    await until(pid_file.exists)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked

    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


# --- the journal ---------------------------------------------------------------------------------


async def test_deeds_are_those_of_this_run(manager: ServiceManager) -> None:
    manager.runs(LOCK, "")
    manager.told(EventKind.UNLOCK, "of the last run", invocation="f" * 32)
    manager.told(EventKind.STARTED)
    manager.told(EventKind.UNLOCK, "first", 1000.5)
    manager.told(EventKind.SUMMARY, "not asked for")
    manager.told(EventKind.UNLOCK, "second", 2000.25)
    deeds = await deeds_of(await status_of(LOCK), (EventKind.UNLOCK, EventKind.REFUSAL))

    assert deeds.whole
    assert deeds.counts == {EventKind.UNLOCK: 2, EventKind.REFUSAL: 0}
    assert list(deeds.last) == [EventKind.UNLOCK]
    assert deeds.last[EventKind.UNLOCK].message == "second"
    assert deeds.last[EventKind.UNLOCK].at_seconds == 2000.25


async def test_a_journal_that_begins_later_is_not_taken_for_the_whole(
    manager: ServiceManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.runs(LOCK, "")
    unit = await status_of(LOCK)
    assert not (await deeds_of(unit, (EventKind.UNLOCK,))).whole

    monkeypatch.setattr(told, "MOST_EVENTS", 2)
    manager.told(EventKind.STARTED)
    for _ in range(3):
        manager.told(EventKind.UNLOCK)
    deeds = await deeds_of(unit, (EventKind.UNLOCK,))
    assert (deeds.counts[EventKind.UNLOCK], deeds.whole) == (2, False)


async def test_a_unit_that_never_ran_has_done_nothing(manager: ServiceManager) -> None:
    manager.has(LOCK)
    (manager.directory / "journalctl").unlink()
    deeds = await deeds_of(await status_of(LOCK), (EventKind.UNLOCK,))

    assert deeds.counts == {EventKind.UNLOCK: 0}


async def test_entries_that_are_not_ours_are_passed_over(manager: ServiceManager) -> None:
    manager.runs(LOCK, "")
    ours = {"_SYSTEMD_INVOCATION_ID": INVOCATION, "BLELOCK_EVENT": "unlock"}
    manager.wrote(ours)
    manager.wrote({**ours, "__REALTIME_TIMESTAMP": "soon"})
    manager.wrote({**ours, "__REALTIME_TIMESTAMP": "1000000", "MESSAGE": [104, 105]})
    program = (manager.directory / "journalctl").read_text()
    extra = "print('no json'); print('[]'); print('{\"BLELOCK_EVENT\": [1]}')\n"
    (manager.directory / "journalctl").write_text(program + extra)
    deeds = await deeds_of(await status_of(LOCK), (EventKind.UNLOCK,))

    assert deeds.counts == {EventKind.UNLOCK: 1}
    assert deeds.last[EventKind.UNLOCK].message == "[104, 105]"
