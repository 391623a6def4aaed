"""One controller and its Adapter1: power, address, and everything that stands on it.

BlueZ doc/org.bluez.Adapter.rst, src/adapter.c.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from blelockd.adapters.bluez.exported import Interface, Method, MethodCall, Property
from blelockd.virtual.advertising import Advertising
from blelockd.virtual.bluez_bus import BluezBus
from blelockd.virtual.connections import Connections
from blelockd.virtual.device import Device, DeviceActions
from blelockd.virtual.devices import Devices
from blelockd.virtual.discovery import Discovery
from blelockd.virtual.gatt_server import GattServer
from blelockd.virtual.monitors import Monitors
from blelockd.virtual.names import ADAPTER, refused
from blelockd.virtual.settings import Settings
from blelockd.virtual.wire import Advertised, Frame, RadioGone, RadioState


class AddressKind(StrEnum):
    """How a controller names itself on the air."""

    PUBLIC = "public"
    RANDOM = "random"  # static random
    PRIVATE = "private"  # resolvable private, rotating


@dataclass(frozen=True, slots=True)
class Plugged:
    """A controller to plug in. `address` is its identity: with PRIVATE it is never on the air."""

    name: str
    address: str
    kind: AddressKind = AddressKind.PUBLIC


class Adapter:
    """One adapter of one host. `send` puts a frame on the host's antenna."""

    def __init__(
        self, plugged: Plugged, bus: BluezBus, settings: Settings, send: Callable[[Frame], None]
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._send = send
        self._identity = plugged.address
        self._kind = plugged.kind
        self._rotation: asyncio.Task[None] | None = None
        self.name = plugged.name
        self.path = f"/org/bluez/{plugged.name}"
        self.alias = f"virtual-{plugged.name}"
        self.powered = True
        self.discoverable = False
        self.address = plugged.address
        self.advertising = Advertising(self, bus, settings)
        self.monitors = Monitors(bus, self._on_monitors)
        self.discovery = Discovery(lambda: self.powered, self._on_discovery, settings)
        self.connections = Connections(plugged.name, bus, settings, send, self._meet)
        self.server = GattServer(bus, settings, self.connections.path_of)
        self.connections.server = self.server
        self.devices = Devices(
            self.path,
            bus,
            settings,
            self.discovery,
            self.monitors,
            DeviceActions(self._connect, self.connections.disconnect),
        )

    @property
    def address_type(self) -> str:
        """How the address on the air is to be understood: public or random."""
        return "public" if self._kind is AddressKind.PUBLIC else "random"

    @property
    def scanning(self) -> str:
        """off, passive or active."""
        if self.discovery:
            return "active"
        return "passive" if self.monitors else "off"

    def plug(self) -> None:
        """Bring the adapter onto the bus and the air."""
        interfaces = [
            self._interface(),
            self.advertising.interface(),
            self.server.interface(),
        ]
        if self._settings.experimental:
            interfaces.append(self.monitors.interface())
        self._bus.tree.add(self.path, *interfaces)
        if self._kind is AddressKind.PRIVATE:
            self._rotation = self._bus.spawn(self._rotate())
        self.devices.start()
        self.tell_air()

    def unplug(self) -> None:
        """Pull it out: everything that stood on it is gone. The first that is told is that it is
        off, as the kernel closes it before it goes (seen on 5.66 and 5.82).
        """
        self.power(powered=False)
        if self._rotation is not None:
            self._rotation.cancel()
        self.advertising.close()
        self.monitors.close()
        self.discovery.clear()
        self.connections.disconnect_all()
        self.devices.close()
        self.server.close()
        self._send(RadioGone(self.name))
        self._bus.tree.remove(self.path)

    def power(self, powered: bool) -> None:
        """Switch the controller. Adverts stay registered, and come back with the power."""
        if powered == self.powered:
            return
        self.powered = powered
        if not powered:
            self.discovery.clear()
            self.connections.disconnect_all()
        self.tell_air()
        self._bus.tree.update(self.path, ADAPTER, Powered=powered)

    def transmit(self, *, connectable: bool, data: bytes, scan_response: bytes) -> None:
        """Put one advertising event on the air."""
        if self.powered:
            self._send(
                Advertised(
                    self.name, self.address, self.address_type, connectable, data, scan_response
                )
            )

    def tell_air(self) -> None:
        """Tell the air what the controller does now."""
        if self.powered:
            self._send(RadioState(self.name, self.address, self.address_type, self.scanning))
        else:
            self._send(RadioGone(self.name))

    def owner_gone(self, owner: str) -> None:
        """A client of this host died."""
        self.advertising.owner_gone(owner)
        self.monitors.owner_gone(owner)
        self.discovery.owner_gone(owner)
        self.server.owner_gone(owner)
        self.connections.owner_gone(owner)

    def _on_monitors(self) -> None:
        self.devices.forget_payloads()
        self.tell_air()

    def _on_discovery(self) -> None:
        is_on = bool(self.discovery)
        if not is_on:
            self.devices.forget_signals()
        self.tell_air()
        self._bus.tree.update(self.path, ADAPTER, Discovering=is_on)

    async def _rotate(self) -> None:
        while True:
            raw = random.randbytes(6)
            raw = bytes((raw[0] & 0x3F | 0x40,)) + raw[1:]  # 01: resolvable private
            self.address = ":".join(f"{byte:02X}" for byte in raw)
            self.tell_air()
            await asyncio.sleep(self._settings.rotation_seconds)

    def _set(self, name: str, value: Any) -> None:
        self._bus.tree.update(self.path, ADAPTER, **{name: value})

    def _set_alias(self, _sender: str, value: str) -> None:
        self.alias = value or f"virtual-{self.name}"
        self._set("Alias", self.alias)

    def _set_discoverable(self, _sender: str, value: bool) -> None:
        self.discoverable = value
        self._set("Discoverable", value)

    def _interface(self) -> Interface:
        address_type = "public" if self._kind is AddressKind.PUBLIC else "random"
        properties = {
            "Address": Property("s", self._identity),
            "AddressType": Property("s", address_type),
            "Name": Property("s", self.alias),
            "Alias": Property("s", self.alias, self._set_alias),
            "Class": Property("u", 0),
            "Powered": Property("b", self.powered, lambda _sender, value: self.power(value)),
            "Discoverable": Property("b", False, self._set_discoverable),
            "DiscoverableTimeout": Property(
                "u", 180, lambda _sender, value: self._set("DiscoverableTimeout", value)
            ),
            "Pairable": Property("b", False, lambda _sender, value: self._set("Pairable", value)),
            "PairableTimeout": Property(
                "u", 0, lambda _sender, value: self._set("PairableTimeout", value)
            ),
            "Discovering": Property("b", False),
            "UUIDs": Property("as", []),
            "Modalias": Property("s", "usb:v1D6Bp0246d0542"),
            "Roles": Property("as", ["central", "peripheral"]),
        }
        if self._settings.experimental:
            properties["ExperimentalFeatures"] = Property("as", [])
        methods = {
            **self.discovery.methods(),
            "RemoveDevice": Method(self._remove_device, "o"),
        }
        return Interface(ADAPTER, properties, methods)

    def _remove_device(self, call: MethodCall) -> None:
        device = self.devices.at(call.args[0])
        if device is None:
            raise refused("DoesNotExist")
        self.connections.drop(device)
        self.devices.remove(device)

    async def _connect(self, device: Device) -> None:
        if not self.powered:
            raise refused("NotReady")
        await self.connections.connect(device)

    def _meet(self, address: str, address_type: str) -> Device:
        return self.devices.meet(address, address_type)
