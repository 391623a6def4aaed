"""Run inside a machine: `serve` takes the place of bluetoothd, `probe` tells what a user may do.

A probe prints whether its call to org.bluez was answered and whether it heard a signal of it. A
second connection of the server's signals after each of org.bluez, so that silence is no guess.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageType
from dbus_next.message import Message

BLUEZ = "org.bluez"
CLOCK = "example.Clock"


def call(destination: str, path: str, interface: str, member: str, *body: str) -> Message:
    """A method call."""
    return Message(
        destination=destination,
        path=path,
        interface=interface,
        member=member,
        signature="s" * len(body),
        body=list(body),
    )


async def serve() -> None:
    """Be org.bluez: answer pings, and signal ten times a second."""
    bluez = await MessageBus(bus_type=BusType.SYSTEM).connect()
    clock = await MessageBus(bus_type=BusType.SYSTEM).connect()
    await bluez.request_name(BLUEZ)
    print("serving", flush=True)
    while True:
        await bluez.send(Message.new_signal("/org/bluez", "org.bluez.Example", "Tick"))
        await clock.send(Message.new_signal("/clock", CLOCK, "Tock"))
        await asyncio.sleep(0.1)


async def probe() -> None:
    """Tell what this user may do."""
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    heard: list[str] = []
    second_tock = asyncio.Event()

    def on_message(message: Any) -> None:
        if message.message_type is MessageType.SIGNAL and message.member in ("Tick", "Tock"):
            heard.append(message.member)
            if heard.count("Tock") == 2:
                second_tock.set()

    bus.add_message_handler(on_message)
    bus_itself = "org.freedesktop.DBus"
    await bus.call(call(bus_itself, "/", bus_itself, "AddMatch", "type='signal'"))
    answer = await bus.call(call(BLUEZ, "/org/bluez", "org.freedesktop.DBus.Peer", "Ping"))
    await second_tock.wait()
    assert answer is not None
    denied = answer.error_name == "org.freedesktop.DBus.Error.AccessDenied"
    print("denied" if denied else "called", "heard" if "Tick" in heard else "unheard", flush=True)


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for({"serve": serve, "probe": probe}[sys.argv[1]](), 60))
