"""A phone that is not BlueZ: blelockd's guest on bumble's host stack, an independent one.

Nothing here decides anything about a session.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from typing import Any, Final

from bumble import hci
from bumble.core import AdvertisingData
from bumble.device import AdvertisingType, Device
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from blelockd.adapters.bluez.gatt_endpoints import V2_ENDPOINT, Endpoint
from blelockd.adapters.clock import SystemClock, system_entropy
from blelockd.protocol.ids import LockId
from blelockd.protocol.keys import PrivateKey, PublicKey
from blelockd.protocol.v2.ec_keys import GuestSigningKey
from blelockd.protocol.v2.tokens import Presented
from blelockd.services.events import Event
from blelockd.services.guest.dialogue import Issuer
from blelockd.services.guest.enrolment import Enrolment, invite_in
from blelockd.services.guest.presence import Presence
from blelockd.services.guest.provisioning import Carried, ProvisioningLimits
from blelockd.services.guest.provisioning_v1 import GuestIdentity, V1Provisioning
from blelockd.services.guest.provisioning_v2 import V2Identity, V2Provisioning
from blelockd.services.ports import IssuerMark
from tests.vm.air import Air, Radio
from tests.vm.central import COMPANY_ID, Central

_V1_ENDPOINT: Final = Endpoint.of_v1(
    "c0de0001-0000-1000-8000-00805f9b34fb", "c0de0002-0000-1000-8000-00805f9b34fb"
)
_MARK: Final = IssuerMark(name="IssuerBeacon")
_LIMITS: Final = ProvisioningLimits(scan_seconds=20, response_seconds=20)
_SLOT_MS: Final = 3000


class Flags(Enum):
    """What an advertisement says of its sender."""

    DISCOVERABLE = "discoverable"
    NOT_DISCOVERABLE = "not discoverable"

    @property
    def byte(self) -> int:
        """On the air: Core Specification Supplement, part A, 1.3."""
        return 0x06 if self is Flags.DISCOVERABLE else 0x04


class Phone:
    """A guest in the air. `address` is its identity; random static, so it keeps it."""

    def __init__(self, air: Air, address: str) -> None:
        self.address = address
        self.radio = Radio("phone", air, "00:00:00:00:00:00")
        self._device = Device(
            name="phone",
            address=hci.Address(address, hci.Address.RANDOM_DEVICE_ADDRESS),
            host=Host(self.radio, AsyncPipeSink(self.radio)),
        )

    async def switch_on(self) -> None:
        """Be in the air."""
        await self._device.power_on()

    def leave(self) -> None:
        """Be gone from the air, for good."""
        self.radio.leave()

    async def enrol(self, code: str) -> V2Identity:
        """Who this phone is from now on, by the code of an invite; raises ProvisioningFailed."""
        key = GuestSigningKey.derive(system_entropy(32))
        enrolment = Enrolment(self._way(), key, system_entropy)
        card = await enrolment.enrol(invite_in(code), None, "a phone", lambda _step: None)
        return V2Identity(key, card, Presented())

    async def obtain(self, lock: str, identity: V2Identity) -> Carried:
        """A session for whoever has enrolled; raises ProvisioningFailed."""
        provisioning = V2Provisioning(self._way(), identity, SystemClock(), system_entropy)
        return await provisioning.obtain(LockId.parse(lock))

    async def obtain_v1(
        self, lock: str, key: PrivateKey | None = None, issuer: PublicKey | None = None
    ) -> Carried:
        """A session of version 1; raises ProvisioningFailed."""
        central = Central(self._device, _V1_ENDPOINT)
        identity = GuestIdentity(key, issuer)
        provisioning = V1Provisioning(central, _MARK, identity, _LIMITS, _SLOT_MS, SystemClock())
        return await provisioning.obtain(LockId.parse(lock))

    def _way(self) -> Issuer:
        return Issuer(Central(self._device, V2_ENDPOINT), _MARK, _LIMITS, SystemClock())

    @asynccontextmanager
    async def show(
        self, carried: Carried, *, flags: Flags = Flags.DISCOVERABLE
    ) -> AsyncIterator[None]:
        """Advertise the session's tokens while the context lasts."""
        presence = Presence(_Silent(), SystemClock())
        presence.carry(carried)
        showing = asyncio.create_task(presence.run(_Broadcaster(self._device, flags)))
        try:
            yield
        finally:
            showing.cancel()
            with suppress(asyncio.CancelledError):
                await showing


class _Silent:
    def record(self, event: Event) -> None:
        """A phone has no journal."""


class _Broadcaster:
    """Fulfils ports.Broadcaster: one advertisement, as a phone's app would make it."""

    def __init__(self, device: Any, flags: Flags) -> None:
        self._device = device
        self._flags = flags
        self._on_air = False

    async def broadcast(self, payload: bytes) -> None:
        await self.silence()
        company = COMPANY_ID.to_bytes(2, "little")
        data = AdvertisingData(
            [
                (AdvertisingData.FLAGS, bytes([self._flags.byte])),
                (AdvertisingData.MANUFACTURER_SPECIFIC_DATA, company + payload),
            ]
        )
        self._on_air = True
        await self._device.start_advertising(
            advertising_type=AdvertisingType.UNDIRECTED_SCANNABLE,
            advertising_data=bytes(data),
            advertising_interval_min=100,
            advertising_interval_max=100,
        )

    async def silence(self) -> None:
        if self._on_air:
            self._on_air = False
            await self._device.stop_advertising()
