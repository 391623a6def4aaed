"""Active and passive scanning: which adverts reach the lock on this BlueZ."""

from __future__ import annotations

import time
from typing import Final

from blelockd.services.guest.provisioning_v2 import V2Identity
from tests.vm.daemons import restart
from tests.vm.opening import resident
from tests.vm.phone import Flags
from tests.vm.steps import Steps
from tests.vm.town import LOCK_ID, Town, cursor, event

_YAML: Final = "/etc/blelock/lock.yaml"


async def are_tried(town: Town, steps: Steps) -> None:
    """Either way the door opens, for a phone that says it is discoverable and for one that does
    not: most do not.
    """
    house = town.house
    identity = await resident(town, steps)
    await house.run(f"cp {_YAML} ~")
    for mode in ("active", "passive"):
        choose = f"s/^  #mode: .*/  mode: {mode}/"
        async with steps(f"the lock scans {mode}", seconds=90):
            await house.run(f"cat ~/lock.yaml >{_YAML} && sed -i '{choose}' {_YAML}")
            before = await cursor(house)
            await restart(house, "lock")
            up = await event(house, "lock", "link-up", before, part="scan")
        steps.note(up["MESSAGE"])
        for flags in Flags:
            await town.armed()
            async with steps(f"{mode}: a phone that is {flags.value}", seconds=90):
                seconds = await _opens(town, identity, flags)
            town.let_in()
            steps.note(f"opened {seconds:.1f} s after its first advert")
    await house.run(f"cat ~/lock.yaml >{_YAML}")  # for the next start


async def _opens(town: Town, identity: V2Identity, flags: Flags) -> float:
    async with town.phone() as phone:
        carried = await phone.obtain(LOCK_ID, identity)
        before = await cursor(town.house)
        began = time.monotonic()
        async with phone.show(carried, flags=flags):
            session = str(carried.session.session_id)
            await event(town.house, "lock", "unlock", before, session=session)
        return time.monotonic() - began
