"""The bus as bluetoothd sees it: its objects, its clients' objects, and clients that die.

Knows nothing of Bluetooth. Follows only the clients that it is told to follow, so that bluetoothd
never hears its own signals back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from blelockd.adapters.bluez.dbus import (
    Message,
    MessageBus,
    MessageFlag,
    MessageType,
    NameFlag,
    RequestNameReply,
    backlog,
    lost,
    plain,
)
from blelockd.adapters.bluez.exported import DBusFault, MethodCall, ObjectTree
from blelockd.adapters.bluez.introspection import OBJECT_MANAGER, PROPERTIES
from blelockd.virtual.names import BLUEZ

CALL_SECONDS: Final = 25.0
MAX_BACKLOG: Final = 2_000
"""Adverts are dropped while the bus is this many messages behind."""

_DAEMON: Final = "org.freedesktop.DBus"
_LOG: Final = logging.getLogger(__name__)


class BluezBus:
    """One connection that owns org.bluez. The three callbacks hear of the followed clients."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._tasks: set[asyncio.Task[None]] = set()
        self._followed: set[str] = set()
        self.tree = ObjectTree(bus, "/", on_fault=_report)
        self.on_gone: Callable[[str], None] = lambda _owner: None
        self.on_changed: Callable[[str, str, str, Mapping[str, Any]], None] = lambda *_: None
        self.on_added: Callable[[str, str, Mapping[str, Any]], None] = lambda *_: None
        bus.add_message_handler(self._on_message)

    async def own(self) -> None:
        """Become org.bluez. Raises DBusFault when another one is."""
        await self._match("type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'")
        reply = await self._bus.request_name(BLUEZ, NameFlag.DO_NOT_QUEUE)
        if reply is not RequestNameReply.PRIMARY_OWNER:
            raise DBusFault("org.freedesktop.DBus.Error.Failed", f"{BLUEZ} is owned already")

    async def closed(self) -> None:
        """Wait until the bus is gone."""
        await lost(self._bus)

    @property
    def is_behind(self) -> bool:
        """Whether the bus takes messages more slowly than they come."""
        return backlog(self._bus) > MAX_BACKLOG

    async def follow(self, owner: str) -> None:
        """Hear of this client's PropertiesChanged, InterfacesAdded and death."""
        if owner in self._followed:
            return
        self._followed.add(owner)
        for interface, member in (
            (PROPERTIES, "PropertiesChanged"),
            (OBJECT_MANAGER, "InterfacesAdded"),
        ):
            await self._match(
                f"type='signal',sender='{owner}',interface='{interface}',member='{member}'"
            )

    async def call(
        self, owner: str, path: str, interface: str, member: str, signature: str = "", *body: Any
    ) -> Message:
        """Call a client's method, and return the reply. Raises DBusFault, TimeoutError."""
        reply = await asyncio.wait_for(
            self._bus.call(_call(owner, path, interface, member, signature, body)), CALL_SECONDS
        )
        if reply.message_type is MessageType.ERROR:
            text = str(reply.body[0]) if reply.body else ""
            raise DBusFault(reply.error_name or "org.bluez.Error.Failed", text)
        return reply

    async def properties(self, owner: str, path: str, interface: str) -> dict[str, Any]:
        """The plain properties of a client's object. Raises DBusFault, TimeoutError."""
        reply = await self.call(owner, path, PROPERTIES, "GetAll", "s", interface)
        return dict(plain(reply.body[0]))

    async def objects(self, owner: str, path: str) -> dict[str, dict[str, dict[str, Any]]]:
        """The plain managed objects of a client. Raises DBusFault, TimeoutError."""
        reply = await self.call(owner, path, OBJECT_MANAGER, "GetManagedObjects")
        return dict(plain(reply.body[0]))

    def tell(
        self, owner: str, path: str, interface: str, member: str, signature: str = "", *body: Any
    ) -> None:
        """Call a client's method without asking for an answer."""
        message = _call(owner, path, interface, member, signature, body)
        message.flags = MessageFlag.NO_REPLY_EXPECTED
        self._bus.send(message)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run this beside; what it raises is logged, but DBusFault: a client may be gone."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)
        return task

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, (DBusFault, TimeoutError, EOFError)):
            _LOG.error("virtual bluetoothd: a task failed", exc_info=error)

    async def _match(self, rule: str) -> None:
        await self.call(_DAEMON, "/org/freedesktop/DBus", _DAEMON, "AddMatch", "s", rule)

    def _on_message(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        match message.member:
            case "NameOwnerChanged" if message.sender == _DAEMON:
                name, _old, new = message.body
                if name.startswith(":") and not new:
                    self._followed.discard(name)
                    self.on_gone(name)
            case "PropertiesChanged" if message.sender in self._followed:
                interface, changed, _invalidated = message.body
                self.on_changed(message.sender or "", message.path or "", interface, plain(changed))
            case "InterfacesAdded" if message.sender in self._followed:
                path, interfaces = message.body
                self.on_added(message.sender or "", path, plain(interfaces))
            case _:
                pass


def _call(
    owner: str, path: str, interface: str, member: str, signature: str, body: tuple[Any, ...]
) -> Message:
    return Message(
        destination=owner,
        path=path,
        interface=interface,
        member=member,
        signature=signature,
        body=list(body),
    )


def _report(call: MethodCall, error: Exception) -> None:
    _LOG.error("virtual bluetoothd: %s.%s failed", call.interface, call.member, exc_info=error)
