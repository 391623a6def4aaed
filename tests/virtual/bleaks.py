"""The real bleak, scanning and connecting on a virtual host."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import Any, Final

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from blelockd.adapters.bluez.dbus import disconnect
from blelockd.virtual.hosts import Host, VirtualAir
from tests.virtual.programs import COMPANY, until

BLEAK_MAJOR: Final = int(version("bleak").split(".")[0])


@contextmanager
def at_home(host: Host) -> Iterator[None]:
    """This process is a program of that host, as far as bleak can see.

    Only for the moment in which bleak connects: it keeps its connection after that.
    """
    before = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = host.bus_address
    try:
        yield
    finally:
        if before is None:
            del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
        else:
            os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = before


class Heard:
    """What a scanner has been called back with."""

    def __init__(self) -> None:
        self.adverts: list[tuple[BLEDevice, AdvertisementData]] = []

    def __call__(self, device: BLEDevice, advert: AdvertisementData) -> None:
        self.adverts.append((device, advert))

    def payloads(self, company: int = COMPANY) -> list[bytes]:
        """The manufacturer data of every callback, in order."""
        return [
            advert.manufacturer_data[company]
            for _, advert in self.adverts
            if company in advert.manufacturer_data
        ]

    def rssi_dbm(self) -> set[int]:
        """Every RSSI that was told."""
        return {advert.rssi for _, advert in self.adverts if advert.rssi is not None}

    async def device(self, address: str) -> BLEDevice:
        """The device with this address, once it is heard."""
        await until(lambda: any(device.address == address for device, _ in self.adverts))
        return next(device for device, _ in self.adverts if device.address == address)


@asynccontextmanager
async def scanning(
    air: VirtualAir, host: Host, *, passive: bool = False, adapter: str = "hci0"
) -> AsyncIterator[Heard]:
    """bleak's scanner on `host`, whose radio listens when this is entered."""
    heard = Heard()
    bluez: dict[str, Any] = {"or_patterns": [(0, 0xFF, b"\xff\xff")]} if passive else {}
    made: Any = BleakScanner
    mode = "passive" if passive else "active"
    with at_home(host):
        scanner = made(heard, scanning_mode=mode, **_on(adapter, bluez))
        await scanner.start()
    try:
        await until(lambda: air.scanning(host.name, adapter) == mode)
        yield heard
    finally:
        await scanner.stop()


@asynccontextmanager
async def connected(
    host: Host, device: BLEDevice, on_disconnect: Callable[[BleakClient], None] | None = None
) -> AsyncIterator[BleakClient]:
    """bleak's client on `host`, connected to a device that was scanned there."""
    made: Any = BleakClient
    with at_home(host):
        client: BleakClient = made(device, on_disconnect, **_on("hci0", {}))
        await client.connect()
    internals: Any = client
    bus = internals._backend._bus
    try:
        yield client
    finally:
        await client.disconnect()
        await disconnect(bus)  # some versions leave the socket open


def _on(adapter: str, bluez: dict[str, Any]) -> dict[str, Any]:
    if BLEAK_MAJOR >= 3:
        return {"bluez": {"adapter": adapter, **bluez}}
    return {"adapter": adapter, "bluez": bluez} if bluez else {"adapter": adapter}
