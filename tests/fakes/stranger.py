"""Somebody else at the broker, who speaks MQTT 5 by hand and so can say what no library would.

Publishes anything to anywhere, properties included, and reads what is published.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

_PATIENCE_SECONDS: Final = 15.0
_CONNACK, _PUBLISH, _PUBACK, _SUBACK = 0x20, 0x30, 0x40, 0x90


def user_property(name: str, value: str) -> bytes:
    """A User Property (MQTT 5.0, 2.2.2.2), which brokers pass on as it is."""
    return b"\x26" + _string(name.encode()) + _string(value.encode())


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that the stranger read."""

    topic: str
    payload: bytes
    retained: bool


class Stranger:
    """A connected client; made by `stranger()`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._mids = itertools.cycle(range(1, 65_536))
        self._answers: dict[int, asyncio.Future[int]] = {}
        self.heard: list[Heard] = []
        self.lost = False
        self.connected = asyncio.get_running_loop().create_future()

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, properties: bytes = b""
    ) -> int:
        """Publish at QoS 1; returns the reason code with which the broker takes it."""
        mid = next(self._mids)
        body = _string(topic.encode()) + struct.pack("!H", mid) + _length(len(properties))
        self._send(_PUBLISH | 0x02 | int(retain), body + properties + payload)
        return await self._answer(mid)

    async def subscribe(self, topic: str) -> int:
        """Subscribe at QoS 1; what comes is in `heard`."""
        mid = next(self._mids)
        self._send(0x82, struct.pack("!HB", mid, 0) + _string(topic.encode()) + b"\x01")
        return await self._answer(mid)

    async def _answer(self, mid: int) -> int:
        self._answers[mid] = asyncio.get_running_loop().create_future()
        await self._writer.drain()
        async with asyncio.timeout(_PATIENCE_SECONDS):  # wait_for may miss a cancellation
            return await self._answers[mid]

    def _send(self, command: int, body: bytes) -> None:
        self._writer.write(bytes([command]) + _length(len(body)) + body)

    def greet(self, client_id: str, username: str | None, password: str | None) -> None:
        """CONNECT with a clean start."""
        flags = 0x02 | (0x80 if username is not None else 0) | (0x40 if password else 0)
        body = _string(b"MQTT") + bytes([5, flags, 0, 0, 0]) + _string(client_id.encode())
        for text in (username, password):
            if text is not None:
                body += _string(text.encode())
        self._send(0x10, body)

    async def listen(self) -> None:
        """Take in what the broker sends, until it hangs up: then it is `lost`."""
        try:
            while True:
                command = (await self._reader.readexactly(1))[0]
                self._take(command, await self._reader.readexactly(await self._read_length()))
        finally:
            self.lost = True
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionResetError())

    def _take(self, command: int, body: bytes) -> None:
        kind = command & 0xF0
        if kind == _CONNACK:
            self.connected.set_result(body[1])
        elif kind == _PUBACK:
            self._settle(body[:2], body[2] if len(body) > 2 else 0)
        elif kind == _SUBACK:
            self._settle(body[:2], body[-1])
        elif kind == _PUBLISH:
            self._hear(command, body)

    def _settle(self, mid: bytes, code: int) -> None:
        self._answers.pop(struct.unpack("!H", mid)[0]).set_result(code)

    def _hear(self, command: int, body: bytes) -> None:
        end = 2 + int(struct.unpack_from("!H", body)[0])
        topic = body[2:end].decode()
        if command & 0x06:
            self._send(_PUBACK, body[end : end + 2])
            end += 2
        payload = body[end + 1 + body[end] :]  # nobody sends us properties of 128 bytes or more
        self.heard.append(Heard(topic, payload, bool(command & 0x01)))

    async def _read_length(self) -> int:
        length = shift = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return length


@asynccontextmanager
async def stranger(
    host: str,
    port: int,
    client_id: str = "stranger",
    *,
    username: str | None = None,
    password: str | None = None,
) -> AsyncIterator[Stranger]:
    """A client of the broker at that address; hangs up without a word at the end."""
    reader, writer = await asyncio.open_connection(host, port)
    somebody = Stranger(reader, writer)
    listening = asyncio.ensure_future(somebody.listen())
    try:
        somebody.greet(client_id, username, password)
        code = await asyncio.wait_for(somebody.connected, _PATIENCE_SECONDS)
        assert code == 0, f"the broker refuses the stranger with 0x{code:02x}"
        yield somebody
    finally:
        listening.cancel()
        await asyncio.wait([listening])
        writer.close()


def _string(raw: bytes) -> bytes:
    return struct.pack("!H", len(raw)) + raw


def _length(value: int) -> bytes:
    """A Variable Byte Integer (MQTT 5.0, 1.5.5)."""
    raw = b""
    while True:
        value, digit = divmod(value, 128)
        raw += bytes([digit | (0x80 if value else 0)])
        if not value:
            return raw
