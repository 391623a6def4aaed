"""A guest comes to the door: by bumble's stack, and by blelock-guest on BlueZ."""

from __future__ import annotations

import time
from typing import Final

from blelockd.protocol.keys import PrivateKey, PublicKey
from tests.fakes import keys
from tests.vm import setting_up
from tests.vm.daemons import figures
from tests.vm.steps import Steps
from tests.vm.town import GUEST_ADDRESS, LOCK_ID, Town, cursor, event

_OPEN_SECONDS: Final = 90.0


async def phone_opens(
    town: Town,
    steps: Steps,
    title: str = "a phone gets a session and opens the door",
    *,
    key: PrivateKey | None = None,
) -> None:
    """The independent stack's guest, in the seed's wire; sealed and pinned when it has a `key`."""
    async with steps(title, seconds=_OPEN_SECONDS), town.phone() as phone:
        pinned = None
        if key is not None:
            pinned = PublicKey.from_pem((await town.house.run("cat ~/issuer.pub")).encode())
        before = await cursor(town.house)
        began = time.monotonic()
        carried = await phone.obtain(LOCK_ID, key, pinned)
        obtained = time.monotonic()
        session = str(carried.session.session_id)
        async with phone.show(carried):
            unlock = await event(town.house, "lock", "unlock", before, session=session)
        opened = time.monotonic()
        assert unlock["BLELOCK_ADDRESS"] == phone.address, unlock
    steps.note(
        f"session in {obtained - began:.1f} s, journal {opened - obtained:.1f} s later: "
        f"{unlock['MESSAGE']}"
    )


async def phones_open(town: Town, steps: Steps) -> None:
    """In plain sight as the seed's first clients, and with a key of its own."""
    await phone_opens(town, steps)
    await phone_opens(town, steps, "the same, sealed and signed", key=keys.GUEST)


async def guest_opens(town: Town, steps: Steps) -> None:
    """blelock-guest of the package, on a machine of its own that then is switched off."""
    await setting_up.introduce(town, steps)
    async with steps("blelock-guest gets a session over BlueZ and opens the door", seconds=120):
        before = await cursor(town.house)
        began = time.monotonic()
        await town.guest.run("systemctl enable --quiet --now blelock-guest 2>&1", seconds=60)
        unlock = await event(
            town.house, "lock", "unlock", before, address=GUEST_ADDRESS, seconds=90
        )
        opened = time.monotonic()
    steps.note(f"systemctl enable to journal {opened - began:.1f} s: {unlock['MESSAGE']}")
    steps.figures("guest", await figures(town.guest, "guest"))
    await town.guest.cut_power()
