"""LEAdvertisingManager1: the adverts of one adapter, and their rhythm on the air.

An advert that is registered stays on the air until it is unregistered or its owner dies; a change
of its properties replaces what is on the air at once, as the kernel re-enables the instance.
BlueZ doc/org.bluez.LEAdvertisingManager.rst, src/advertising.c
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from blelockd.adapters.bluez.dbus import Variant
from blelockd.adapters.bluez.exported import DBusFault, Interface, Method, MethodCall, Property
from blelockd.virtual import advertising_data
from blelockd.virtual.bluez_bus import BluezBus
from blelockd.virtual.names import ADVERTISEMENT, ADVERTISING_MANAGER, refused
from blelockd.virtual.settings import Settings

INSTANCES: Final = 5
ADV_DELAY_MS: Final = 10  # Core specification 5.4, volume 6, part B, 4.4.2.2.1: 0 to 10 ms


class Station(Protocol):
    """What advertising needs of its adapter."""

    path: str
    powered: bool
    discoverable: bool
    alias: str

    def transmit(self, *, connectable: bool, data: bytes, scan_response: bytes) -> None:
        """Put one advertising event on the air."""


@dataclass(slots=True)
class Advert:
    """One registered LEAdvertisement1."""

    owner: str
    path: str
    properties: dict[str, Any] = field(default_factory=dict)
    data: bytes = b""
    scan_response: bytes = b""
    rhythm: asyncio.Task[None] | None = None
    end: asyncio.TimerHandle | None = None

    @property
    def is_connectable(self) -> bool:
        """Whether a central may answer it with a link."""
        return bool(self.properties.get("Type", "peripheral") == "peripheral")


class Advertising:
    """The adverts of one adapter."""

    def __init__(self, station: Station, bus: BluezBus, settings: Settings) -> None:
        self._station = station
        self._bus = bus
        self._settings = settings
        self._adverts: dict[tuple[str, str], Advert] = {}

    def interface(self) -> Interface:
        """The LEAdvertisingManager1 of this adapter."""
        limit = Variant("y", advertising_data.LEGACY_BYTES)
        capabilities = {"MaxAdvLen": limit, "MaxScnRspLen": limit}
        includes = ["tx-power", "appearance", "local-name"]
        properties = {
            "ActiveInstances": Property("y", 0),
            "SupportedInstances": Property("y", INSTANCES),
            "SupportedIncludes": Property("as", includes),
            "SupportedCapabilities": Property("a{sv}", capabilities),
        }
        if self._settings.experimental:
            properties["SupportedSecondaryChannels"] = Property("as", ["1M", "2M"])
            properties["SupportedFeatures"] = Property("as", ["CanSetTxPower"])
        methods = {
            "RegisterAdvertisement": Method(self._register, "oa{sv}"),
            "UnregisterAdvertisement": Method(self._unregister, "o"),
        }
        return Interface(ADVERTISING_MANAGER, properties, methods)

    @property
    def is_connectable(self) -> bool:
        """Whether the adapter advertises that it takes links."""
        return any(advert.rhythm and advert.is_connectable for advert in self._adverts.values())

    def owner_gone(self, owner: str) -> None:
        """Take a dead client's adverts off the air."""
        for key in [key for key in self._adverts if key[0] == owner]:
            self._remove(key)

    def close(self) -> None:
        """The adapter is gone: release every advert."""
        for key in list(self._adverts):
            self._remove(key, announce=False)
            self._bus.tell(*key, ADVERTISEMENT, "Release")

    def on_changed(self, owner: str, path: str, changed: Mapping[str, Any]) -> None:
        """A client changed its exported advertisement. What does not fit changes nothing."""
        advert = self._adverts.get((owner, path))
        if advert is None or advert.rhythm is None:
            return
        before, advert.properties = advert.properties, {**advert.properties, **changed}
        try:
            self._build(advert)
        except ValueError:
            advert.properties = before
            return
        self._start(advert)

    async def _register(self, call: MethodCall) -> None:
        key = call.sender, str(call.args[0])
        if not self._station.powered:
            raise refused("Failed", "Not Powered")
        if key in self._adverts:
            raise refused("AlreadyExists")
        if len(self._adverts) >= INSTANCES:
            raise refused("NotPermitted", "Maximum advertisements reached")
        advert = self._adverts[key] = Advert(*key)
        try:
            await self._bus.follow(advert.owner)
            advert.properties = await self._bus.properties(*key, ADVERTISEMENT)
            self._build(advert)
        except (DBusFault, TimeoutError, ValueError, TypeError):
            self._adverts.pop(key, None)
            raise refused("Failed", "Failed to register advertisement") from None
        if key not in self._adverts:
            raise refused("Failed", "The client is gone")
        self._start(advert)
        timeout_seconds = advert.properties.get("Timeout", 0)
        if timeout_seconds:
            loop = asyncio.get_running_loop()
            advert.end = loop.call_later(timeout_seconds, self._run_out, key)
        self._announce()

    def _run_out(self, key: tuple[str, str]) -> None:
        self._remove(key)
        self._bus.tell(*key, ADVERTISEMENT, "Release")

    def _unregister(self, call: MethodCall) -> None:
        key = call.sender, str(call.args[0])
        if key not in self._adverts:
            raise refused("DoesNotExist")
        self._remove(key)

    def _remove(self, key: tuple[str, str], *, announce: bool = True) -> None:
        advert = self._adverts.pop(key)
        if advert.rhythm is not None:
            advert.rhythm.cancel()
        if advert.end is not None:
            advert.end.cancel()
        if announce:
            self._announce()

    def _announce(self) -> None:
        count = len(self._adverts)
        self._bus.tree.update(
            self._station.path,
            ADVERTISING_MANAGER,
            ActiveInstances=count,
            SupportedInstances=INSTANCES - count,
        )

    def _build(self, advert: Advert) -> None:
        advert.data, advert.scan_response = advertising_data.build(
            advert.properties,
            discoverable=self._station.discoverable,
            name=self._station.alias,
            appearance=0,
        )

    def _start(self, advert: Advert) -> None:
        if advert.rhythm is not None:
            advert.rhythm.cancel()
        advert.rhythm = self._bus.spawn(self._repeat(advert))

    async def _repeat(self, advert: Advert) -> None:
        interval_ms = self._interval_ms(advert)
        while True:
            self._station.transmit(
                connectable=advert.is_connectable,
                data=advert.data,
                scan_response=advert.scan_response,
            )
            delay_ms = random.uniform(0, min(ADV_DELAY_MS, interval_ms))
            await asyncio.sleep((interval_ms + delay_ms) / 1000)

    def _interval_ms(self, advert: Advert) -> float:
        if self._settings.experimental and advert.properties.get("MinInterval"):
            # The controller chooses between the two; most take the shorter one.
            return float(advert.properties["MinInterval"])
        return self._settings.interval_ms
