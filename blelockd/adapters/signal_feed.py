"""A socket in the lock's own directory, where root may watch what the lock hears.

One JSON object a line. Who reads too slowly is let go; nobody is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

from blelockd.services.lock.signals import Signal

FILE: Final = "signals.socket"
MOST_WATCHERS: Final = 4
_MOST_UNREAD_BYTES: Final = 65_536
_READ_BYTES: Final = 4096
_FIELDS: Final[dict[str, type | tuple[type, ...]]] = {
    "address": str,
    "rssi_dbm": int,
    "tx_power_dbm": (int, type(None)),
    "session": str,
    "slot": int,
    "said": str,
}

_log = logging.getLogger(__name__)


class NoFeed(Exception):
    """Nobody tells what the lock hears; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SignalFeed:
    """The lock's side. `directory` is its own, and nobody else may look into it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._watchers: set[asyncio.StreamWriter] = set()

    @property
    def is_watched(self) -> bool:
        """Whether it is worth telling anything."""
        return bool(self._watchers)

    def tell(self, signal: Signal) -> None:
        """Tell all who watch, at once."""
        line = json.dumps(dataclasses.asdict(signal)).encode() + b"\n"
        for watcher in list(self._watchers):
            if watcher.transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
                self._let_go(watcher)
            else:
                watcher.write(line)

    async def run(self) -> None:
        """Serve until cancelled. The door works without: what prevents it is logged."""
        try:
            listening = self._listening()
        except OSError as error:
            _log.warning("`blelock-lock calibrate` cannot watch: %s", error)
            await asyncio.Event().wait()
        server = await asyncio.start_unix_server(self._serve, sock=listening)
        try:
            await server.serve_forever()
        finally:
            for watcher in list(self._watchers):
                self._let_go(watcher)
            with contextlib.suppress(OSError):
                (self._directory / FILE).unlink()

    def _listening(self) -> socket.socket:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._directory / FILE).unlink(missing_ok=True)  # of a process that was killed
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _reachable(self._directory) as path:
                listening.bind(path)
            (self._directory / FILE).chmod(0o600)  # before anybody is listened to
        except OSError:
            listening.close()
            raise
        return listening

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._watchers) >= MOST_WATCHERS:
            writer.close()
            return
        self._watchers.add(writer)
        try:
            while await reader.read(_READ_BYTES):
                pass  # nothing is asked here
        except OSError:
            pass  # gone: the same
        finally:
            self._let_go(writer)

    def _let_go(self, watcher: asyncio.StreamWriter) -> None:
        self._watchers.discard(watcher)
        watcher.transport.abort()


@contextlib.contextmanager
def _reachable(directory: Path) -> Iterator[str]:
    """A path of the socket that fits the 108 bytes of sockaddr_un, however deep it lies."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{FILE}"
    finally:
        os.close(descriptor)


@contextlib.asynccontextmanager
async def watching(directory: Path) -> AsyncIterator[AsyncIterator[Signal]]:
    """What the lock with that directory hears, as it hears it. Raises NoFeed."""
    try:
        with _reachable(directory) as path:
            reader, writer = await asyncio.open_unix_connection(path)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        raise NoFeed("the lock's daemon does not run") from error
    except OSError as error:
        raise NoFeed(f"{directory / FILE}: {error.strerror or error}") from error
    try:
        yield _signals(reader)
    finally:
        writer.transport.abort()


async def _signals(reader: asyncio.StreamReader) -> AsyncIterator[Signal]:
    """The lines are root's to show, and the daemon that writes them is not root."""
    try:
        while line := await reader.readline():
            yield _signal(line)
    except ValueError as error:  # a line longer than asyncio keeps
        raise NoFeed("the daemon tells what has no end") from error
    raise NoFeed("the lock's daemon has stopped")


def _signal(line: bytes) -> Signal:
    try:
        told: Any = json.loads(line)
    except ValueError as error:
        raise NoFeed("the daemon tells what is no JSON") from error
    known = isinstance(told, dict) and told.keys() == _FIELDS.keys()
    if not known or not all(_is(told[name], kind) for name, kind in _FIELDS.items()):
        raise NoFeed("the daemon tells something else: it is of another release; restart it")
    return Signal(**told)


def _is(value: object, kind: type | tuple[type, ...]) -> bool:
    """Of that kind, and nothing that a terminal would obey."""
    return isinstance(value, kind) and (not isinstance(value, str) or value.isprintable())
