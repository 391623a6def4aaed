"""A phone that is not BlueZ: blelockd's guest on bumble's host stack, an independent one.

Two ports of the services in bumble's terms. Nothing here decides anything about a session.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from typing import Any, Final

from bumble import hci
from bumble.core import AdvertisingData
from bumble.device import AdvertisingType, Device, Peer
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from blelockd.adapters.clock import SystemClock
from blelockd.protocol.ids import LockId
from blelockd.protocol.keys import PrivateKey, PublicKey
from blelockd.services.events import Event
from blelockd.services.guest.presence import Presence
from blelockd.services.guest.provisioning import Carried, ProvisioningLimits
from blelockd.services.guest.provisioning_v1 import GuestIdentity, V1Provisioning
from blelockd.services.ports import Connection, IssuerMark, LinkDown
from tests.vm.air import Air, Radio

SERVICE: Final = "c0de0001-0000-1000-8000-00805f9b34fb"
CHARACTERISTIC: Final = "c0de0002-0000-1000-8000-00805f9b34fb"
COMPANY_ID: Final = 0xFFFF
MTU: Final = 517
_ATT_HEADER_BYTES: Final = 3
_LARGEST_WRITE_BYTES: Final = 508  # docs/protocol.md, "Chunks"
_CONNECT_SECONDS: Final = 20.0
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

    async def obtain(
        self, lock: str, key: PrivateKey | None = None, issuer: PublicKey | None = None
    ) -> Carried:
        """A session from the issuer; raises ProvisioningFailed."""
        provisioning = V1Provisioning(
            _Central(self._device),
            IssuerMark(name="IssuerBeacon"),
            GuestIdentity(key, issuer),
            ProvisioningLimits(scan_seconds=20, response_seconds=20),
            _SLOT_MS,
            SystemClock(),
        )
        return await provisioning.obtain(LockId.parse(lock))

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

    async def beacon(self, seconds: float) -> dict[str, Any]:
        """What the first beacon of company 0xFFFF says: its address, name and payload."""
        async with asyncio.timeout(seconds):
            return await _first(self._device, lambda heard: heard["payload"] is not None)


class _Silent:
    def record(self, event: Event) -> None:
        """A phone has no journal."""


async def _first(device: Any, matches: Any) -> dict[str, Any]:
    found: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def heard(advertisement: Any) -> None:
        name = advertisement.data.get(AdvertisingData.COMPLETE_LOCAL_NAME)
        facts = {"address": advertisement.address, "name": name, "payload": None}
        data = advertisement.data.get(AdvertisingData.MANUFACTURER_SPECIFIC_DATA)
        if data is not None and data[0] == COMPANY_ID:
            facts["payload"] = bytes(data[1])
        if not found.done() and matches(facts):
            found.set_result(facts)

    device.on("advertisement", heard)
    try:
        await device.start_scanning(active=True)
        return await found
    finally:
        device.remove_listener("advertisement", heard)
        await device.stop_scanning()


class _Central:
    """Fulfils ports.Central."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self._found: dict[str, Any] = {}

    async def find(self, mark: IssuerMark, timeout_seconds: float) -> str:
        try:
            async with asyncio.timeout(timeout_seconds):
                facts = await _first(self._device, lambda heard: heard["name"] == mark.name)
        except TimeoutError:
            raise LinkDown(f"no beacon called {mark.name}") from None
        handle = str(facts["address"])
        self._found[handle] = facts["address"]
        return handle

    @asynccontextmanager
    async def connect(self, handle: str) -> AsyncIterator[Connection]:
        try:
            link = await self._device.connect(self._found[handle], timeout=_CONNECT_SECONDS)
        except Exception as error:
            raise LinkDown(f"cannot connect: {error}") from error
        try:
            yield await _subscribed(link)
        finally:
            with suppress(Exception):
                await link.disconnect()


async def _subscribed(link: Any) -> _Connection:
    peer = Peer(link)
    mtu = await peer.request_mtu(MTU)
    await peer.discover_service(SERVICE)
    await peer.discover_characteristics([CHARACTERISTIC])
    characteristics = peer.get_characteristics_by_uuid(CHARACTERISTIC)
    if not characteristics:
        raise LinkDown("the issuer has no such characteristic")
    connection = _Connection(characteristics[0], mtu)
    await characteristics[0].subscribe(connection.notified)
    link.on("disconnection", lambda _reason: connection.notified(None))
    return connection


class _Connection:
    """Fulfils ports.Connection."""

    def __init__(self, characteristic: Any, mtu: int) -> None:
        self._characteristic = characteristic
        self._notified: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.largest_write_bytes = min(mtu - _ATT_HEADER_BYTES, _LARGEST_WRITE_BYTES)

    def notified(self, value: bytes | None) -> None:
        self._notified.put_nowait(None if value is None else bytes(value))

    async def read(self) -> bytes:
        try:
            return bytes(await self._characteristic.read_value())
        except Exception as error:
            raise LinkDown(f"the read was refused: {error}") from error

    async def write(self, value: bytes) -> None:
        try:
            await self._characteristic.write_value(value, with_response=True)
        except Exception as error:
            raise LinkDown(f"the write was refused: {error}") from error

    async def receive(self) -> bytes:
        value = await self._notified.get()
        if value is None:
            raise LinkDown("the issuer has gone")
        return value


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
