"""`blelock-lock calibrate` beside the running lock: near, far, and the thresholds between."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import pytest
import yaml

from blelockd.virtual.host import Host
from blelockd.virtual.stage import command
from tests.stories.whole_house import whole_house

pytestmark = pytest.mark.timeout(180)

ONE_METRE_DBM, NEAR_DBM, FAR_DBM = -59, -62, -88
SECONDS: Final = 9
"""So that three slots of one second are heard, also where the machine stands still for some."""


class Terminal:
    """A person before `blelock-lock calibrate`, who does what it says."""

    def __init__(self, process: asyncio.subprocess.Process, keyboard: int) -> None:
        self._process = process
        self._keyboard = keyboard

    async def asked_to(self, what: str) -> None:
        """It has told that."""
        assert self._process.stderr is not None
        while what not in (line := (await self._process.stderr.readline()).decode()):
            assert line, f"it never told {what!r}"

    def press_enter(self) -> None:
        """There."""
        os.write(self._keyboard, b"\n")

    async def told(self) -> dict[str, Any]:
        """What it has found."""
        told, complaints = await self._process.communicate()
        assert self._process.returncode == 0, complaints.decode()
        found: dict[str, Any] = json.loads(told)
        return found


@asynccontextmanager
async def calibrating(host: Host, *argv: str | Path) -> AsyncIterator[Terminal]:
    keyboard, terminal = pty.openpty()
    words = [command("lock"), "calibrate", "--json", "--seconds", str(SECONDS), *map(str, argv)]
    process = await asyncio.create_subprocess_exec(
        *words, env=host.environment(), stdin=terminal, stdout=PIPE, stderr=PIPE
    )
    try:
        yield Terminal(process, keyboard)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(keyboard)
        os.close(terminal)


@pytest.mark.parametrize("by_address", [False, True])
async def test_what_was_heard_near_and_far_gives_thresholds_and_a_picture(
    tmp_path: Path, by_address: bool
) -> None:
    async with whole_house() as house:
        await house.enrol()
        house.walk_up()
        await house.guest.start()
        unlock = await house.unlocks()
        picture = tmp_path / "door.svg"
        arguments: list[str | Path] = ["--picture", picture, "--config", house.lock.config]
        if by_address:
            arguments += ["--address", unlock.fields["address"]]
        async with calibrating(house.hosts["lock"], *arguments) as person:
            await person.asked_to("shall open")
            house.stage.air.set_rssi("guest", "lock", NEAR_DBM)
            person.press_enter()
            await person.asked_to("shall not open")
            house.stage.air.set_rssi("guest", "lock", FAR_DBM)
            person.press_enter()
            told = await person.told()
        proposal = told["proposal"]
        assert FAR_DBM < proposal["rssi_threshold_dbm"] < NEAR_DBM
        assert told["near"]["rssi_dbm"]["median"] == NEAR_DBM
        assert told["far"]["rssi_dbm"]["median"] == FAR_DBM
        assert proposal["far_opens"][0] == 0 < proposal["near_opens"][0]
        if by_address:
            assert proposal["path_loss_max_db"] is None
        else:
            near, far = ONE_METRE_DBM - NEAR_DBM, ONE_METRE_DBM - FAR_DBM
            assert near < proposal["path_loss_max_db"] < proposal["path_loss_leave_db"] < far
        drawn = ElementTree.fromstring(picture.read_text())
        dots = drawn.findall("{http://www.w3.org/2000/svg}circle[@r='4']")
        assert len(dots) == told["near"]["adverts"] + told["far"]["adverts"]
        assert not house.lock.unparsed


async def test_the_door_keeps_to_what_was_proposed() -> None:
    """Three slots, and a limit: at its own distance the guest is let in, farther it is not."""
    nearness = {"path_loss_max_db": 14, "slots_heard": 3, "leave_margin_db": 4}
    async with whole_house({"lock": {"nearness": nearness, "rssi_threshold_dbm": -100}}) as house:
        await house.enrol()
        house.stage.air.set_rssi("guest", "lock", FAR_DBM)
        await house.guest.start()
        refused = await house.lock.told("refusal", reason="not-near")
        waited = next(told for told in house.lock.events if told.kind == "waiting")
        assert waited.fields["reason"] == "not-near"
        assert not [told for told in house.lock.events if told.kind == "unlock"]
        house.stage.air.set_rssi("guest", "lock", NEAR_DBM)
        unlock = await house.unlocks()
        assert unlock.fields["session"] == refused.fields["session"]


async def test_a_reload_takes_up_another_limit() -> None:
    nearness = {"path_loss_max_db": 14, "slots_heard": 2}
    async with whole_house({"lock": {"nearness": nearness, "rssi_threshold_dbm": -100}}) as house:
        await house.enrol()
        house.stage.air.set_rssi("guest", "lock", FAR_DBM)
        await house.guest.start()
        await house.lock.told("refusal", reason="not-near")
        settings = yaml.safe_load(house.lock.config.read_text())
        settings["nearness"]["path_loss_max_db"] = ONE_METRE_DBM - FAR_DBM
        house.lock.config.write_text(yaml.safe_dump(settings))
        since = len(house.lock.events)
        house.lock.signal(signal.SIGHUP)
        reloaded = await house.lock.told("reloaded", since=since)
        assert "nearness.path_loss_max_db changed" in reloaded.message
        unlock = await house.unlocks(since)
        assert unlock.fields["rssi_dbm"] == FAR_DBM
