"""A broker that cannot be trusted, as its clients meet it: a real one, and a man in the middle who
reads what it sends them and holds back what he is told to.

What clients say passes unread. Speaks MQTT 5 (OASIS standard, 7 March 2019).
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from blelockd.virtual.broker import Broker

_PUBLISH: Final = 3
_CHUNK_BYTES: Final = 65_536
_LONGEST_LENGTH_BYTES: Final = 4
_GONE: Final = (ConnectionError, asyncio.IncompleteReadError)

Which = Callable[[str, bytes], bool]
"""Asked of every message to a client, by topic and payload."""


def _none(_topic: str, _payload: bytes) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Withheld:
    """A message that did not reach its client, and since when (event loop)."""

    topic: str
    payload: bytes
    at: float
    packet: bytes
    writer: StreamWriter


class Middleman:
    """Listens on `host` and `port` in the broker's place; made by `middleman()`."""

    host: Final = Broker.host

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self.port = 0
        self.withholds: Which = _none
        self.withheld: list[Withheld] = []
        """What was held back and is not let go, the oldest first."""

    async def listen(self) -> None:
        """Take clients in from now on."""
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for client in self._clients:
            client.cancel()
        if self._clients:
            await asyncio.wait(self._clients)

    def let_go(self, *, older_than_seconds: float = 0.0) -> int:
        """Deliver what was held back for so long, whose client is still there; how much it was.

        What comes next is withheld as before.
        """
        before = asyncio.get_running_loop().time() - older_than_seconds
        due = [each for each in self.withheld if each.at <= before]
        self.withheld = [each for each in self.withheld if each.at > before]
        for each in due:
            each.writer.write(each.packet)
        return len(due)

    def pass_all(self) -> None:
        """Be honest from now on; what was held back is lost."""
        self.withholds, self.withheld = _none, []

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            await self._between(reader, writer)
        except asyncio.CancelledError:
            return  # we hang up
        finally:
            writer.close()
            self._clients.discard(task)
            self.withheld = [each for each in self.withheld if each.writer is not writer]

    async def _between(self, reader: StreamReader, writer: StreamWriter) -> None:
        """A client and the broker, until either hangs up; at once where there is no broker."""
        try:
            theirs, ours = await asyncio.open_connection(self._broker.host, self._broker.port)
        except OSError:
            return
        ways = {
            asyncio.create_task(_pass_on(reader, ours)),
            asyncio.create_task(self._read_along(theirs, writer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            ours.close()

    async def _read_along(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while True:
                packet, start = await _packet(reader)
                if not self._keeps(packet, start, writer):
                    writer.write(packet)
                    await writer.drain()
        except _GONE:
            return

    def _keeps(self, packet: bytes, start: int, writer: StreamWriter) -> bool:
        if packet[0] >> 4 != _PUBLISH:
            return False
        topic, payload = _published(packet, start)
        if not self.withholds(topic, payload):
            return False
        now = asyncio.get_running_loop().time()
        self.withheld.append(Withheld(topic, payload, now, packet, writer))
        return True


async def _pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    except _GONE:
        return


async def _packet(reader: StreamReader) -> tuple[bytes, int]:
    """A control packet, and where its variable header starts (MQTT 5.0, 2.1)."""
    head = await reader.readexactly(2)
    while head[-1] & 0x80 and len(head) <= _LONGEST_LENGTH_BYTES:
        head += await reader.readexactly(1)
    length, _ = _number(head, 1)
    return head + await reader.readexactly(length), len(head)


def _published(packet: bytes, start: int) -> tuple[str, bytes]:
    """Topic and payload of a PUBLISH (MQTT 5.0, 3.3)."""
    end = start + 2 + int.from_bytes(packet[start : start + 2], "big")
    topic = packet[start + 2 : end].decode(errors="replace")
    if packet[0] & 0x06:
        end += 2  # the packet identifier
    properties, end = _number(packet, end)
    return topic, packet[end + properties :]


def _number(packet: bytes, at: int) -> tuple[int, int]:
    """A Variable Byte Integer (MQTT 5.0, 1.5.5), and where it ends."""
    value = shift = 0
    while True:
        byte = packet[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


@asynccontextmanager
async def middleman(broker: Broker) -> AsyncIterator[Middleman]:
    """One that stands before `broker`, honest at first; all its clients are cut off at the end."""
    between = Middleman(broker)
    await between.listen()
    try:
        yield between
    finally:
        await between.close()
