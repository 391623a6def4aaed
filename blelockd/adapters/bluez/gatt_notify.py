"""The sockets in which BlueZ takes notifications from us, one packet each (AcquireNotify).

Nothing that travels here is seen by anybody else on the bus.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

from blelockd.adapters.bluez.errors import Cause, RadioDown

MOST_SOCKETS: Final = 16
SEND_SECONDS: Final = 5.0


class NotificationSockets:
    """The sockets that are open now, by the device for which BlueZ acquired each.

    BlueZ below 5.80 acquires one for all subscribers; from then on, one for each. Which it is
    shows once there are two.
    """

    def __init__(self) -> None:
        self._sockets: dict[str, socket.socket] = {}
        self._one_for_each = False

    def acquire(self, device: str) -> int | None:
        """BlueZ's end of a new socket for `device`, as a descriptor to pass on; None: no room."""
        self.release(device)
        for other, socket_of_other in list(self._sockets.items()):
            # BlueZ closes one before it asks for the next, and this call may be heard before that.
            self._on_readable(other, socket_of_other)
        if len(self._sockets) >= MOST_SOCKETS:
            return None
        kind = socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        self._one_for_each = self._one_for_each or bool(self._sockets)
        self._sockets[device] = ours
        asyncio.get_running_loop().add_reader(ours, self._on_readable, device, ours)
        return theirs.detach()

    def release(self, device: str) -> None:
        """Close that device's socket, if there is one."""
        ours = self._sockets.pop(device, None)
        if ours is not None:
            asyncio.get_running_loop().remove_reader(ours)
            ours.close()

    def close(self) -> None:
        """Close them all, and forget which kind of BlueZ this is."""
        for device in list(self._sockets):
            self.release(device)
        self._one_for_each = False

    def __bool__(self) -> bool:
        return bool(self._sockets)

    async def send(self, device: str, frames: Sequence[bytes]) -> bool:
        """Whether there is a socket towards `device`; then all frames are in it.

        Raises RadioDown(peer-gone) when BlueZ closed it meanwhile, or does not read from it.
        """
        key = device if device in self._sockets or self._one_for_each else self._any()
        ours = self._sockets.get(key)
        if ours is None:
            return False
        try:
            async with asyncio.timeout(SEND_SECONDS):
                for frame in frames:
                    await self._send_packet(ours, frame)
        except (OSError, TimeoutError) as error:
            self.release(key)
            raise RadioDown(
                Cause.PEER_GONE, "the guest's subscription ended", may_have_arrived=True
            ) from error
        return True

    def _any(self) -> str:
        return next(iter(self._sockets), "")

    async def _send_packet(self, ours: socket.socket, frame: bytes) -> None:
        while True:
            try:
                ours.send(frame)
            except BlockingIOError:
                await self._writable(ours)
            else:
                return

    async def _writable(self, ours: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_writer(ours, ready.set)
        try:
            await ready.wait()
        finally:
            if ours.fileno() >= 0:
                loop.remove_writer(ours)

    def _on_readable(self, device: str, ours: socket.socket) -> None:
        """BlueZ never writes: readable means that it closed its end."""
        try:
            ended = not ours.recv(64)
        except BlockingIOError:
            return
        except OSError:
            ended = True
        if ended and self._sockets.get(device) is ours:
            self.release(device)
