"""The services of a peer, as the objects below its Device1: what a central's programs call.

BlueZ doc/org.bluez.GattCharacteristic.rst, src/gatt-client.c
"""

from __future__ import annotations

from blelockd.adapters.bluez.exported import Interface, Method, MethodCall, Property, Reply
from blelockd.virtual import att
from blelockd.virtual.bluez_bus import BluezBus
from blelockd.virtual.link import Link
from blelockd.virtual.names import DESCRIPTOR, SERVICE, refused
from blelockd.virtual.remote_characteristic import RemoteValue, read_long, write_long


class GattClient:
    """Everything that one link's peer serves."""

    def __init__(self, bus: BluezBus, link: Link, device_path: str) -> None:
        self._bus = bus
        self._link = link
        self._device_path = device_path
        self._values: dict[int, RemoteValue] = {}
        self._paths: list[str] = []

    async def discover(self) -> list[str]:
        """Discover the peer's services, export them, return their UUIDs.

        Raises AttError or LinkLostError; what was exported before is gone in any case.
        """
        self.withdraw()
        try:
            table = att.unpack(await self._link.discover())
        except (ValueError, KeyError, TypeError):
            raise att.AttError(att.UNLIKELY) from None
        for service in table:
            self._export_service(service)
        return [service.uuid for service in table]

    def withdraw(self) -> None:
        """Take all objects away."""
        for value in self._values.values():
            value.close()
        self._values.clear()
        for path in reversed(self._paths):
            self._bus.tree.remove(path)
        self._paths.clear()

    def on_notification(self, handle: int, value: bytes) -> None:
        """The peer notified."""
        remote = self._values.get(handle)
        if remote is not None:
            remote.on_notification(value)

    def owner_gone(self, owner: str) -> None:
        """A dead client's subscriptions are over."""
        for value in list(self._values.values()):
            value.owner_gone(owner)

    def _add(self, path: str, interface: Interface) -> None:
        self._paths.append(path)
        self._bus.tree.add(path, interface)

    def _export_service(self, service: att.RemoteService) -> None:
        path = f"{self._device_path}/service{service.handle:04x}"
        properties = {
            "UUID": Property("s", service.uuid),
            "Device": Property("o", self._device_path),
            "Primary": Property("b", service.primary),
            "Includes": Property("ao", []),
        }
        self._add(path, Interface(SERVICE, properties))
        for characteristic in service.characteristics:
            self._export_characteristic(path, characteristic)

    def _export_characteristic(
        self, service_path: str, characteristic: att.RemoteCharacteristic
    ) -> None:
        path = f"{service_path}/char{characteristic.handle:04x}"
        value = RemoteValue(self._bus, self._link, path, characteristic)
        self._values[characteristic.value_handle] = value
        self._add(path, value.interface(service_path))
        for descriptor in characteristic.descriptors:
            self._export_descriptor(path, descriptor)

    def _export_descriptor(self, parent: str, descriptor: att.RemoteDescriptor) -> None:
        properties = {
            "UUID": Property("s", descriptor.uuid),
            "Characteristic": Property("o", parent),
            "Value": Property("ay", b""),
        }
        link, handle = self._link, descriptor.handle

        async def read(call: MethodCall) -> Reply:
            return Reply((await read_long(link, handle, call.args[0].get("offset", 0)),))

        async def write(call: MethodCall) -> None:
            if descriptor.uuid == att.CCC_UUID:
                raise refused("NotPermitted", "Write not permitted")
            await write_long(link, handle, call.args[0])

        methods = {
            "ReadValue": Method(read, "a{sv}", "ay"),
            "WriteValue": Method(write, "aya{sv}"),
        }
        path = f"{parent}/desc{descriptor.handle:04x}"
        self._add(path, Interface(DESCRIPTOR, properties, methods))
