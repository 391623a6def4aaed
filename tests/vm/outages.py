"""What may fail below and inside the daemons, and that the door opens again without a hand."""

from __future__ import annotations

import asyncio
import time

from tests.vm.daemons import off_the_air, on_the_air, shown
from tests.vm.opening import phone_opens
from tests.vm.steps import Steps
from tests.vm.town import ON_THE_HOUSE, Town, cursor, event, wait_powered


async def bluetoothd_dies(town: Town, steps: Steps) -> None:
    """Killed, and restarted in order: issuer and lock stay, and find the next one."""
    house = town.house
    processes = [await shown(house, role, "MainPID") for role in ON_THE_HOUSE]
    for title, command in (
        ("bluetoothd is killed", "kill -KILL $(pidof bluetoothd)"),
        ("bluetoothd is restarted", "systemctl restart bluetooth"),
    ):
        async with steps(f"{title}: issuer and lock find the next one", seconds=120):
            before = await cursor(house)
            began = time.monotonic()
            await house.run(command)
            causes = await off_the_air(house, before)
            await on_the_air(house, before, first=False)
        steps.note(f"back on the air in {time.monotonic() - began:.1f} s; {', '.join(causes)}")
    assert processes == [await shown(house, role, "MainPID") for role in ON_THE_HOUSE]
    await phone_opens(town, steps, "and a phone opens the door")


async def adapters_are_pulled_out(town: Town, steps: Steps) -> None:
    """Both adapters of the house are pulled out, and plugged in again."""
    house = town.house
    adapters = "blelock-vm-adapter@hci0 blelock-vm-adapter@hci1"
    before = await cursor(house)
    async with steps("both adapters are pulled out: issuer and lock say so", seconds=90):
        await house.run(f"systemctl stop {adapters}")
        causes = await off_the_air(house, before)
    steps.note(", ".join(causes))
    async with steps("both adapters are plugged in: issuer and lock use them", seconds=90):
        began = time.monotonic()
        await house.run(f"systemctl start {adapters}")
        await on_the_air(house, before, first=False)
        await wait_powered(house, "hci0", "hci1")
    steps.note(f"back on the air in {time.monotonic() - began:.1f} s")
    await phone_opens(town, steps, "and a phone opens the door")


async def daemons_hang(town: Town, steps: Steps) -> None:
    """SIGSTOP: only the watchdog can tell. The units' own WatchdogSec= holds."""
    house = town.house
    before = await cursor(house)
    processes = [await shown(house, role, "MainPID") for role in ON_THE_HOUSE]
    began = time.monotonic()
    async with steps(
        "issuer and lock hang: the watchdog shoots them, and they are back", seconds=150
    ):
        await house.run(f"kill -STOP {' '.join(processes)}")
        await asyncio.gather(
            *(event(house, role, "started", before, seconds=120) for role in ON_THE_HOUSE)
        )
        shot = time.monotonic() - began
        await on_the_air(house, before, first=True)
    for role, process in zip(ON_THE_HOUSE, processes, strict=True):
        assert await shown(house, role, "MainPID") != process
        assert await shown(house, role, "NRestarts") == "1"
    back = time.monotonic() - began
    steps.note(f"new processes after {shot:.1f} s, on the air after {back:.1f} s")
    await phone_opens(town, steps, "and a phone opens the door")
