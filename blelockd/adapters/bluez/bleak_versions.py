"""The one file that knows which bleak this is, from 0.20.2 to 3.x, and what it keeps to itself.

bleak holds one hidden connection to the bus for each event loop. It must be looked at, because
0.20 does not notice its death, and dropped, because it remembers devices of a dead bluetoothd.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Final

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from blelockd.adapters.bluez import dbus
from blelockd.adapters.bluez.bleak_objects import BoundedObjects
from blelockd.adapters.bluez.bleak_senders import (
    comes_from_bluetoothd,
    follow_bluetoothd,
    heed_bluetoothd_alone,
)
from blelockd.adapters.bluez.defs import BLUEZ, GATT_SERVICE, MONITOR, PEER

__all__ = ["AdvertisementData", "BLEDevice", "BleakBus", "BleakClient", "BleakLink", "BleakScanner"]

Heard = Callable[[BLEDevice, AdvertisementData], None]

BLEAK_MAJOR: Final = int(version("bleak").split(".")[0])
_NAMES_ADAPTER_IN_BLUEZ: Final = 3  # the first bleak that wants it there; older ones ignore it
_MANUFACTURER_DATA: Final = 0xFF  # Bluetooth Assigned Numbers, 2.3, AD types

_POLLS: Final = 100
_POLL_SECONDS: Final = 0.01

_manager: Any = importlib.import_module("bleak.backends.bluezdbus.manager")

heed_bluetoothd_alone(_manager.BlueZManager)

# Before its first connection bleak asks bluetoothctl for its version, and when that is cancelled,
# no later connection ever begins. What it assumes without asking holds from BlueZ 5.55 on.
importlib.import_module(
    "bleak.backends.bluezdbus.version"
).BlueZFeatures.checked_bluez_version = True


def _is_news(record: logging.LogRecord) -> bool:
    """bleak 3.1 warns whenever forget_bus() drops its connection: that is no news."""
    return not str(record.msg).startswith("D-Bus connection to BlueZ was lost")


logging.getLogger(_manager.__name__).addFilter(_is_news)


def scanner(heard: Heard, adapter: str, *, passive_for: int | None = None) -> BleakScanner:
    """A scanner on `adapter`: passive for adverts of that company id, or active for all.

    The empty pattern makes bluetoothd report devices that are not discoverable, too.
    """
    bluez: dict[str, Any] = {"filters": {"Pattern": ""}}
    if passive_for is not None:
        company = passive_for.to_bytes(2, "little")
        bluez = {"or_patterns": [(0, _MANUFACTURER_DATA, company)]}
    mode = "active" if passive_for is None else "passive"
    made: Any = BleakScanner
    scanner: BleakScanner = made(heard, scanning_mode=mode, **_on(adapter, bluez))
    return scanner


class _Nothing(dict[str, Any]):
    """Takes everything and keeps nothing."""

    def __setitem__(self, key: str, value: Any) -> None:
        pass


def keep_nothing(scanner: BleakScanner) -> None:
    """Let a scanner that has started remember no devices: that halves what each costs."""
    internals: Any = scanner
    internals._backend.seen_devices = _Nothing()


class BleakLink:
    """A client of bleak's for `device`, which a scan on `adapter` found.

    bleak gives each client a connection of its own to the bus; 0.20 leaves its socket open.
    """

    def __init__(
        self,
        device: BLEDevice,
        adapter: str,
        on_disconnect: Callable[[object], None],
        timeout_seconds: float,
    ) -> None:
        made: Any = BleakClient
        self.client: BleakClient = made(
            device, on_disconnect, timeout=timeout_seconds, **_on(adapter, {})
        )
        self._bus: Any = None
        self._backend: Any = getattr(self.client, "_backend")  # noqa: B009 - nothing declares it
        self._bleaks_cleanup: Any = self._backend._cleanup_all
        self._backend._cleanup_all = self._clean_up

    async def connect(self) -> None:
        """Connect. Raises what bleak raises.

        When cancelled, bleak is first let make its connection to the bus: 0.20 would lose it.
        """
        _forget_removed_services(await open_bus())
        connecting = asyncio.ensure_future(self.client.connect())
        try:
            await asyncio.shield(connecting)
        except asyncio.CancelledError:
            for _ in range(_POLLS):
                if connecting.done() or self._backend._bus is not None:
                    break
                await asyncio.sleep(_POLL_SECONDS)
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            raise

    async def close(self, *, politely: bool) -> None:
        """Disconnect, and close the connection to the bus even when that fails.

        `politely` asks bluetoothd to disconnect; never before it is connected, for which bleak 3.1
        would wait forever. Raises what bleak raises.
        """
        self._bus = self._backend._bus or self._bus
        try:
            if politely and self.client.is_connected:
                await self.client.disconnect()
        finally:
            if self._bus is not None:
                await dbus.disconnect(self._bus)

    def _clean_up(self) -> None:
        """Called by bleak, which forgets its connection as soon as the peer has gone."""
        self._bus = self._backend._bus or self._bus
        self._bleaks_cleanup()


def _on(adapter: str, bluez: dict[str, Any]) -> dict[str, Any]:
    if BLEAK_MAJOR >= _NAMES_ADAPTER_IN_BLUEZ:
        return {"bluez": {"adapter": adapter, **bluez}}
    return {"adapter": adapter, **({"bluez": bluez} if bluez else {})}


async def open_bus() -> Any:
    """bleak's hidden connection's manager, connected. Raises what bleak raises.

    When cancelled, bleak is first let make the connection: it would lose it else.
    """
    opening = asyncio.ensure_future(_opened())
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait({opening}, timeout=_POLLS * _POLL_SECONDS)
        opening.cancel()
        raise


async def _opened() -> Any:
    manager = await _manager.get_global_bluez_manager()
    await follow_bluetoothd(manager)
    return manager


def _forget_removed_services(manager: Any) -> None:
    """bleak 0.20 keeps the path of a service that was taken down, and trips over it ever after."""
    properties = manager._properties
    for paths in manager._service_map.values():
        paths -= {path for path in paths if GATT_SERVICE not in properties.get(path, ())}


class BleakBus:
    """bleak's hidden connection, from open() to forget()."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._bus: Any = manager._bus
        self.monitor_is_active = asyncio.Event()
        self._bus.add_message_handler(self._on_message)

    @classmethod
    async def open(cls) -> BleakBus:
        """Have bleak connect, if it has not. Raises what bleak raises."""
        return cls(await open_bus())

    @property
    def connected(self) -> bool:
        """Whether this connection is alive, and still the one that bleak uses."""
        return self._manager._bus is self._bus and bool(self._bus.connected)

    async def ping_bluez(self) -> None:
        """Return when bluetoothd has answered over this connection. Raises OSError, EOFError."""
        if not self.connected:
            raise ConnectionError("bleak's connection to the bus is lost")
        await self._bus.call(
            _manager.Message(destination=BLUEZ, path="/", interface=PEER, member="Ping")
        )

    def keep_little(self) -> None:
        """Have bleak keep a bounded number of devices: strangers have ever new addresses."""
        if not isinstance(self._manager._properties, BoundedObjects):
            self._manager._properties = BoundedObjects(self._manager._properties)

    def forget_removed(self) -> None:
        """Drop what bleak 0.20 keeps of each device that has ever been seen."""
        properties = self._manager._properties
        for path in [path for path, interfaces in properties.items() if not interfaces]:
            del properties[path]

    def detach(self) -> None:
        """Watch no more, and leave the connection to bleak."""
        self._bus.remove_message_handler(self._on_message)

    def _on_message(self, message: Any) -> None:
        """bluetoothd activates a monitor that it uses, and releases one that it will not use."""
        is_call = message.message_type is _manager.MessageType.METHOD_CALL
        if is_call and message.interface == MONITOR:
            if not comes_from_bluetoothd(self._manager, message):
                return
            if message.member == "Activate":
                self.monitor_is_active.set()
            elif message.member == "Release":
                self.monitor_is_active.clear()


async def forget_bus() -> None:
    """Drop bleak's connection with all that is remembered; bluetoothd ends what it had begun.

    The next use of bleak in this event loop connects anew. Nothing else here may use bleak now.
    """
    manager = _manager._global_instances.pop(asyncio.get_running_loop(), None)
    bus = getattr(manager, "_bus", None)
    if bus is not None:
        await dbus.disconnect(bus)
