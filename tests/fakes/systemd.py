"""The other end of sd_notify: what a daemon tells its service manager."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LARGEST_DATAGRAM_BYTES: Final = 4096


class ListeningSystemd:
    """Records assignments such as `READY=1`, in the order they came."""

    def __init__(self, listening: socket.socket, path: Path) -> None:
        self._socket = listening
        self.path = path
        self.told: list[str] = []

    def environment(self, watchdog_seconds: float | None = None) -> dict[str, str]:
        """What systemd would put into the unit's environment."""
        environment = {"NOTIFY_SOCKET": str(self.path)}
        if watchdog_seconds is not None:
            environment["WATCHDOG_USEC"] = str(round(watchdog_seconds * 1_000_000))
        return environment

    async def hears(self, beginning: str, timeout_seconds: float = 15.0, *, since: int = 0) -> str:
        """The first assignment from number `since` on that begins so; raises TimeoutError."""
        async with asyncio.timeout(timeout_seconds):
            while True:
                self._drain()
                for line in self.told[since:]:
                    if line.startswith(beginning):
                        return line
                await asyncio.sleep(0.02)

    def count(self, beginning: str) -> int:
        """How many assignments so far begin so."""
        self._drain()
        return sum(line.startswith(beginning) for line in self.told)

    def _drain(self) -> None:
        while True:
            try:
                datagram = self._socket.recv(_LARGEST_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            self.told += datagram.decode().splitlines()


@contextmanager
def listening_systemd(directory: Path) -> Iterator[ListeningSystemd]:
    """A notification socket in `directory`."""
    path = directory / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.setblocking(False)
        yield ListeningSystemd(listening, path)
        path.unlink()
