"""D-Bus programs that run on a virtual host, and nothing but D-Bus.

They know BlueZ, and nothing of the virtual air but the address of their host's bus.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from blelockd.adapters.bluez.dbus import (
    Message,
    MessageBus,
    MessageType,
    Variant,
    connect,
    disconnect,
    plain,
)
from blelockd.adapters.bluez.exported import (
    DBusFault,
    Interface,
    Method,
    ObjectTree,
    Property,
)
from blelockd.virtual.hosts import Host

SECONDS: Final = 5.0
COMPANY: Final = 0xFFFF

DEVICE: Final = "org.bluez.Device1"
ROOT: Final = "/test"


async def until(true: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until it holds; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what it waits for is the other processes' business
            await asyncio.sleep(0.005)


class Program:
    """A D-Bus program on a host: calls org.bluez, exports adverts and an application."""

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus
        self.faults: list[Exception] = []
        self.tree = ObjectTree(bus, ROOT, on_fault=lambda _call, error: self.faults.append(error))
        self.signals: list[Message] = []
        bus.add_message_handler(self._on_message)

    async def call(
        self, path: str, interface: str, member: str, signature: str = "", *body: Any
    ) -> Any:
        """Call org.bluez: the plain body, or DBusFault."""
        return plain((await self.reply(path, interface, member, signature, *body)).body)

    async def reply(
        self, path: str, interface: str, member: str, signature: str = "", *body: Any
    ) -> Message:
        """Call org.bluez: the reply as it came, or DBusFault."""
        reply = await self.bus.call(
            Message(
                destination="org.bluez",
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=list(body),
            )
        )
        if reply.message_type is MessageType.ERROR:
            raise DBusFault(reply.error_name or "", str(reply.body[0]) if reply.body else "")
        return reply

    async def objects(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Everything that org.bluez manages."""
        manager = "org.freedesktop.DBus.ObjectManager"
        objects: dict[str, Any] = (await self.call("/", manager, "GetManagedObjects"))[0]
        return objects

    async def devices(self) -> dict[str, dict[str, Any]]:
        """The Device1s by address."""
        return {
            served[DEVICE]["Address"]: served[DEVICE]
            for served in (await self.objects()).values()
            if DEVICE in served
        }

    async def listen(self) -> None:
        """Collect every signal of org.bluez in `signals`."""
        daemon = "org.freedesktop.DBus"
        for rule in (
            "type='signal',sender='org.bluez'",
            f"type='signal',sender='{daemon}',member='NameOwnerChanged',arg0='org.bluez'",
        ):
            await self.bus.call(
                Message(
                    destination=daemon,
                    path="/org/freedesktop/DBus",
                    interface=daemon,
                    member="AddMatch",
                    signature="s",
                    body=[rule],
                )
            )

    def changes(self, name: str) -> list[Any]:
        """Every value that PropertiesChanged told of this property, in order."""
        return [
            plain(message.body[1][name])
            for message in self.signals
            if message.member == "PropertiesChanged" and name in message.body[1]
        ]

    def _on_message(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL:
            self.signals.append(message)

    async def advertise(
        self, path: str = f"{ROOT}/advert", adapter: str = "hci0", /, **properties: Property
    ) -> None:
        """Export an LEAdvertisement1 and register it."""
        served = {"Type": Property("s", "peripheral"), **properties}
        released = Method(lambda _call: self.tree.remove(path))
        self.tree.add(path, Interface("org.bluez.LEAdvertisement1", served, {"Release": released}))
        try:
            await self.call(
                f"/org/bluez/{adapter}",
                "org.bluez.LEAdvertisingManager1",
                "RegisterAdvertisement",
                "oa{sv}",
                path,
                {},
            )
        except DBusFault:
            self.tree.remove(path)
            raise

    def change_advert(self, path: str = f"{ROOT}/advert", **values: Any) -> None:
        """Change the exported advertisement in place."""
        self.tree.update(path, "org.bluez.LEAdvertisement1", **values)


def manufacturer(payload: bytes, company: int = COMPANY) -> Property:
    """A ManufacturerData property."""
    return Property("a{qv}", {company: Variant("ay", payload)})


def text(value: str) -> Property:
    """A string property."""
    return Property("s", value)


@asynccontextmanager
async def program(host: Host) -> AsyncIterator[Program]:
    """A D-Bus program on `host`."""
    bus = await connect(host.bus_address)
    running = Program(bus)
    try:
        yield running
    finally:
        await disconnect(bus)
    assert not running.faults
