"""The connection to the system bus: calls with a time limit, signals, and who is org.bluez.

Knows nothing of Bluetooth. Every way in which a call can fail leaves here as RadioDown.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from blelockd.adapters.bluez import dbus
from blelockd.adapters.bluez.defs import (
    BLUEZ,
    BUS_INTERFACE,
    BUS_NAME,
    BUS_PATH,
    NAME_OWNER_CHANGED,
    PEER,
    PROPERTIES,
)
from blelockd.adapters.bluez.errors import BusRefusal, Cause, RadioDown, radio_down
from blelockd.adapters.bluez.exported import MethodCall, ObjectTree
from blelockd.adapters.bluez.signals import Listeners, Signal, SignalHandler, SignalRule

CALL_SECONDS: Final = 10.0
CONNECT_SECONDS: Final = 5.0
MOST_CALLS_WAITING: Final = 64
"""More calls than this wait for an answer only when something is wrong: they are refused."""

_log = logging.getLogger(__name__)


class Bus:
    """A connection to the system bus (DBUS_SYSTEM_BUS_ADDRESS is respected).

    It does not connect again: once lost, every call raises RadioDown(no-bus), and the owner
    of the Bus makes another.
    """

    def __init__(self, connection: dbus.MessageBus) -> None:
        self._connection = connection
        self._waiting: dict[int, asyncio.Future[list[Any]]] = {}
        self._listeners = Listeners()
        self._owner_handlers: list[Callable[[str | None], object]] = []
        self._bluez_owner: str | None = None
        self._trees: list[ObjectTree] = []
        self._lost = asyncio.Event()
        connection.add_message_handler(self._on_message)
        self._watch = asyncio.create_task(self._watch_connection())

    @classmethod
    async def connect(cls, address: str | None = None) -> Bus:
        """Connect and find out who owns org.bluez. Raises RadioDown(no-bus)."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await dbus.connect(address)
        except Exception as error:  # both libraries have errors of their own, and OSError
            raise radio_down(error, "connect to the system bus", otherwise=Cause.NO_BUS) from error
        bus = cls(connection)
        try:
            await bus._follow_bluez()
        except BaseException:
            await bus.close()
            raise
        return bus

    @property
    def unique_name(self) -> str:
        """Our own name on the bus."""
        return self._connection.unique_name or ""

    @property
    def closed(self) -> bool:
        """Whether the connection is lost."""
        return self._lost.is_set()

    async def wait_closed(self) -> None:
        """Return when the connection is lost."""
        await self._lost.wait()

    async def close(self) -> None:
        """Disconnect. Safe to repeat."""
        for tree in self._trees:
            tree.close()
        self._trees.clear()
        await dbus.disconnect(self._connection)
        await asyncio.wait({self._watch}, timeout=1)
        self._watch.cancel()
        self._end()

    # --- calls ---------------------------------------------------------------------------------

    async def call(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        *body: Any,
        destination: str = BLUEZ,
        timeout_seconds: float = CALL_SECONDS,
    ) -> list[Any]:
        """The values that the method answers, without Variants. Raises RadioDown."""
        try:
            return await self.try_call(
                path,
                interface,
                member,
                signature,
                *body,
                destination=destination,
                timeout_seconds=timeout_seconds,
            )
        except (BusRefusal, TimeoutError, OSError) as error:
            raise radio_down(error, f"call {member} of {path}") from error

    async def try_call(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        *body: Any,
        destination: str = BLUEZ,
        timeout_seconds: float = CALL_SECONDS,
    ) -> list[Any]:
        """As call(), but an error reply is raised as it came: BusRefusal, TimeoutError, OSError."""
        if self.closed or not self._connection.connected:
            raise ConnectionError("the connection to the system bus is lost")
        if len(self._waiting) >= MOST_CALLS_WAITING:
            raise BusRefusal("org.freedesktop.DBus.Error.LimitsExceeded", "too many calls wait")
        message = dbus.Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        message.serial = self._connection.next_serial()
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting[message.serial] = answer
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._connection.send(message)
                return await answer
        finally:
            del self._waiting[message.serial]
            if answer.done() and not answer.cancelled():
                answer.exception()  # the bus may be lost while the message still leaves

    async def get(self, path: str, interface: str, name: str) -> Any:
        """A property's value. Raises RadioDown."""
        return (await self.call(path, PROPERTIES, "Get", "ss", interface, name))[0]

    async def get_all(self, path: str, interface: str) -> Mapping[str, Any]:
        """All properties of an interface. Raises RadioDown."""
        return properties_in(await self.call(path, PROPERTIES, "GetAll", "s", interface), path)

    async def set(self, path: str, interface: str, name: str, signature: str, value: Any) -> None:
        """Set a property. Raises RadioDown."""
        variant = dbus.Variant(signature, value)
        await self.call(path, PROPERTIES, "Set", "ssv", interface, name, variant)

    async def ping(self, destination: str = BUS_NAME, timeout_seconds: float = 5.0) -> None:
        """Return when `destination`, the bus itself by default, has answered. Raises RadioDown."""
        # The stock policy of the system bus lets nobody ping the bus itself.
        path, *method = (BUS_PATH, BUS_INTERFACE, "GetId")
        if destination != BUS_NAME:
            path, *method = ("/", PEER, "Ping")
        await self.call(path, *method, destination=destination, timeout_seconds=timeout_seconds)

    # --- signals -------------------------------------------------------------------------------

    async def subscribe(self, rule: SignalRule, handler: SignalHandler) -> None:
        """Call `handler` for each signal that `rule` describes. Raises RadioDown."""
        if self._listeners.add(rule, handler):
            try:
                await self._ask_bus("AddMatch", "s", str(rule))
            except BaseException:
                self._listeners.remove(rule, handler)
                raise

    async def unsubscribe(self, rule: SignalRule, handler: SignalHandler) -> None:
        """End what subscribe() began. Safe to repeat, and on a lost connection."""
        if self._listeners.remove(rule, handler) and not self.closed:
            await self._ask_bus("RemoveMatch", "s", str(rule))

    @property
    def bluez_owner(self) -> str | None:
        """The unique name of the process that is org.bluez now; None while there is none."""
        return self._bluez_owner

    def on_bluez_owner(self, handler: Callable[[str | None], object]) -> Callable[[], None]:
        """Call `handler` with the new owner at each change; the result ends it."""
        self._owner_handlers.append(handler)

        def forget() -> None:
            if handler in self._owner_handlers:
                self._owner_handlers.remove(handler)

        return forget

    # --- our own objects -----------------------------------------------------------------------

    def serve(self, root: str) -> ObjectTree:
        """Objects of ours at and below `root`, which answer, and signal to, org.bluez only."""
        tree = ObjectTree(
            self._connection,
            root,
            on_fault=_log_fault,
            answers=lambda sender: sender == self._bluez_owner,
            audience=lambda: self._bluez_owner,
        )
        self._trees.append(tree)
        return tree

    # --- inside --------------------------------------------------------------------------------

    async def _ask_bus(self, member: str, signature: str, *body: Any) -> list[Any]:
        return await self.call(
            BUS_PATH, BUS_INTERFACE, member, signature, *body, destination=BUS_NAME
        )

    async def _follow_bluez(self) -> None:
        rule = SignalRule(BUS_INTERFACE, NAME_OWNER_CHANGED, BUS_PATH, BUS_NAME, first=BLUEZ)
        await self.subscribe(rule, lambda signal: self._set_owner(signal.args[2] or None))
        try:
            (owner,) = await self.try_call(
                BUS_PATH, BUS_INTERFACE, "GetNameOwner", "s", BLUEZ, destination=BUS_NAME
            )
        except BusRefusal as refusal:
            if not refusal.name.endswith(".NameHasNoOwner"):
                raise radio_down(refusal, "ask who owns org.bluez") from refusal
        except (TimeoutError, OSError) as error:
            raise radio_down(error, "ask who owns org.bluez", otherwise=Cause.NO_BUS) from error
        else:
            self._bluez_owner = owner

    def _set_owner(self, owner: str | None) -> None:
        self._bluez_owner = owner
        for handler in list(self._owner_handlers):
            handler(owner)

    def _on_message(self, message: dbus.Message) -> bool:
        match message.message_type:
            case dbus.MessageType.SIGNAL:
                self._dispatch(message)
            case dbus.MessageType.METHOD_RETURN | dbus.MessageType.ERROR:
                return self._take_answer(message)
            case _:
                pass
        return False

    def _take_answer(self, message: dbus.Message) -> bool:
        answer = self._waiting.get(message.reply_serial or 0)
        if answer is None:
            return False
        if answer.done():
            return True
        if message.message_type is dbus.MessageType.ERROR:
            text = message.body[0] if message.body and isinstance(message.body[0], str) else ""
            answer.set_exception(BusRefusal(message.error_name or "", text))
        else:
            answer.set_result([dbus.plain(value) for value in message.body])
        return True

    def _dispatch(self, message: dbus.Message) -> None:
        self._listeners.tell(Signal.of(message), self._owner_of)

    def _owner_of(self, name: str) -> str | None:
        return self._bluez_owner if name == BLUEZ else name

    async def _watch_connection(self) -> None:
        _log.debug("the system bus is lost: %r", await dbus.lost(self._connection))
        self._end()

    def _end(self) -> None:
        self._lost.set()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the connection to the system bus is lost"))
        if self._bluez_owner is not None:
            self._set_owner(None)


def properties_in(answer: list[Any], path: str) -> Mapping[str, Any]:
    """What GetAll of `path` answered. Raises RadioDown where that is something else."""
    if len(answer) != 1 or not isinstance(answer[0], Mapping):
        raise RadioDown(Cause.REFUSED, f"cannot read {path}: the answer holds no properties")
    return answer[0]


def _log_fault(call: MethodCall, error: Exception) -> None:
    _log.error("%s failed in %s", call.member, call.path, exc_info=error)
