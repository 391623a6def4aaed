"""A guest comes to the door: by bumble's stack, and by blelock-guest on BlueZ."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final

from blelockd.protocol.keys import PrivateKey, PublicKey
from blelockd.services.guest.provisioning import Carried
from blelockd.services.guest.provisioning_v2 import V2Identity
from tests.fakes import keys
from tests.vm import setting_up
from tests.vm.daemons import figures, restart
from tests.vm.phone import Phone
from tests.vm.steps import Steps
from tests.vm.town import LOCK_ID, ON_THE_HOUSE, Town, cursor, event

_OPEN_SECONDS: Final = 90.0
_TURN_ON_VERSION_1: Final = (
    "cd && blelock-lock show-key >lock.pub 2>lock.said &&"
    " blelock-issuer show-key >issuer.pub 2>issuer.said &&"
    f" blelock-issuer import-key {LOCK_ID} lock.pub"
    """ --fingerprint "$(sed -n 's/^fingerprint //p' lock.said)" &&"""
    " blelock-lock import-key issuer.pub"
    """ --fingerprint "$(sed -n 's/^fingerprint //p' issuer.said)" &&"""
    " sed -i 's/^compat_v1: false/compat_v1: true/' /etc/blelock/*.yaml &&"
    f" sed -i 's/^  #{LOCK_ID}: .*/  {LOCK_ID}: {{}}/' /etc/blelock/issuer.yaml"
)


async def resident(town: Town, steps: Steps) -> V2Identity:
    """Whose phone may open the door: somebody who enrols when the first scene asks for them."""
    if town.resident is None:
        async with (
            steps("a phone enrols by the code of an invite", seconds=_OPEN_SECONDS),
            town.phone() as phone,
        ):
            town.resident = await phone.enrol(await setting_up.invite(town.house, "Ada"))
    return town.resident


async def phone_opens(
    town: Town, steps: Steps, title: str = "a phone gets a session and opens the door"
) -> None:
    """The independent stack's guest, who has enrolled, with a phone that was never here."""
    identity = await resident(town, steps)
    await town.armed()
    await opens(town, steps, title, lambda phone: phone.obtain(LOCK_ID, identity))
    town.let_in()


async def opens(
    town: Town,
    steps: Steps,
    title: str,
    obtain: Callable[[Phone], Awaitable[Carried]],
    *,
    unit: str = "lock",
) -> str:
    """A phone that was never here opens the door of `unit` with what it obtains: its session."""
    async with steps(title, seconds=_OPEN_SECONDS), town.phone() as phone:
        before = await cursor(town.house)
        began = time.monotonic()
        carried = await obtain(phone)
        obtained = time.monotonic()
        session = str(carried.session.session_id)
        async with phone.show(carried):
            unlock = await event(town.house, unit, "unlock", before, session=session)
        opened = time.monotonic()
        assert unlock["BLELOCK_ADDRESS"] == phone.address, unlock
    steps.note(
        f"session in {obtained - began:.1f} s, journal {opened - obtained:.1f} s later: "
        f"{unlock['MESSAGE']}"
    )
    return session


async def phones_open(town: Town, steps: Steps) -> None:
    """One that has enrolled by an invite."""
    await phone_opens(town, steps)


async def version_1(town: Town, steps: Steps) -> None:
    """Version 1 is turned on, as keys/README.md tells it: in plain sight as the seed's first
    clients, and with a key of its own. It stays on, so this comes late.
    """
    house = town.house
    async with steps("version 1 is turned on", seconds=120):
        await house.run(_TURN_ON_VERSION_1, seconds=80)
        for role in ON_THE_HOUSE:
            await restart(house, role)
    issuer = PublicKey.from_pem((await house.run("cat ~/issuer.pub")).encode())

    async def obtain(phone: Phone, key: PrivateKey | None) -> Carried:
        return await phone.obtain_v1(LOCK_ID, key, None if key is None else issuer)

    plain = "a phone of version 1 opens the door"
    await opens(town, steps, plain, lambda phone: obtain(phone, None))
    sealed = "the same, sealed and signed"
    await opens(town, steps, sealed, lambda phone: obtain(phone, keys.GUEST))


async def guest_opens(town: Town, steps: Steps) -> None:
    """blelock-guest of the package, on a machine of its own that then is switched off."""
    async with steps("guest: blelock-guest enrol, by the code of an invite", seconds=120):
        code = await setting_up.invite(town.house, "Bob")
        told = await town.guest.run("blelock-guest enrol", stdin=f"{code}\n", seconds=90)
    steps.note(told.splitlines()[-2])
    async with steps("blelock-guest gets a session over BlueZ and opens the door", seconds=180):
        here, there = await cursor(town.house), await cursor(town.guest)
        began = time.monotonic()
        await town.guest.run("systemctl enable --quiet --now blelock-guest 2>&1", seconds=60)
        obtained = await event(town.guest, "guest", "session-obtained", there, seconds=90)
        session = obtained["BLELOCK_SESSION"]
        unlock = await event(town.house, "lock", "unlock", here, session=session)
        opened = time.monotonic()
    steps.note(f"systemctl enable to journal {opened - began:.1f} s: {unlock['MESSAGE']}")
    steps.figures("guest", await figures(town.guest, "guest"))
    await town.guest.cut_power()
