"""The power is cut while sessions are issued: whenever it is, the house comes back by itself."""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import suppress
from typing import Final

from blelockd.services.guest.provisioning import ProvisioningFailed
from blelockd.services.guest.provisioning_v2 import V2Identity
from tests.vm.daemons import fingerprints
from tests.vm.opening import phone_opens, resident
from tests.vm.steps import Steps
from tests.vm.town import LOCK_ID, ON_THE_HOUSE, Town
from tests.vm.upkeep import wait_active

CUTS: Final = int(os.environ.get("CUTS") or 2)
_LONGEST_SECONDS: Final = 8.0
_ASKING_SECONDS: Final = 60.0


async def _keep_asking(
    town: Town, identity: V2Identity, obtained: list[str], over: asyncio.Event
) -> None:
    while not over.is_set():
        async with town.phone() as phone:
            with suppress(ProvisioningFailed):
                obtained.append(str((await phone.obtain(LOCK_ID, identity)).session.session_id))


async def is_cut(town: Town, steps: Steps) -> None:
    """CUTS times, at a random moment of each."""
    house = town.house
    identity = await resident(town, steps)
    keys = await fingerprints(house, *ON_THE_HOUSE)
    for number in range(1, CUTS + 1):
        obtained: list[str] = []
        over = asyncio.Event()
        seconds = random.uniform(0.5, _LONGEST_SECONDS)
        title = f"power cut {number} of {CUTS}, {seconds:.2f} s into the issuing"
        async with steps(f"{title}: all is up again by itself", seconds=500):
            asking = asyncio.create_task(_keep_asking(town, identity, obtained, over))
            await asyncio.sleep(seconds)
            await house.cut_power()
            over.set()  # bumble, whose link has gone, may swallow the cancellation
            asking.cancel()
            await asyncio.wait({asking}, timeout=_ASKING_SECONDS)
            began = time.monotonic()
            await house.boot()
            await wait_active(town)
            ready = time.monotonic() - began
            for role in ON_THE_HOUSE:
                await house.run(f"blelock-{role} check-config")
            assert await fingerprints(house, *ON_THE_HOUSE) == keys
        steps.note(f"{len(obtained)} sessions until then; power to on the air {ready:.1f} s")
        await phone_opens(town, steps, "and a phone opens the door")
