"""A second guest, without bleak: of bleak there can be only one in a process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from blelockd.adapters.bluez import dbus
from blelockd.adapters.bluez.defs import GATT_CHARACTERISTIC
from tests.adapters.bluez.room import PATIENCE_SECONDS, ask


class OtherGuest:
    """A second guest on a machine of its own, straight over D-Bus; keeps what it is notified of."""

    def __init__(self, bus: dbus.MessageBus) -> None:
        self._bus = bus
        self.notified: list[bytes] = []
        bus.add_message_handler(self._on_message)

    def _on_message(self, message: dbus.Message) -> None:
        if message.member == "PropertiesChanged" and message.body[0] == GATT_CHARACTERISTIC:
            value = dbus.plain(message.body[1]).get("Value")
            if value is not None:
                self.notified.append(bytes(value))

    async def call(
        self, path: str, interface: str, member: str, signature: str = "", *body: Any
    ) -> list[Any]:
        answer = await ask(self._bus, "org.bluez", path, interface, member, signature, *body)
        assert answer.message_type is dbus.MessageType.METHOD_RETURN, answer.error_name
        return [dbus.plain(value) for value in answer.body]

    async def find(self, holds: Callable[[str, dict[str, Any]], object]) -> str:
        """The path of the first object of BlueZ for which `holds`."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                (objects,) = await self.call(
                    "/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"
                )
                for path, interfaces in objects.items():
                    if holds(path, interfaces):
                        return str(path)
                await asyncio.sleep(0.02)

    async def subscribe(self, issuer_address: str) -> str:
        """Connect to the issuer and subscribe; returns the characteristic's path."""
        await ask(
            self._bus,
            *("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"),
            *("AddMatch", "s", "type='signal',sender='org.bluez'"),
        )
        await self.call("/org/bluez/hci0", "org.bluez.Adapter1", "StartDiscovery")
        device = await self.find(
            lambda _, each: each.get("org.bluez.Device1", {}).get("Address") == issuer_address
        )
        await self.call(device, "org.bluez.Device1", "Connect")
        characteristic = await self.find(
            lambda path, each: path.startswith(device) and GATT_CHARACTERISTIC in each
        )
        await self.call(characteristic, GATT_CHARACTERISTIC, "StartNotify")
        return characteristic
