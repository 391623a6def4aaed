"""An issuer on the virtual air, and a guest of ours who connects to it from another machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from blelockd.adapters.bluez.broadcaster import Advertisement, LeBroadcaster
from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.errors import RadioDown
from blelockd.adapters.bluez.gatt_client import GattCentral
from blelockd.adapters.bluez.gatt_connection import GattConnection
from blelockd.adapters.bluez.gatt_endpoints import Endpoint
from blelockd.adapters.bluez.gatt_server import GattServer
from blelockd.services.ports import CharacteristicWrite, IssuerMark, WriteHandler
from blelockd.virtual.hosts import Host
from tests.adapters.bluez.room import (
    CHARACTERISTIC,
    COMPANY,
    HEART_RATE,
    PATIENCE_SECONDS,
    SERVICE,
    Room,
    eventually,
)

BEACON = Advertisement(COMPANY, "IssuerBeacon", (HEART_RATE,), 0x0340)
MARK = IssuerMark(name="IssuerBeacon")
V1_ENDPOINT = Endpoint.of_v1(SERVICE, CHARACTERISTIC)
PATH = "/org/blelock/gatt/service0/characteristic0"
BOTH_ROUTES = pytest.mark.parametrize("sockets", [True, False], ids=["socket", "signal"])
BOTH_RELEASES = pytest.mark.parametrize("release", [(5, 66), (5, 82)], ids=["bookworm", "trixie"])


class Issuer:
    """A beacon and a provisioning service; keeps what was written."""

    def __init__(self, controller: Controller, *, sockets: bool = True) -> None:
        self.controller = controller
        self.server = GattServer(controller, SERVICE, CHARACTERISTIC, sockets=sockets)
        self.beacon = LeBroadcaster(controller, BEACON)
        self.writes: list[CharacteristicWrite] = []

    async def start(self, handler: WriteHandler | None = None) -> None:
        await self.server.start(handler or self.keep)
        await self.beacon.broadcast(b"issuer")

    async def keep(self, write: CharacteristicWrite) -> None:
        self.writes.append(write)

    async def writer(self) -> str:
        """The device that has written."""
        await eventually(lambda: self.writes, "a write")
        return self.writes[-1].device


async def open_issuer(room: Room, *, sockets: bool = True, **settings: Any) -> Issuer:
    host = await room.air.add_host("issuer", **settings)
    issuer = Issuer(await room.controller(host), sockets=sockets)
    await issuer.start()
    return issuer


@asynccontextmanager
async def guest(
    room: Room, host: Host, endpoint: Endpoint = V1_ENDPOINT
) -> AsyncIterator[GattConnection]:
    """A guest of ours, connected and subscribed."""
    room.bleak_on(host)
    central = GattCentral("hci0", endpoint)
    try:
        async with central.connect(await central.find(MARK, PATIENCE_SECONDS)) as connection:
            yield connection
    finally:
        await central.close()


async def received(connection: GattConnection, count: int) -> list[bytes]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [await connection.receive() for _ in range(count)]


async def refused(attempt: Callable[[], Awaitable[None]]) -> RadioDown:
    """What is raised once the loss has been noticed."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await attempt()
            except RadioDown as down:
                return down
            await asyncio.sleep(0)
