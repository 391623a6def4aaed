"""The way to the issuer on bumble's host stack: ports.Central in bumble's terms, for a phone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

from bumble.core import AdvertisingData
from bumble.device import Peer

from blelockd.adapters.bluez.gatt_endpoints import Endpoint
from blelockd.services.ports import Connection, IssuerMark, LinkDown

COMPANY_ID: Final = 0xFFFF
MTU: Final = 517
_ATT_HEADER_BYTES: Final = 3
_LARGEST_WRITE_BYTES: Final = 508  # docs/protocol.md, "Chunks"
_CONNECT_SECONDS: Final = 20.0
_DISCONNECT_SECONDS: Final = 5.0  # bumble waits for ever for the end of a link whose peer is gone


async def first(device: Any, matches: Any) -> dict[str, Any]:
    """What the first advertisement that `matches` says: its address, name and payload."""
    found: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def heard(advertisement: Any) -> None:
        name = advertisement.data.get(AdvertisingData.COMPLETE_LOCAL_NAME)
        facts = {"address": advertisement.address, "name": name, "payload": None}
        data = advertisement.data.get(AdvertisingData.MANUFACTURER_SPECIFIC_DATA)
        if data is not None and data[0] == COMPANY_ID:
            facts["payload"] = bytes(data[1])
        if not found.done() and matches(facts):
            found.set_result(facts)

    device.on("advertisement", heard)
    try:
        await device.start_scanning(active=True)
        return await found
    finally:
        device.remove_listener("advertisement", heard)
        await device.stop_scanning()


@contextmanager
def _failing_as_link_down(doing: str) -> Iterator[None]:
    """What bumble raises is translated. When a link ends it cancels whoever waits for an answer,
    which is not to be taken for somebody who cancels this task.
    """
    try:
        yield
    except LinkDown:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise LinkDown(f"{doing}: the connection ended") from error
    except Exception as error:
        raise LinkDown(f"{doing}: {error!r}") from error


class Central:
    """Fulfils ports.Central."""

    def __init__(self, device: Any, endpoint: Endpoint) -> None:
        self._device = device
        self._endpoint = endpoint
        self._found: dict[str, Any] = {}

    async def find(self, mark: IssuerMark, timeout_seconds: float) -> str:
        try:
            async with asyncio.timeout(timeout_seconds):
                facts = await first(self._device, lambda heard: heard["name"] == mark.name)
        except TimeoutError:
            raise LinkDown(f"no beacon called {mark.name}") from None
        handle = str(facts["address"])
        self._found[handle] = facts["address"]
        return handle

    def avoid(self, handle: str) -> None:
        """There is no other."""

    @asynccontextmanager
    async def connect(self, handle: str) -> AsyncIterator[Connection]:
        with _failing_as_link_down("connect to the issuer"):
            link = await self._device.connect(self._found[handle], timeout=_CONNECT_SECONDS)
        try:
            with _failing_as_link_down("subscribe at the issuer"):
                connection = await _subscribed(link, self._endpoint)
            yield connection
        finally:
            with suppress(LinkDown), _failing_as_link_down("disconnect"):
                async with asyncio.timeout(_DISCONNECT_SECONDS):
                    await link.disconnect()


async def _subscribed(link: Any, endpoint: Endpoint) -> _Connection:
    peer = Peer(link)
    mtu = await peer.request_mtu(MTU)
    await peer.discover_service(endpoint.service_uuid)
    uuids = endpoint.read_uuid, endpoint.write_uuid, endpoint.notify_uuid
    await peer.discover_characteristics(sorted(set(uuids)))
    found = [peer.get_characteristics_by_uuid(uuid) for uuid in uuids]
    if not all(found):
        raise LinkDown("the issuer has no such characteristic")
    read_from, written_to, notifies = (each[0] for each in found)
    connection = _Connection(read_from, written_to, mtu)
    link.on("disconnection", lambda _reason: connection.notified(None))
    await notifies.subscribe(connection.notified)
    return connection


class _Connection:
    """Fulfils ports.Connection."""

    def __init__(self, read_from: Any, written_to: Any, mtu: int) -> None:
        self._read_from = read_from
        self._written_to = written_to
        self._notified: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.largest_write_bytes = min(mtu - _ATT_HEADER_BYTES, _LARGEST_WRITE_BYTES)

    def notified(self, value: bytes | None) -> None:
        self._notified.put_nowait(None if value is None else bytes(value))

    async def read(self) -> bytes:
        with _failing_as_link_down("read"):
            return bytes(await self._read_from.read_value())

    async def write(self, value: bytes) -> None:
        with _failing_as_link_down("write"):
            await self._written_to.write_value(value, with_response=True)

    async def receive(self) -> bytes:
        value = await self._notified.get()
        if value is None:
            raise LinkDown("the issuer has gone")
        return value
