"""A central without a host: one of a hundred phones, or an attacker who sends what he likes.

It speaks to the air directly, without BlueZ, so that it may break rules that BlueZ keeps.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from blelockd.virtual import att
from blelockd.virtual.antenna import Antenna
from blelockd.virtual.link import Link, LinkLostError
from blelockd.virtual.wire import (
    Answer,
    Frame,
    Hello,
    LinkAnswer,
    LinkClosed,
    LinkRequest,
    Notification,
    RadioState,
)

CONNECT_SECONDS = 5.0
_RADIO = "hci0"


class PhantomLink:
    """An open link to a peripheral, and its attributes by UUID."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._characteristics: dict[str, att.RemoteCharacteristic] = {}
        self._heard: dict[int, Callable[[bytes], None]] = {}

    @property
    def mtu(self) -> int:
        """What both ends agreed on."""
        return self._link.mtu

    @property
    def is_open(self) -> bool:
        """Whether the link still stands."""
        return self._link.is_open

    async def discover(self) -> list[att.RemoteService]:
        """The peripheral's services. Raises AttError, LinkLostError."""
        table = att.unpack(await self._link.discover())
        self._characteristics = {
            each.uuid: each for service in table for each in service.characteristics
        }
        return table

    async def write(self, characteristic: str, value: bytes) -> None:
        """Write with response; any length. Raises KeyError, AttError, LinkLostError."""
        await self._link.write(self._characteristics[characteristic].value_handle, value)

    def command(self, characteristic: str, value: bytes) -> None:
        """Write without response; any length. Raises KeyError."""
        self._link.command(self._characteristics[characteristic].value_handle, value)

    async def read(self, characteristic: str, offset: int = 0) -> bytes:
        """Read up to MTU-1 bytes. Raises KeyError, AttError, LinkLostError."""
        return await self._link.read(self._characteristics[characteristic].value_handle, offset)

    async def subscribe(self, characteristic: str, heard: Callable[[bytes], None]) -> None:
        """Have every notification. Raises KeyError, AttError, LinkLostError."""
        handle = self._characteristics[characteristic].value_handle
        self._heard[handle] = heard
        await self._link.subscribe(handle, att.NOTIFY)

    def close(self) -> None:
        """Hang up."""
        self._link.close(tell=True)

    def on_frame(self, frame: Frame) -> None:
        """The peripheral sent this."""
        match frame:
            case Answer():
                self._link.on_answer(frame)
            case LinkClosed():
                self._link.close(tell=False)
            case Notification() if frame.handle in self._heard:
                self._heard[frame.handle](frame.value)
            case _:
                pass


class Phantom:
    """`async with` it: on the air under `name`, so that distances to it can be set."""

    def __init__(
        self, socket: Path, name: str, address: str, address_type: str = "random", mtu: int = 517
    ) -> None:
        self._socket = socket
        self._name = name
        self.address = address
        self._address_type = address_type
        self._mtu = mtu
        self._antenna = Antenna(self._on_frame, self._on_lost)
        self._answers: dict[str, asyncio.Future[LinkAnswer]] = {}
        self._links: dict[str, PhantomLink] = {}

    async def __aenter__(self) -> Phantom:
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self._antenna, str(self._socket))
        self._antenna.send(Hello(self._name))
        self.move_to(self.address)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._antenna.close()
        await asyncio.sleep(0)

    def move_to(self, address: str) -> None:
        """Call oneself by another address from now on."""
        self.address = address
        self._antenna.send(RadioState(_RADIO, address, self._address_type, "off"))

    async def connect(self, to_address: str) -> PhantomLink:
        """Open a link to a peripheral that advertises. Raises LinkLostError, TimeoutError."""
        name = uuid.uuid4().hex[:16]
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        self._antenna.send(LinkRequest(name, _RADIO, to_address, self._mtu))
        try:
            frame = await asyncio.wait_for(answer, CONNECT_SECONDS)
        finally:
            del self._answers[name]
        if not frame.accepted:
            raise LinkLostError(f"{to_address} does not take the link")
        link = self._links[name] = PhantomLink(Link(name, frame.mtu, self._antenna.send))
        return link

    def _on_frame(self, _antenna: Antenna, frame: Frame) -> None:
        if isinstance(frame, LinkAnswer):
            answer = self._answers.get(frame.link)
            if answer is not None and not answer.done():
                answer.set_result(frame)
        elif isinstance(frame, (Answer, Notification, LinkClosed)):
            link = self._links.get(frame.link)
            if link is not None:
                link.on_frame(frame)

    def _on_lost(self, _antenna: Antenna, _error: Exception | None) -> None:
        for name, link in self._links.items():
            link.on_frame(LinkClosed(name))
        self._links.clear()
