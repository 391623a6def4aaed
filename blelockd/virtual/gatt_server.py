"""GattManager1: applications of local clients, served to the centrals that are linked.

Forwards every ATT request to the application that owns the attribute, and every change of a
characteristic's Value to the subscribers.
BlueZ doc/org.bluez.GattManager.rst, src/gatt-database.c
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from blelockd.adapters.bluez.dbus import Variant
from blelockd.adapters.bluez.exported import DBusFault, Interface, Method, MethodCall
from blelockd.virtual import att
from blelockd.virtual.bluez_bus import BluezBus
from blelockd.virtual.gatt_application import Application, Attribute, lay_out
from blelockd.virtual.link import Link
from blelockd.virtual.names import CHARACTERISTIC, GATT_MANAGER, refused
from blelockd.virtual.settings import Settings
from blelockd.virtual.subscriptions import Subscriptions
from blelockd.virtual.wire import Discover, Read, Subscribe, Write

FIRST_HANDLE: Final = 0x0010  # below live GAP and GATT, which are bluetoothd's own


class GattServer:
    """The applications of one adapter. `device_path` names the device at the end of a link."""

    def __init__(
        self, bus: BluezBus, settings: Settings, device_path: Callable[[Link], str]
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._device_path = device_path
        self._applications: dict[tuple[str, str], Application] = {}
        self._next_handle = FIRST_HANDLE
        self._links: dict[str, Link] = {}
        self._subscriptions = Subscriptions(bus, settings, self.options)

    def interface(self) -> Interface:
        """The GattManager1 of this adapter."""
        methods = {
            "RegisterApplication": Method(self._register, "oa{sv}"),
            "UnregisterApplication": Method(self._unregister, "o"),
        }
        return Interface(GATT_MANAGER, {}, methods)

    def link_opened(self, link: Link) -> None:
        """A central is there."""
        self._links[link.name] = link

    def link_closed(self, link: Link) -> None:
        """A central is gone: its subscriptions are over."""
        self._links.pop(link.name, None)
        self._subscriptions.link_closed(link)

    def on_request(self, link: Link, frame: Discover | Read | Write | Subscribe) -> None:
        """A central asks."""
        self._bus.spawn(self._answer(link, frame))

    def on_changed(self, owner: str, path: str, changed: Mapping[str, Any]) -> None:
        """A client's characteristic changed: notify who has subscribed."""
        if "Value" not in changed:
            return
        for attribute in self._attributes():
            if (attribute.owner, attribute.path) == (owner, path):
                self._subscriptions.notify(attribute, bytes(changed["Value"]))

    def owner_gone(self, owner: str) -> None:
        """Withdraw a dead client's applications."""
        for key in [key for key in self._applications if key[0] == owner]:
            self._remove(key)

    def close(self) -> None:
        """The adapter is gone."""
        for key in list(self._applications):
            self._remove(key)

    def options(self, link: Link, **more: Variant) -> dict[str, Variant]:
        """What bluetoothd tells an application about who asks, if they are still there."""
        if not link.is_open:
            raise att.AttError(att.UNLIKELY)
        return {
            "device": Variant("o", self._device_path(link)),
            "link": Variant("s", "LE"),
            "mtu": Variant("q", link.mtu),
            **more,
        }

    async def _register(self, call: MethodCall) -> None:
        key = call.sender, str(call.args[0])
        if key in self._applications:
            raise refused("AlreadyExists")
        await self._bus.follow(call.sender)
        try:
            objects = await self._bus.objects(*key)
            application = lay_out(call.sender, objects, self._next_handle)
        except (DBusFault, TimeoutError, ValueError, KeyError, TypeError):
            raise refused("Failed", "No object received") from None
        if key in self._applications:
            raise refused("AlreadyExists")
        self._next_handle = application.next_handle
        self._applications[key] = application
        self._tell_changed()

    def _unregister(self, call: MethodCall) -> None:
        key = call.sender, str(call.args[0])
        if key not in self._applications:
            raise refused("DoesNotExist")
        self._remove(key)

    def _remove(self, key: tuple[str, str]) -> None:
        for attribute in self._applications.pop(key).attributes.values():
            self._subscriptions.forget(attribute)
        self._tell_changed()

    def _tell_changed(self) -> None:
        for link in self._links.values():
            link.services_changed()

    def _attributes(self) -> Iterator[Attribute]:
        for application in self._applications.values():
            yield from application.attributes.values()

    def _attribute(self, handle: int) -> Attribute:
        for application in self._applications.values():
            if handle in application.attributes:
                return application.attributes[handle]
        raise att.AttError(att.INVALID_HANDLE)

    async def _answer(self, link: Link, frame: Discover | Read | Write | Subscribe) -> None:
        error, value = 0, b""
        try:
            match frame:
                case Discover():
                    table = [one for each in self._applications.values() for one in each.table]
                    value = att.pack(table)
                case Read():
                    value = await self._read(link, frame)
                case Write():
                    await self._write(link, frame)
                case Subscribe():
                    await self._subscribe(link, frame)
        except att.AttError as refusal:
            error = refusal.code
        except TimeoutError:
            error = att.UNLIKELY
        if not (isinstance(frame, Write) and frame.kind == "command"):
            link.answer(frame.request, error, value)

    async def _read(self, link: Link, frame: Read) -> bytes:
        for application in self._applications.values():
            if frame.handle in application.ccc:
                value_handle = application.ccc[frame.handle]
                return self._subscriptions.configuration(link, value_handle)
        attribute = self._attribute(frame.handle)
        if not any(flag.endswith("read") for flag in attribute.flags):
            raise att.AttError(att.READ_NOT_PERMITTED)
        more = {"offset": Variant("q", frame.offset)} if frame.offset else {}
        try:
            reply = await self._bus.call(
                attribute.owner,
                attribute.path,
                attribute.interface,
                "ReadValue",
                "a{sv}",
                self.options(link, **more),
            )
            value = bytes(reply.body[0])
        except DBusFault as fault:
            raise att.AttError(att.code_of(fault, att.READ_NOT_PERMITTED)) from None
        except (IndexError, TypeError):
            raise att.AttError(att.UNLIKELY) from None
        return value[: link.mtu - 1]

    async def _write(self, link: Link, frame: Write) -> None:
        attribute = self._attribute(frame.handle)
        wanted = {"write", "reliable-write", "encrypt-write", "authorize"}
        if frame.kind == "command":
            wanted = {"write-without-response"}
        if not attribute.flags & wanted:
            raise att.AttError(att.WRITE_NOT_PERMITTED)
        if len(frame.value) > self._largest_write_bytes(link, frame):
            raise att.AttError(att.INVALID_LENGTH)
        try:
            await self._bus.call(
                attribute.owner,
                attribute.path,
                attribute.interface,
                "WriteValue",
                "aya{sv}",
                frame.value,
                self.options(link, type=Variant("s", frame.kind)),
            )
        except DBusFault as fault:
            raise att.AttError(att.code_of(fault, att.WRITE_NOT_PERMITTED)) from None

    def _largest_write_bytes(self, link: Link, frame: Write) -> int:
        if not self._settings.counts_what_stands_before_a_value:
            return att.MAX_VALUE
        is_long = len(frame.value) > link.mtu - att.HEADER
        return att.MAX_VALUE - (att.HANDLE + att.OFFSET if is_long else att.HANDLE)

    async def _subscribe(self, link: Link, frame: Subscribe) -> None:
        attribute = self._attribute(frame.handle)
        if attribute.interface != CHARACTERISTIC or not attribute.notifies:
            raise att.AttError(att.REQUEST_NOT_SUPPORTED)
        await self._subscriptions.set(link, attribute, frame.mode)
