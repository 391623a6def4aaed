"""One guest, two doors; and a door that is a program."""

from __future__ import annotations

from pathlib import Path

import pytest

from blelockd.virtual.stage import LOCK_ID
from tests.fakes.waiting import until
from tests.stories.play import NEAR_DBM, REARM_SECONDS, SLOT_SECONDS, Changes, playing

pytestmark = pytest.mark.timeout(120)

SECOND = "lock_02"


async def test_one_guest_opens_two_doors_with_one_advertisement() -> None:
    changes: Changes = {
        "issuer": {"locks": {LOCK_ID: None, SECOND: {"public_key": f"locks/{LOCK_ID}.pub"}}},
        "guest": {"locks": [LOCK_ID, SECOND]},
    }
    async with playing(changes) as play:
        house = await play.air.add_host("annex")
        play.air.set_rssi("guest", "annex", NEAR_DBM)
        settings = play.stage.settings("lock", compat_v1=True)
        settings.update(lock_id=SECOND, slot_seconds=SLOT_SECONDS)
        annex = play.stage.daemon("lock", house, settings)
        await annex.start()
        first = await play.opens()
        second = await annex.told("unlock")
        assert (first.fields["lock"], second.fields["lock"]) == (LOCK_ID, SECOND)
        assert first.fields["session"] != second.fields["session"]


def _door_program(directory: Path, script: str) -> Path:
    program = directory / "open-door"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


async def test_a_program_opens_the_door_and_shuts_it_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = str(_door_program(tmp_path, f'echo "$BLELOCK_ACTION $BLELOCK_LOCK $*" >> {log}'))
    strike = {
        "type": "command",
        "command": [program, "--pin", "17"],
        "secure_command": [program],
        "hold_seconds": 1,
        "rearm_seconds": 4,
    }
    async with playing({"lock": {"strike": strike}}) as play:
        await play.opens()
        opened = f"release {LOCK_ID} --pin 17"
        shut = f"secure {LOCK_ID} "
        await until(lambda: log.read_text().splitlines() == [shut, opened, shut])


async def test_a_program_that_hangs_does_not_deafen_the_lock(tmp_path: Path) -> None:
    strike = {
        "type": "command",
        "command": [str(_door_program(tmp_path, "exec sleep 600"))],
        "time_limit_seconds": 1,
        "hold_seconds": 1,
        "rearm_seconds": 4,
    }
    async with playing({"lock": {"strike": strike}}) as play:
        await play.opens()
        failed = await play.lock.told("strike-failed")
        assert "1 s" in failed.message
        await play.stays_shut(REARM_SECONDS)  # the door may have opened: no other try for now
        await play.leave_and_return()


async def test_a_program_that_is_not_there_is_refused_at_the_reload(tmp_path: Path) -> None:
    async with playing() as play:
        await play.opens()
        missing = tmp_path / "missing"
        text = play.lock.config.read_text()
        text = text.replace("strike:", f"strike:\n  type: command\n  command: ['{missing}']")
        play.lock.config.write_text(text)
        refused = await play.reload_refused(play.lock)
        assert str(missing) in refused.message
        await play.leave_and_return()
