"""An enrolled guest without a host: the guest's own services, on a phantom of the virtual air."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from blelockd.adapters.bluez.gatt_endpoints import V2_ENDPOINT
from blelockd.services.ports import IssuerMark, LinkDown
from blelockd.virtual.att import AttError
from blelockd.virtual.hosts import VirtualAir
from blelockd.virtual.link import LinkLostError
from blelockd.virtual.phantom import PhantomLink

_ATT_HEADER_BYTES = 3
_LOST = (AttError, LinkLostError, TimeoutError, KeyError)


class PhantomConnection:
    """ports.Connection over a link that is subscribed."""

    def __init__(self, link: PhantomLink) -> None:
        self._link = link
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()

    @property
    def largest_write_bytes(self) -> int:
        """One write fills the MTU."""
        return self._link.mtu - _ATT_HEADER_BYTES

    async def read(self) -> bytes:
        """INFO. Raises LinkDown."""
        try:
            return await self._link.read(V2_ENDPOINT.read_uuid)
        except _LOST as error:
            raise LinkDown(str(error)) from error

    async def write(self, value: bytes) -> None:
        """One frame. Raises LinkDown."""
        try:
            await self._link.write(V2_ENDPOINT.write_uuid, value)
        except _LOST as error:
            raise LinkDown(str(error)) from error

    async def receive(self) -> bytes:
        """The next notification. Raises LinkDown once the link is gone."""
        while self.inbox.empty():
            if not self._link.is_open:
                raise LinkDown("the issuer has disconnected")
            await asyncio.sleep(0.005)
        return self.inbox.get_nowait()


class PhantomCentral:
    """ports.Central to the issuer at `address`."""

    def __init__(self, air: VirtualAir, name: str, address: str) -> None:
        self._air = air
        self._name = name
        self._address = address

    async def find(self, mark: IssuerMark, timeout_seconds: float) -> str:
        """It is known."""
        return self._address

    def connect(self, handle: str) -> AbstractAsyncContextManager[PhantomConnection]:
        """Connect and subscribe; entering raises LinkDown."""
        return self._connected(handle)

    def avoid(self, handle: str) -> None:
        """There is no other."""

    @asynccontextmanager
    async def _connected(self, handle: str) -> AsyncIterator[PhantomConnection]:
        async with self._air.phantom(self._name) as phantom:
            try:
                link = await phantom.connect(handle)
                connection = PhantomConnection(link)
                await link.discover()
                await link.subscribe(V2_ENDPOINT.notify_uuid, connection.inbox.put_nowait)
            except _LOST as error:
                raise LinkDown(str(error)) from error
            try:
                yield connection
            finally:
                link.close()
