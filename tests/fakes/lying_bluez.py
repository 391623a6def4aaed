"""A process that calls itself org.bluez and tells what it likes: wrong types, half signals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from blelockd.adapters.bluez import dbus
from blelockd.adapters.bluez.defs import ADAPTER, BLUEZ, PROPERTIES

ADAPTER_PATH: Final = "/org/bluez/hci0"
_OBJECTS: Final = "org.freedesktop.DBus.ObjectManager"


class LyingBluez:
    """It answers every call, and GetAll of each interface with what `told` has of it."""

    def __init__(self, connection: dbus.MessageBus) -> None:
        self._connection = connection
        self.told: dict[str, tuple[str, Any]] = {
            ADAPTER: ("a{sv}", {"Powered": dbus.Variant("b", True), **_discovering(True)})
        }
        connection.add_message_handler(self._answer)

    def signal(
        self, path: str, interface: str, member: str, signature: str = "", *body: Any
    ) -> None:
        """Tell everybody who listens."""
        self._send(
            dbus.Message(
                message_type=dbus.MessageType.SIGNAL,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=list(body),
            )
        )

    def objects(self, member: str, signature: str = "", *body: Any) -> None:
        """A signal of the object manager."""
        self.signal("/", _OBJECTS, member, signature, *body)

    def hears(self, path: str, properties: Mapping[str, dbus.Variant]) -> None:
        """A new device."""
        device = {"org.bluez.Device1": dict(properties)}
        self.objects("InterfacesAdded", "oa{sa{sv}}", f"{ADAPTER_PATH}/{path}", device)

    def changes(self, **properties: dbus.Variant) -> None:
        """The adapter has changed."""
        body: tuple[Any, ...] = (ADAPTER, properties, [])
        self.signal(ADAPTER_PATH, PROPERTIES, "PropertiesChanged", "sa{sv}as", *body)

    def _answer(self, call: dbus.Message) -> bool | None:
        if call.message_type is not dbus.MessageType.METHOD_CALL:
            return None
        if call.member == "GetManagedObjects":
            objects = {ADAPTER_PATH: {ADAPTER: self.told[ADAPTER][1]}}
            answer = dbus.Message.new_method_return(call, "a{oa{sa{sv}}}", [objects])
        elif call.member != "GetAll":
            answer = dbus.Message.new_method_return(call)
        elif call.body[0] in self.told:
            signature, value = self.told[call.body[0]]
            answer = dbus.Message.new_method_return(call, signature, [value])
        else:
            unknown = "org.freedesktop.DBus.Error.UnknownInterface"
            answer = dbus.Message.new_error(call, unknown, "no such interface")
        self._send(answer)
        return True

    def _send(self, message: dbus.Message) -> None:
        self._connection.send(message)


def _discovering(is_so: bool) -> dict[str, dbus.Variant]:
    return {"Discovering": dbus.Variant("b", is_so)}


@asynccontextmanager
async def lying_bluez(address: str) -> AsyncIterator[LyingBluez]:
    """org.bluez on that bus, until the context ends."""
    connection = await dbus.connect(address)
    try:
        liar = LyingBluez(connection)
        await connection.request_name(BLUEZ)
        yield liar
    finally:
        await dbus.disconnect(connection)
