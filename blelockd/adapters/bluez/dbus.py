"""The one module that knows which D-Bus library this is, and mends what both of them break.

dbus-next is this project's choice. dbus-fast, which bleak brings along, has the same names and is
five times as fast: BLELOCK_DBUS_LIBRARY=dbus_fast, read once at import, switches to it.
Only connections made by connect() have the mended writer.
"""

from __future__ import annotations

import array
import asyncio
import importlib
import os
import socket
import warnings
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # dbus-next declares almost no types; dbus-fast's are the same, and declared
    from dbus_fast import (
        BusType,
        DBusError,
        Message,
        MessageFlag,
        MessageType,
        NameFlag,
        RequestNameReply,
        SignatureTree,
        Variant,
    )
    from dbus_fast.aio import MessageBus
else:
    _chosen = os.environ.get("BLELOCK_DBUS_LIBRARY", "dbus_next")
    if _chosen not in ("dbus_next", "dbus_fast"):
        raise ImportError(f"BLELOCK_DBUS_LIBRARY={_chosen!r}: use dbus_next or dbus_fast")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dbus-next 0.2.3 is from 2021, and imports gi if it can
        _library = importlib.import_module(_chosen)
        _aio = importlib.import_module(f"{_chosen}.aio")
    BusType = _library.BusType
    DBusError = _library.DBusError
    Message = _library.Message
    MessageFlag = _library.MessageFlag
    MessageType = _library.MessageType
    NameFlag = _library.NameFlag
    RequestNameReply = _library.RequestNameReply
    SignatureTree = _library.SignatureTree
    Variant = _library.Variant
    MessageBus = _aio.MessageBus

__all__ = [
    "BusType",
    "DBusError",
    "Message",
    "MessageBus",
    "MessageFlag",
    "MessageType",
    "NameFlag",
    "RequestNameReply",
    "SignatureTree",
    "Variant",
    "backlog",
    "connect",
    "disconnect",
    "lost",
    "plain",
]

MAX_BACKLOG_MESSAGES: Final = 16_384
"""A bus that has not taken this many messages is dead: the connection is given up."""


async def connect(address: str | None = None, *, negotiate_unix_fd: bool = True) -> MessageBus:
    """Connect to the bus at `address`, or to the system bus (DBUS_SYSTEM_BUS_ADDRESS).

    Raises OSError, or the library's AuthError or InvalidAddressError. The caller disconnect()s.
    """
    where: dict[str, Any] = (
        {"bus_type": BusType.SYSTEM} if address is None else {"bus_address": address}
    )
    bus = MessageBus.__new__(MessageBus)
    try:
        MessageBus.__init__(bus, negotiate_unix_fd=negotiate_unix_fd, **where)
        await bus.connect()
    except BaseException:
        _close_socket(bus)
        raise
    internals: Any = bus
    internals._writer = _Writer(bus, negotiate_unix_fd)
    return bus


async def disconnect(bus: MessageBus) -> None:
    """Close the connection, whatever its state: both libraries leave the socket to the GC."""
    internals: Any = bus
    if bus.connected:
        bus.disconnect()
    if bus.unique_name is not None:  # it was connected once: the library tells when that is over
        await asyncio.wait([internals._disconnect_future], timeout=1)
    if internals._disconnect_future.done():
        internals._disconnect_future.exception()  # a broken connection was asked to end: it did
    _close_socket(bus)


async def lost(bus: MessageBus) -> BaseException | None:
    """Wait until the connection is gone. Returns why, or None when it was disconnected by us."""
    internals: Any = bus
    future: asyncio.Future[None] = internals._disconnect_future
    await asyncio.wait([future])
    return None if future.cancelled() else future.exception()


def backlog(bus: MessageBus) -> int:
    """How many messages wait for the bus to take them. `bus` must be from connect()."""
    internals: Any = bus
    writer: _Writer = internals._writer
    return len(writer)


def plain(value: Any) -> Any:
    """The value with every Variant inside replaced by what it carries."""
    if isinstance(value, Variant):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def _close_socket(bus: MessageBus) -> None:
    """Close it, and see that the loop forgets it: the next socket may have the same number."""
    sock = getattr(bus, "_sock", None)
    if sock is not None and sock.fileno() >= 0:
        loop = asyncio.get_running_loop()
        loop.remove_reader(sock.fileno())
        loop.remove_writer(sock.fileno())
    for name in ("_stream", "_sock"):
        resource = getattr(bus, name, None)
        if resource is not None:
            resource.close()


@dataclass(slots=True)
class _Outgoing:
    data: memoryview
    unix_fds: list[int]
    sent: asyncio.Future[Any] | None


class _Writer:
    """Sends messages in their order, and waits when the socket is full.

    Both libraries drop the connection on EAGAIN (dbus-next issue 153), and dbus-fast 1.84 sends
    what it had to queue in reverse. The library calls schedule_write and nothing else.
    """

    def __init__(self, bus: MessageBus, negotiate_unix_fd: bool) -> None:
        internals: Any = bus
        self._bus: Any = bus
        self._sock: socket.socket = internals._sock
        self._loop = asyncio.get_running_loop()
        self._negotiate_unix_fd = negotiate_unix_fd
        self._queue: deque[_Outgoing] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def schedule_write(
        self, msg: Message | None = None, future: asyncio.Future[Any] | None = None
    ) -> None:
        """The library's own door: take one message; `future` resolves when it has left."""
        if msg is None:
            return
        marshalled = msg._marshall(self._negotiate_unix_fd)
        unix_fds = list(msg.unix_fds or ()) if self._negotiate_unix_fd else []
        if self._sock.fileno() < 0 or len(self._queue) >= MAX_BACKLOG_MESSAGES:
            self._fail(future, ConnectionError("the bus is closed, or takes no messages any more"))
            return
        self._queue.append(_Outgoing(memoryview(marshalled), unix_fds, future))
        if len(self._queue) == 1:
            self._flush()

    def _flush(self) -> None:
        try:
            while self._queue:
                if not self._send_some(self._queue[0]):
                    self._loop.add_writer(self._sock, self._flush)
                    return
                sent = self._queue.popleft().sent
                if sent is not None and not sent.done():
                    sent.set_result(None)
            self._loop.remove_writer(self._sock)
        except OSError as error:
            waiting, self._queue = self._queue, deque()
            for outgoing in waiting:
                self._fail(outgoing.sent, error)

    def _send_some(self, outgoing: _Outgoing) -> bool:
        """True when all of it has left."""
        try:
            while outgoing.data:
                if outgoing.unix_fds:
                    rights = (
                        socket.SOL_SOCKET,
                        socket.SCM_RIGHTS,
                        array.array("i", outgoing.unix_fds),
                    )
                    count = self._sock.sendmsg([outgoing.data], [rights])
                    outgoing.unix_fds = []
                else:
                    count = self._sock.send(outgoing.data)
                outgoing.data = outgoing.data[count:]
        except BlockingIOError:
            return False
        return True

    def _fail(self, future: asyncio.Future[Any] | None, error: Exception) -> None:
        if future is not None and not future.done():
            future.set_exception(error)
            future.exception()  # most senders do not wait for it: the bus itself says it is lost
        self._bus._finalize(error)
