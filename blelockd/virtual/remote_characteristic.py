"""One characteristic of a peer: read, write, notify, and the pipes that stand in for them.

BlueZ src/gatt-client.c: one operation of a kind at a time; a value that fills the MTU is read on.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from blelockd.adapters.bluez.exported import Interface, Method, MethodCall, Property, Reply
from blelockd.virtual import att
from blelockd.virtual.bluez_bus import BluezBus
from blelockd.virtual.link import Link, LinkLostError
from blelockd.virtual.names import CHARACTERISTIC, refused
from blelockd.virtual.pipes import PacketPipe, socket_pair

Result = TypeVar("Result")


async def over_the_air(work: Awaitable[Result]) -> Result:
    """Await an ATT operation, and turn its failure into what BlueZ answers."""
    try:
        return await work
    except att.AttError as error:
        raise att.fault_of(error.code) from None
    except LinkLostError:
        raise refused("NotConnected") from None


async def read_long(link: Link, handle: int, offset: int) -> bytes:
    """The whole value from `offset` on: Read, and Read Blob while the answers fill the MTU."""
    value = b""
    while True:
        part = await over_the_air(link.read(handle, offset + len(value)))
        value += part
        if len(part) < link.mtu - 1 or offset + len(value) >= att.MAX_VALUE:
            return value[: att.MAX_VALUE - offset]


async def write_long(link: Link, handle: int, value: bytes) -> None:
    """Write with response, in as many parts as the MTU needs; the peer sees one write."""
    if len(value) > att.MAX_VALUE:
        raise refused("InvalidArguments", "Invalid Length")
    await over_the_air(link.write(handle, value))


class RemoteValue:
    """A peer's characteristic as an object at `path`."""

    def __init__(
        self,
        bus: BluezBus,
        link: Link,
        path: str,
        characteristic: att.RemoteCharacteristic,
    ) -> None:
        self._bus = bus
        self._link = link
        self._path = path
        self._handle = characteristic.value_handle
        self._uuid = characteristic.uuid
        self._flags = frozenset(characteristic.flags)
        self._subscribers: set[str] = set()
        self._notify_pipe: PacketPipe | None = None
        self._write_pipe: PacketPipe | None = None
        self._is_busy = False

    def interface(self, service_path: str) -> Interface:
        """The GattCharacteristic1 to export."""
        properties = {
            "UUID": Property("s", self._uuid),
            "Service": Property("o", service_path),
            "Value": Property("ay", b""),
            "Flags": Property("as", sorted(self._flags)),
            "MTU": Property("q", self._link.mtu),
        }
        if self._flags & {"notify", "indicate"}:
            properties["Notifying"] = Property("b", False)
            properties["NotifyAcquired"] = Property("b", False)
        if "write-without-response" in self._flags:
            properties["WriteAcquired"] = Property("b", False)
        methods = {
            "ReadValue": Method(self._read, "a{sv}", "ay"),
            "WriteValue": Method(self._write, "aya{sv}"),
            "StartNotify": Method(self._start_notify),
            "StopNotify": Method(self._stop_notify),
            "AcquireNotify": Method(self._acquire_notify, "a{sv}", "hq"),
            "AcquireWrite": Method(self._acquire_write, "a{sv}", "hq"),
        }
        return Interface(CHARACTERISTIC, properties, methods)

    def on_notification(self, value: bytes) -> None:
        """The peer notified: into the pipe, or to all who listen on the bus."""
        if self._notify_pipe is not None:
            self._notify_pipe.send(value)
        elif self._subscribers:
            self._bus.tree.publish(self._path, CHARACTERISTIC, Value=value)

    def owner_gone(self, owner: str) -> None:
        """A client died: unsubscribe for it."""
        if owner in self._subscribers:
            self._bus.spawn(self._leave(owner))

    def close(self) -> None:
        """The link is gone."""
        for pipe in (self._notify_pipe, self._write_pipe):
            if pipe is not None:
                pipe.close()
        self._notify_pipe = self._write_pipe = None
        self._subscribers.clear()

    async def _alone(self, work: Awaitable[Result]) -> Result:
        self._is_busy = True
        try:
            return await work
        finally:
            self._is_busy = False

    def _check_idle(self) -> None:
        if self._is_busy:
            raise refused("InProgress")

    async def _read(self, call: MethodCall) -> Reply:
        self._check_idle()
        offset = int(call.args[0].get("offset", 0))
        value = await self._alone(read_long(self._link, self._handle, offset))
        if self._path in self._bus.tree:
            self._bus.tree.update(self._path, CHARACTERISTIC, Value=value)
        return Reply((value,))

    async def _write(self, call: MethodCall) -> None:
        value, options = bytes(call.args[0]), call.args[1]
        kind = options.get("type", "request" if "write" in self._flags else "command")
        if kind == "command":
            if "write-without-response" not in self._flags:
                raise refused("NotSupported")
            if len(value) > self._link.mtu - att.HEADER:
                raise refused("Failed", "Failed to initiate write")
            self._link.command(self._handle, value)
            return
        if not self._flags & {"write", "reliable-write"}:
            raise refused("NotSupported")
        self._check_idle()
        await self._alone(write_long(self._link, self._handle, value))

    async def _subscribe(self, mode: int) -> None:
        await over_the_air(self._link.subscribe(self._handle, mode))

    async def _start_notify(self, call: MethodCall) -> None:
        if not self._flags & {"notify", "indicate"}:
            raise refused("NotSupported")
        if self._notify_pipe is not None:
            raise refused("NotPermitted", "Notify acquired")
        if call.sender in self._subscribers:
            raise refused("InProgress")
        await self._bus.follow(call.sender)
        is_first = not self._subscribers
        self._subscribers.add(call.sender)
        if is_first:
            await self._subscribe(att.NOTIFY if "notify" in self._flags else att.INDICATE)
        self._say(Notifying=True)

    async def _stop_notify(self, call: MethodCall) -> None:
        if call.sender not in self._subscribers:
            raise refused("Failed", "No notify session started")
        await self._leave(call.sender)

    async def _leave(self, owner: str) -> None:
        self._subscribers.discard(owner)
        if not self._subscribers:
            self._say(Notifying=False)
            await self._subscribe(0)

    def _say(self, **values: Any) -> None:
        if self._path in self._bus.tree:
            self._bus.tree.update(self._path, CHARACTERISTIC, **values)

    async def _acquire_notify(self, _call: MethodCall) -> Reply:
        if not self._flags & {"notify", "indicate"}:
            raise refused("NotSupported")
        if self._notify_pipe is not None or self._subscribers:
            raise refused("NotPermitted", "Notify acquired")
        ours, theirs = socket_pair()
        self._notify_pipe = PacketPipe(ours, lambda _packet: None, self._notify_closed)
        await self._subscribe(att.NOTIFY if "notify" in self._flags else att.INDICATE)
        self._say(NotifyAcquired=True, Notifying=True)
        return Reply((0, self._link.mtu), (theirs,))

    def _notify_closed(self) -> None:
        self._notify_pipe = None
        self._say(NotifyAcquired=False, Notifying=False)
        if self._link.is_open:
            self._bus.spawn(self._subscribe(0))

    def _acquire_write(self, _call: MethodCall) -> Reply:
        if "write-without-response" not in self._flags:
            raise refused("NotSupported")
        if self._write_pipe is not None:
            raise refused("NotPermitted", "Write acquired")
        ours, theirs = socket_pair()
        self._write_pipe = PacketPipe(
            ours, lambda packet: self._link.command(self._handle, packet), self._write_closed
        )
        self._say(WriteAcquired=True)
        return Reply((0, self._link.mtu), (theirs,))

    def _write_closed(self) -> None:
        self._write_pipe = None
        self._say(WriteAcquired=False)
