"""A remote device as one adapter knows it: its Device1, and what adverts and links change in it.

BlueZ doc/org.bluez.Device.rst, src/device.c: what an advert brings is added to, by company and by
UUID, and never cleared while the device is remembered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from blelockd.adapters.bluez.dbus import Variant
from blelockd.adapters.bluez.exported import (
    ABSENT,
    Interface,
    Method,
    MethodCall,
    ObjectTree,
    Property,
)
from blelockd.virtual.gatt_client import GattClient
from blelockd.virtual.link import Link
from blelockd.virtual.names import DEVICE, refused

RSSI_STEP_DB: Final = 8
"""Outside of a filtered discovery BlueZ tells only changes of this size: src/device.c."""


@dataclass(frozen=True, slots=True)
class DeviceActions:
    """What a Device1's methods do; the adapter knows."""

    connect: Callable[[Device], Awaitable[None]]
    disconnect: Callable[[Device], None]


class Device:
    """One Device1 below an adapter."""

    def __init__(
        self, tree: ObjectTree, adapter_path: str, address: str, address_type: str
    ) -> None:
        self._tree = tree
        self._adapter_path = adapter_path
        self.address = address
        self.address_type = address_type
        self.path = f"{adapter_path}/dev_{address.replace(':', '_')}"
        self.seen_seconds = 0.0
        self.last_payload: bytes | None = None
        self.link: Link | None = None
        self.client: GattClient | None = None
        self.is_connecting = False

    @property
    def is_linked(self) -> bool:
        """Whether it is connected, or about to be."""
        return self.link is not None or self.is_connecting

    def export(self, actions: DeviceActions, advert: Mapping[str, Any]) -> None:
        """Put the object on the bus, with what its first advert says (empty for none)."""

        async def connect(_call: MethodCall) -> None:
            await actions.connect(self)

        def disconnect(_call: MethodCall) -> None:
            actions.disconnect(self)

        methods = {
            "Connect": Method(connect),
            "Disconnect": Method(disconnect),
            "ConnectProfile": Method(connect, "s"),
            "DisconnectProfile": Method(disconnect, "s"),
            "Pair": Method(_not_supported),
            "CancelPairing": Method(_not_supported),
        }
        properties = self._properties()
        for name, value in self._merged(advert, properties).items():
            properties[name].value = value
        self._tree.add(self.path, Interface(DEVICE, properties, methods))

    def hear(
        self, rssi_dbm: int, advert: Mapping[str, Any], *, every_rssi: bool, duplicates: bool
    ) -> None:
        """An advert: tell what it changes, and as BlueZ does, more in an active discovery."""
        known = self._tree.value(self.path, DEVICE, "RSSI")
        changes: dict[str, Any] = {}
        if every_rssi or known is ABSENT or abs(known - rssi_dbm) >= RSSI_STEP_DB:
            changes["RSSI"] = rssi_dbm
        for name, value in self._merged(advert, None).items():
            repeated = duplicates and name in ("ManufacturerData", "ServiceData")
            if repeated or self._tree.value(self.path, DEVICE, name) != value:
                changes[name] = value
        self._tree.publish(self.path, DEVICE, **changes)

    def forget_signal(self) -> None:
        """Discovery is over: what it measured is no longer true."""
        self.tell(RSSI=ABSENT, TxPower=ABSENT)

    def tell(self, **values: Any) -> None:
        """Change properties of the object."""
        if self.path in self._tree:
            self._tree.update(self.path, DEVICE, **values)

    def _properties(self) -> dict[str, Property]:
        def setter(name: str) -> Callable[[str, Any], None]:
            return lambda _sender, value: self.tell(**{name: value})

        return {
            "Address": Property("s", self.address),
            "AddressType": Property("s", self.address_type),
            "Name": Property("s", ABSENT),
            "Alias": Property("s", self.address.replace(":", "-"), setter("Alias")),
            "Appearance": Property("q", ABSENT),
            "Paired": Property("b", False),
            "Bonded": Property("b", False),
            "Trusted": Property("b", False, setter("Trusted")),
            "Blocked": Property("b", False, setter("Blocked")),
            "LegacyPairing": Property("b", False),
            "RSSI": Property("n", ABSENT),
            "TxPower": Property("n", ABSENT),
            "Connected": Property("b", False),
            "UUIDs": Property("as", []),
            "Adapter": Property("o", self._adapter_path),
            "ManufacturerData": Property("a{qv}", ABSENT),
            "ServiceData": Property("a{sv}", ABSENT),
            "ServicesResolved": Property("b", False),
            "AdvertisingFlags": Property("ay", ABSENT),
        }

    def _merged(
        self, advert: Mapping[str, Any], fresh: Mapping[str, Property] | None
    ) -> dict[str, Any]:
        """The advert's properties, each with what was known before."""
        merged: dict[str, Any] = {}
        for name, value in advert.items():
            if fresh is None:
                before = self._tree.value(self.path, DEVICE, name)
            else:
                before = fresh[name].value
            match name:
                case "ManufacturerData" | "ServiceData":
                    items = {key: Variant("ay", item) for key, item in value.items()}
                    merged[name] = items if before is ABSENT else {**before, **items}
                case "UUIDs":
                    merged[name] = sorted({*before, *value})
                case "Name":
                    merged[name] = merged["Alias"] = value
                case _:
                    merged[name] = value
        return merged


def _not_supported(_call: MethodCall) -> None:
    raise refused("NotSupported")
