"""A GATT application of a program on a virtual host."""

from __future__ import annotations

import os
import socket
from typing import Any, Final

from blelockd.adapters.bluez.exported import (
    DBusFault,
    Interface,
    Method,
    MethodCall,
    Property,
    Reply,
)
from tests.virtual.programs import ROOT, Program

SERVICE: Final = "b1e10001-0000-4000-8000-00805f9b34fb"
REQUEST: Final = "b1e10002-0000-4000-8000-00805f9b34fb"
ANSWER: Final = "b1e10003-0000-4000-8000-00805f9b34fb"


class Application:
    """A GATT application with a request to write and an answer to be notified of."""

    def __init__(self, running: Program, *, acquire: bool = False) -> None:
        self._program = running
        self.writes: list[tuple[bytes, dict[str, Any]]] = []
        self.told: list[str] = []
        self.value = b""
        self.refuses: DBusFault | None = None
        self.pipes: list[int] = []
        self.acquired_by: list[str] = []
        tree = running.tree
        tree.add(f"{ROOT}/s", _service())
        tree.add(f"{ROOT}/s/request", self._request())
        tree.add(f"{ROOT}/s/answer", self._answer(acquire))

    async def register(self, adapter: str = "hci0") -> None:
        """Register it."""
        await self._program.call(
            f"/org/bluez/{adapter}",
            "org.bluez.GattManager1",
            "RegisterApplication",
            "oa{sv}",
            ROOT,
            {},
        )

    def notify(self, value: bytes) -> None:
        """Change the answer's Value."""
        path, interface = f"{ROOT}/s/answer", "org.bluez.GattCharacteristic1"
        self._program.tree.publish(path, interface, Value=value)

    def close(self) -> None:
        """Close the pipes that AcquireNotify made."""
        for unix_fd in self.pipes:
            os.close(unix_fd)

    def _request(self) -> Interface:
        flags = ["write", "write-without-response", "read"]
        methods = {
            "WriteValue": Method(self._on_write, "aya{sv}"),
            "ReadValue": Method(self._on_read, "a{sv}", "ay"),
        }
        return _characteristic(REQUEST, flags, methods, {})

    def _answer(self, acquire: bool) -> Interface:
        def tell(call: MethodCall) -> None:
            self.told.append(call.member)

        methods = {"StartNotify": Method(tell), "StopNotify": Method(tell)}
        more = {"Value": Property("ay", b"")}
        if acquire:
            methods["AcquireNotify"] = Method(self._on_acquire, "a{sv}", "hq")
            more["NotifyAcquired"] = Property("b", False)
        return _characteristic(ANSWER, ["notify"], methods, more)

    def _on_write(self, call: MethodCall) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.writes.append((bytes(call.args[0]), call.args[1]))

    def _on_read(self, call: MethodCall) -> Reply:
        return Reply((self.value[call.args[0].get("offset", 0) :],))

    def _on_acquire(self, call: MethodCall) -> Reply:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pipes.append(ours.detach())
        self.acquired_by.append(call.args[0]["device"])
        return Reply((0, call.args[0]["mtu"]), (theirs.detach(),))


def _service() -> Interface:
    return Interface(
        "org.bluez.GattService1",
        {"UUID": Property("s", SERVICE), "Primary": Property("b", True)},
    )


def _characteristic(
    uuid: str, flags: list[str], methods: dict[str, Method], more: dict[str, Property]
) -> Interface:
    properties = {
        "UUID": Property("s", uuid),
        "Service": Property("o", f"{ROOT}/s"),
        "Flags": Property("as", flags),
        **more,
    }
    return Interface("org.bluez.GattCharacteristic1", properties, methods)
