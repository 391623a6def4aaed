"""A door that is served on a real bus, and another program that calls it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from blelockd.adapters.bluez.dbus import (
    Message,
    MessageBus,
    MessageType,
    connect,
    disconnect,
    plain,
)
from blelockd.adapters.bluez.exported import (
    ABSENT,
    DBusFault,
    Interface,
    Method,
    MethodCall,
    ObjectTree,
    Property,
    Reply,
)
from blelockd.virtual.private_bus import PrivateBus

ROOT, DOOR, LOCK = "/blelock", "/blelock/door", "blelock.Lock1"
PROPERTIES = "org.freedesktop.DBus.Properties"
MANAGER = "org.freedesktop.DBus.ObjectManager"


class Caller:
    """Another program on the bus."""

    def __init__(self, bus: MessageBus, served: str, daemon_pid: int) -> None:
        self.bus = bus
        self.daemon_pid = daemon_pid
        self.served = served
        self.signals: list[Message] = []
        bus.add_message_handler(self._on_message)

    def _on_message(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and message.sender == self.served:
            self.signals.append(message)

    async def raw(
        self, path: str, interface: str | None, member: str, signature: str = "", *body: Any
    ) -> Message:
        """Call, and return the answer as it came."""
        call = Message(
            destination=self.served,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        return await asyncio.wait_for(self.bus.call(call), 5)

    async def call(self, path: str, interface: str | None, member: str, *rest: Any) -> Any:
        """Call, and return the plain body, or the name of the error."""
        answer = await self.raw(path, interface, member, *rest)
        return answer.error_name or plain(answer.body)

    async def follow(self) -> None:
        """Hear every broadcast signal of the served program."""
        daemon, rule = "org.freedesktop.DBus", f"type='signal',sender='{self.served}'"
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


class Served:
    """The program under test: one bus connection and a tree on it."""

    def __init__(self, bus: MessageBus, **options: Any) -> None:
        self.bus = bus
        self.faults: list[tuple[str, Exception]] = []
        self.tree = ObjectTree(bus, ROOT, on_fault=self._on_fault, **options)
        self.calls: list[MethodCall] = []

    def _on_fault(self, call: MethodCall, error: Exception) -> None:
        self.faults.append((call.member, error))

    def add_door(self) -> None:
        """A door that can be opened, and that can fail in every way."""
        methods = {
            "Open": Method(self._open, "sa{sv}", "s"),
            "OpenSlowly": Method(self._open_slowly, "s", "s"),
            "Refuse": Method(self._refuse),
            "Break": Method(self._break),
            "BreakSlowly": Method(self._break_slowly),
            "Mumble": Method(lambda _call: Reply(("no number",)), "", "u"),
            "Pipe": Method(self._pipe, "", "h"),
        }
        properties = {
            "Name": Property("s", "front"),
            "Uses": Property("u", 0, self._set_uses),
            "Time": Property("t", lambda: 7),
            "Key": Property("ay", ABSENT),
        }
        self.tree.add(DOOR, Interface(LOCK, properties, methods, {"Opened": "sa{sv}"}))

    def _open(self, call: MethodCall) -> Reply:
        self.calls.append(call)
        return Reply((call.args[0].upper(),))

    async def _open_slowly(self, call: MethodCall) -> Reply:
        await asyncio.sleep(0.01)
        return Reply((call.args[0].upper(),))

    def _refuse(self, _call: MethodCall) -> None:
        raise DBusFault("blelock.Error.Closed", "come back tomorrow")

    def _break(self, _call: MethodCall) -> None:
        raise ZeroDivisionError("the secret is 42")

    async def _break_slowly(self, _call: MethodCall) -> None:
        raise ZeroDivisionError("the secret is 42")

    def _pipe(self, _call: MethodCall) -> Reply:
        reader, writer = os.pipe()
        os.write(writer, b"through")
        os.close(writer)
        return Reply((0,), (reader,))

    def _set_uses(self, _sender: str, value: int) -> None:
        self.tree.update(DOOR, LOCK, Uses=value)


@asynccontextmanager
async def on_a_bus(directory: Path, **options: Any) -> AsyncIterator[tuple[Served, Caller]]:
    """A door on a private bus, and a program that calls it."""
    async with PrivateBus(directory) as private:
        ours, theirs = await connect(private.address), await connect(private.address)
        served = Served(ours, **options)
        served.add_door()
        caller = Caller(theirs, ours.unique_name or "", private.pid or 0)
        try:
            await caller.call(DOOR, PROPERTIES, "GetAll", "s", LOCK)  # all that was sent has gone
            yield served, caller
        finally:
            await disconnect(theirs)
            await disconnect(ours)
