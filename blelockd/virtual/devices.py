"""The devices that one adapter remembers, and what their adverts tell the bus.

BlueZ src/adapter.c: btd_adapter_update_found_device.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from blelockd.virtual import advertising_data
from blelockd.virtual.bluez_bus import BluezBus
from blelockd.virtual.device import Device, DeviceActions
from blelockd.virtual.discovery import Discovery
from blelockd.virtual.monitors import Monitors
from blelockd.virtual.settings import Settings
from blelockd.virtual.wire import Heard

REAP_SECONDS: Final = 1.0


class Devices:
    """The devices of one adapter. `actions` are what their Device1's methods do."""

    def __init__(
        self,
        adapter_path: str,
        bus: BluezBus,
        settings: Settings,
        discovery: Discovery,
        monitors: Monitors,
        actions: DeviceActions,
    ) -> None:
        self._adapter_path = adapter_path
        self._bus = bus
        self._settings = settings
        self._discovery = discovery
        self._monitors = monitors
        self._actions = actions
        self._devices: dict[str, Device] = {}  # by address, the longest unheard first
        self._reaper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to forget what is not heard any more."""
        self._reaper = self._bus.spawn(self._reap())

    def close(self) -> None:
        """The adapter is gone, and all that it remembered."""
        if self._reaper is not None:
            self._reaper.cancel()
        for device in list(self._devices.values()):
            self._forget(device)

    def hear(self, frame: Heard) -> None:
        """An advert has been received."""
        if self._bus.is_behind:
            return
        payload = frame.data + frame.scan_response
        is_active = bool(self._discovery)
        device = self._devices.get(frame.address)
        if not is_active and device is not None and device.last_payload == payload:
            self._seen(device)  # the controller's duplicate filter: once for every payload
            return
        advert = advertising_data.parse(payload)
        is_monitored = self._monitors.matches(payload)
        if not is_monitored and not self._discovery.lets_through(
            frame.address, frame.rssi_dbm, advert
        ):
            return
        if device is None:
            device = self._create(frame.address, frame.address_type)
            device.export(self._actions, {**advert, "RSSI": frame.rssi_dbm})
        else:
            device.hear(
                frame.rssi_dbm,
                advert if device.last_payload != payload or is_active else {},
                every_rssi=is_active and self._discovery.is_filtered,
                duplicates=is_active and self._discovery.wants_duplicates,
            )
        device.last_payload = payload
        self._seen(device)
        if is_monitored:
            self._monitors.found(device.path, payload)

    def meet(self, address: str, address_type: str) -> Device:
        """The device of this address, known or not: it has opened a link."""
        device = self._devices.get(address)
        if device is None:
            device = self._create(address, address_type)
            device.export(self._actions, {})
        self._seen(device)
        return device

    def at(self, path: str) -> Device | None:
        """The device with this path."""
        return next((each for each in self._devices.values() if each.path == path), None)

    def remove(self, device: Device) -> None:
        """Forget a device, as RemoveDevice asks. Its link, if any, is down already."""
        self._forget(device)

    def forget_payloads(self) -> None:
        """Passive scanning begins anew, and the controller's duplicate filter with it."""
        for device in self._devices.values():
            device.last_payload = None

    def forget_signals(self) -> None:
        """Discovery is over."""
        for device in self._devices.values():
            device.forget_signal()

    def _create(self, address: str, address_type: str) -> Device:
        device = Device(self._bus.tree, self._adapter_path, address, address_type)
        self._devices[address] = device
        return device

    def _seen(self, device: Device) -> None:
        device.seen_seconds = time.monotonic()
        self._devices[device.address] = self._devices.pop(device.address)

    def _forget(self, device: Device) -> None:
        self._devices.pop(device.address, None)
        self._monitors.lost(device.path)
        self._bus.tree.remove(device.path)

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(REAP_SECONDS)
            horizon = time.monotonic() - self._settings.temporary_seconds
            for device in list(self._devices.values()):
                if device.seen_seconds > horizon:
                    break
                if not device.is_linked:
                    self._forget(device)
