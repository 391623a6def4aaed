"""Answers method calls: runs the method that the caller finds, and sends its reply or its fault.

It knows no object. Every call that expects a reply gets exactly one, whatever the method does.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from blelockd.adapters.bluez.dbus import Message, MessageBus, MessageFlag, plain
from blelockd.adapters.bluez.objects import DBusFault, Method, MethodCall, Reply

ERROR: Final = "org.freedesktop.DBus.Error."
MAX_CALLS_IN_FLIGHT: Final = 256


class CallServer:
    """Runs methods on behalf of a bus. `find` returns the method of a call, or raises DBusFault."""

    def __init__(
        self,
        bus: MessageBus,
        find: Callable[[MethodCall, Message], Method],
        on_fault: Callable[[MethodCall, Exception], object],
    ) -> None:
        self._bus = bus
        self._find = find
        self._on_fault = on_fault
        self._in_flight: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Give up the calls that are not answered yet."""
        for task in self._in_flight:
            task.cancel()

    def serve(self, message: Message) -> None:
        """Answer one method call, now or when its method is done."""
        call = MethodCall(
            message.sender or "",
            message.path or "",
            message.interface or "",
            message.member or "",
            tuple(plain(argument) for argument in message.body),
            tuple(message.unix_fds or ()),
        )
        method: Method | None = None
        try:
            method = self._find(call, message)
            result = method.handler(call)
            if inspect.isawaitable(result):
                self._spawn(message, call, method, result)
            else:
                self._send(message, result, method.gives)
        except Exception as error:  # noqa: BLE001 - no handler may end the connection
            self._send_error(message, call, error)
        finally:
            if method is None or "h" not in method.takes:
                _close(call.unix_fds)

    def _spawn(
        self, message: Message, call: MethodCall, method: Method, answer: Awaitable[Reply | None]
    ) -> None:
        if len(self._in_flight) >= MAX_CALLS_IN_FLIGHT:
            if inspect.iscoroutine(answer):
                answer.close()
            raise DBusFault(ERROR + "LimitsExceeded", "Too many calls wait for their answer")
        task = asyncio.ensure_future(self._finish(message, call, method, answer))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _finish(
        self, message: Message, call: MethodCall, method: Method, answer: Awaitable[Reply | None]
    ) -> None:
        try:
            self._send(message, await answer, method.gives)
        except Exception as error:  # noqa: BLE001 - reported and answered
            self._send_error(message, call, error)

    def _send(self, message: Message, reply: Reply | None, signature: str) -> None:
        reply = reply or Reply()
        if message.flags & MessageFlag.NO_REPLY_EXPECTED:
            _close(reply.unix_fds)
            return
        values, unix_fds = list(reply.values), list(reply.unix_fds)
        try:
            answer = Message.new_method_return(message, signature, values, unix_fds)
            sent = self._bus.send(answer)
        except BaseException:
            _close(reply.unix_fds)
            raise
        sent.add_done_callback(lambda _: _close(reply.unix_fds))

    def _send_error(self, message: Message, call: MethodCall, error: Exception) -> None:
        if not isinstance(error, DBusFault):
            self._on_fault(call, error)
            error = DBusFault(ERROR + "Failed", f"{call.member} failed")
        if not message.flags & MessageFlag.NO_REPLY_EXPECTED:
            self._bus.send(Message.new_error(message, error.name, error.text))


def _close(unix_fds: Sequence[int]) -> None:
    for unix_fd in unix_fds:
        os.close(unix_fd)
