"""Packets through a file descriptor, as AcquireNotify and AcquireWrite hand them out.

BlueZ uses SOCK_SEQPACKET: one read is one packet, at most 512 bytes.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final

MAX_PACKET: Final = 512


class PacketPipe:
    """Owns `unix_fd`. `on_packet` hears packets, `on_closed` once that the other end is gone."""

    def __init__(
        self,
        unix_fd: int,
        on_packet: Callable[[bytes], None],
        on_closed: Callable[[], None],
    ) -> None:
        self._unix_fd = unix_fd
        self._on_packet = on_packet
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        os.set_blocking(unix_fd, False)
        self._loop.add_reader(unix_fd, self._read)

    def send(self, packet: bytes) -> None:
        """Send one packet; a reader that does not keep up misses it."""
        if self._unix_fd < 0:
            return
        try:
            os.write(self._unix_fd, packet)
        except BlockingIOError:
            return
        except OSError:
            self._end()

    def close(self) -> None:
        """Close this end, without a word to `on_closed`."""
        if self._unix_fd >= 0:
            self._loop.remove_reader(self._unix_fd)
            os.close(self._unix_fd)
            self._unix_fd = -1

    def _read(self) -> None:
        try:
            packet = os.read(self._unix_fd, MAX_PACKET)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if packet:
            self._on_packet(packet)
        else:
            self._end()

    def _end(self) -> None:
        self.close()
        self._on_closed()


def socket_pair() -> tuple[int, int]:
    """Two connected descriptors: ours, and the one to hand out."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return ours.detach(), theirs.detach()
