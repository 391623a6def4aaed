"""An honest guest of a whole house: asks until it gets a session, and shows its tokens."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import yaml

from blelockd.adapters.clock import SystemClock, system_entropy
from blelockd.adapters.keyring import GSK, Keyring
from blelockd.protocol.ids import LockId
from blelockd.protocol.v2.tokens import Presented
from blelockd.services.guest.dialogue import Issuer
from blelockd.services.guest.provisioning import Carried, ProvisioningFailed, ProvisioningLimits
from blelockd.services.guest.provisioning_v2 import V2Identity, V2Provisioning
from blelockd.services.ports import IssuerMark
from blelockd.virtual import typed
from blelockd.virtual.stage import LOCK_ID, NotTold
from tests.floods.phantom_guest import PhantomCentral
from tests.stories.enrolled_play import NEAR_DBM
from tests.stories.whole_house import REARM_SECONDS, WholeHouse

MANY: Final = {"requests_per_guest_per_minute": 1000, "requests_per_guest_per_hour": 10_000}
"""One guest asks for many; what all strangers together may ask is as it is shipped."""

_GIVE_UP_SECONDS: Final = 30.0
_AGAIN_SECONDS: Final = 0.1
_PAUSE_SECONDS: Final = 0.5
_ADVERT_SECONDS: Final = 0.1
_ADVERT_HEAD: Final = b"\x02\x01\x06\x17\xff\xff\xff"  # flags; 20 bytes for company 0xFFFF


class HonestGuest:
    """A guest that has enrolled on the host `guest`. `asked` counts what it set out to do."""

    def __init__(self, house: WholeHouse, name: str = "guest") -> None:
        self._house = house
        keyring, air = Keyring(house.stage.keys(name)), house.stage.air
        central = PhantomCentral(air, f"honest {name}", house.hosts["issuer"].address())
        clock = SystemClock()
        limits = ProvisioningLimits(response_seconds=4.0, patience_seconds=0.2)
        way = Issuer(central, IssuerMark(name="IssuerBeacon"), limits, clock)
        identity = V2Identity(keyring.own(GSK), keyring.issuer_card(), Presented())
        self._provisioning = V2Provisioning(way, identity, clock, system_entropy)
        self.asked = 0
        self.had: set[str] = set()
        """The sessions that it got."""
        self._addresses = 0
        self._let_in_seconds = -math.inf

    @classmethod
    async def another(cls, house: WholeHouse, person: str) -> HonestGuest:
        """Enrols with a key of its own: the door knows it as somebody else."""
        settings = yaml.safe_load(house.guest.config.read_text())
        settings["keys_directory"] = str(house.stage.keys(person))
        config = house.guest.config.with_name(f"{person}.yaml")
        config.write_text(yaml.safe_dump(settings))
        code = await typed.invite(house.issuer.config, person, "--locks", LOCK_ID)
        await typed.enrol(config, house.hosts["guest"], code)
        return cls(house, person)

    async def session(self) -> Carried:
        """A session, however often it must ask; raises ProvisioningFailed after 30 s."""
        began = time.monotonic()
        while True:
            try:
                carried = await self._provisioning.obtain(LockId(LOCK_ID))
                self.had.add(str(carried.session.session_id))
                return carried
            except ProvisioningFailed:
                if time.monotonic() - began > _GIVE_UP_SECONDS:
                    raise
                await asyncio.sleep(_AGAIN_SECONDS)

    async def away(self) -> None:
        """Return when the door is armed for this guest again."""
        left = self._let_in_seconds + REARM_SECONDS + _PAUSE_SECONDS - time.monotonic()
        await asyncio.sleep(max(0.0, left))

    async def tries(self) -> None:
        """Ask once and walk up, whatever comes of it."""
        with suppress(ProvisioningFailed, NotTold):
            await self.opens()

    async def opens(self, within_seconds: float = 20.0) -> str:
        """Get a session, which is returned, walk up and be let in; raises ProvisioningFailed,
        NotTold.
        """
        carried = await self.session()
        self._addresses += 1
        address = f"C3:00:00:00:{self._addresses >> 8:02X}:{self._addresses & 255:02X}"
        lock, session = self._house.lock, carried.session
        since = len(lock.events)

        async def show() -> None:
            while True:
                token = session.scheme.token(session.slot_at(carried.now())).reveal()
                air = self._house.stage.air
                air.inject(address, _ADVERT_HEAD + token, NEAR_DBM, to="lock")
                await asyncio.sleep(_ADVERT_SECONDS)

        showing = asyncio.ensure_future(show())
        try:
            await lock.told("unlock", within_seconds, since=since, session=str(session.session_id))
        finally:
            showing.cancel()
            await asyncio.wait({showing})
        self._let_in_seconds = time.monotonic()
        return str(session.session_id)

    @asynccontextmanager
    async def coming(self, what: Callable[[], Awaitable[object]]) -> AsyncIterator[list[float]]:
        """While this lasts the guest does `what`, again and again, from when the door is armed for
        it; how long it took, where it was done in the end.
        """
        self.asked, waits = 0, list[float]()
        over = asyncio.Event()

        async def come() -> None:
            while not (over.is_set() and self.asked):
                await self.away()
                self.asked += 1
                began = time.monotonic()
                try:
                    await what()
                except (ProvisioningFailed, NotTold):
                    continue
                waits.append(time.monotonic() - began)
                try:
                    async with asyncio.timeout(_PAUSE_SECONDS):
                        await over.wait()
                except TimeoutError:
                    pass

        coming = asyncio.ensure_future(come())
        try:
            yield waits
        finally:
            over.set()
            await coming
