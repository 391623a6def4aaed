"""One end of one link: its MTU, its open requests, and its end. Knows no D-Bus.

Requests are answered in their order or not at all; when the link closes, all that wait fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from blelockd.virtual.att import AttError
from blelockd.virtual.wire import (
    Answer,
    Discover,
    Frame,
    LinkClosed,
    Notification,
    Read,
    ServicesChanged,
    Subscribe,
    Write,
)

_LONG_BYTES: Final = 251  # what one packet of the radio carries
_LONG_SECONDS: Final = 0.0005
REQUEST_SECONDS: Final = 30.0  # Core specification 5.4, volume 3, part F, 3.3.3


class LinkLostError(Exception):
    """The link closed, or the peer said nothing for 30 s."""


class Link:
    """`name` is the same at both ends; `mtu` is what both ends agreed on.

    Over `several_channels` (EATT) what is short overtakes what is long.
    """

    def __init__(
        self,
        name: str,
        mtu: int,
        send: Callable[[Frame], None],
        *,
        several_channels: bool = False,
    ) -> None:
        self._several_channels = several_channels
        self.name = name
        self.mtu = mtu
        self._send = send
        self._serial = 0
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self.is_open = True

    async def discover(self) -> bytes:
        """The peer's attribute table."""
        serial, answer = self._next()
        return await self._ask(Discover(self.name, serial), answer)

    async def read(self, handle: int, offset: int) -> bytes:
        """At most MTU-1 bytes from `offset` on. Raises AttError, LinkLostError."""
        serial, answer = self._next()
        return await self._ask(Read(self.name, serial, handle, offset), answer)

    async def write(self, handle: int, value: bytes) -> None:
        """Write with response. Raises AttError, LinkLostError."""
        serial, answer = self._next()
        await self._ask(Write(self.name, serial, handle, "request", value), answer)

    async def subscribe(self, handle: int, mode: int) -> None:
        """Write the client characteristic configuration. Raises AttError, LinkLostError."""
        serial, answer = self._next()
        await self._ask(Subscribe(self.name, serial, handle, mode), answer)

    def command(self, handle: int, value: bytes) -> None:
        """Write without response: nobody says whether it arrived."""
        self._send(Write(self.name, 0, handle, "command", value))

    def answer(self, request: int, error: int, value: bytes = b"") -> None:
        """Answer the peer's request."""
        if self.is_open:
            self._send(Answer(self.name, request, error, value))

    def notify(self, handle: int, value: bytes) -> None:
        """Send a notification, cut to what the MTU holds."""
        frame = Notification(self.name, handle, value[: self.mtu - 3])
        if self._several_channels and len(frame.value) > _LONG_BYTES:
            asyncio.get_running_loop().call_later(_LONG_SECONDS, self._notify, frame)
        else:
            self._notify(frame)

    def _notify(self, frame: Notification) -> None:
        if self.is_open:
            self._send(frame)

    def services_changed(self) -> None:
        """Tell the peer to discover again."""
        if self.is_open:
            self._send(ServicesChanged(self.name))

    def on_answer(self, frame: Answer) -> None:
        """The peer answered."""
        waiting = self._waiting.pop(frame.request, None)
        if waiting is None or waiting.done():
            return
        if frame.error:
            waiting.set_exception(AttError(frame.error))
        else:
            waiting.set_result(frame.value)

    def close(self, *, tell: bool) -> None:
        """End this end of the link; `tell` the other end unless it knows."""
        if not self.is_open:
            return
        self.is_open = False
        if tell:
            self._send(LinkClosed(self.name))
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(LinkLostError("the link is gone"))
        self._waiting.clear()

    def _next(self) -> tuple[int, asyncio.Future[bytes]]:
        if not self.is_open:
            raise LinkLostError("the link is gone")
        self._serial += 1
        waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[self._serial] = waiting
        return self._serial, waiting

    async def _ask(self, frame: Frame, answer: asyncio.Future[bytes]) -> bytes:
        self._send(frame)
        try:
            return await asyncio.wait_for(answer, REQUEST_SECONDS)
        except TimeoutError:
            self.close(tell=True)
            raise LinkLostError("the peer does not answer") from None
