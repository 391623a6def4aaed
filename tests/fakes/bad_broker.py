"""Brokers that mosquitto will not play: mute, of another century, hanging up, talking nonsense,
or saying much in one breath.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

MUTE: Final = None
HANGS_UP: Final = b""
ONLY_MQTT_3: Final = b"\x20\x02\x00\x01"  # CONNACK of MQTT 3.1.1: unacceptable protocol version
IS_BUSY: Final = b"\x20\x03\x00\x89\x00"
SPEAKS_HTTP: Final = (
    b"HTTP/1.1 400 Bad Request\r\nServer: example\r\nContent-Type: text/html\r\n"
    b"Content-Length: 50\r\nConnection: close\r\n\r\n"
    b"<html><body><h1>400 Bad Request</h1></body></html>"
)
BABBLES: Final = b"\x20\x03\x00\x00\x00" + b"\x30\xff\xff\xff\xff\xff"  # no such length
MISCOUNTS: Final = b"\x20\x03\x00\x00\x00" + b"\x32\x04\x7f\xffab"  # a topic longer than its packet


ACCEPTS: Final = b"\x20\x03\x00\x00\x00"
_ON_THE_TOPIC: Final = b"\x30\x19\x00\x15locks/lock_01/session\x00"
# In one TLS record: SUBACK, and two messages of QoS 0.
SAYS_ALL_AT_ONCE: Final = b"\x90\x04\x00\x01\x00\x00" + _ON_THE_TOPIC + b"a" + _ON_THE_TOPIC + b"b"
SUBSCRIBES: Final = b"\x90\x04\x00\x01\x00\x01"
ACKNOWLEDGES: Final = b"\x40\x02\x00\x02"
SENDS_QOS_2: Final = b"\x34\x07\x00\x01t\x00\x09\x00a"  # where no more than 1 was granted


@asynccontextmanager
async def bad_broker(
    *answers: bytes | None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Yields the port. Each thing that is said there gets the next of `answers`, in one write;
    after HANGS_UP it is the end.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for answer in answers:
                if not await reader.read(4096) or answer == HANGS_UP:
                    return
                if answer:
                    writer.write(answer)
            while await reader.read(4096):
                pass
        except ConnectionError:
            return  # the client had enough of us
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
