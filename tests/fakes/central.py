"""The issuer's characteristic and its guests, wired to each other: writes in, notifications out.

Everything is cut and refused as BlueZ would, with an MTU that the test sets; like BlueZ 5.66 it
can let every subscriber hear every notification.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from blelockd.services.ports import CharacteristicWrite, IssuerMark, LinkDown, Peer

ATT_HEADER_BYTES = 3


class FakePeripheral:
    """ports.Peripheral and V2Peripheral. `on_write` and `on_read` are the issuer's handlers;
    `readable` is what each was offered to read; `frames_overtake` each other, as over EATT.
    """

    def __init__(self, *, notifies_everybody: bool = False) -> None:
        self.on_write: Callable[[CharacteristicWrite], Awaitable[None]] | None = None
        self.on_read: Callable[[str], bytes] = lambda device: self.readable.get(device, b"")
        self.peers: dict[str, Peer] = {}
        self.readable: dict[str, bytes] = {}
        self.notified: dict[str, list[bytes]] = {}
        self.subscribers: dict[str, asyncio.Queue[bytes | None]] = {}
        self.mtus: dict[str, int] = {}
        self.sent_away: list[str] = []
        self.frames_overtake = False
        self._notifies_everybody = notifies_everybody

    async def identify(self, device: str) -> Peer:
        """The peer that the test has set, or one without an address."""
        return self.peers.get(device, Peer(device))

    async def notify(self, device: str, frames: Sequence[bytes]) -> None:
        """Send `frames` to the device, each cut at its MTU."""
        if device not in self.subscribers:
            raise LinkDown("the guest is not subscribed")
        receivers = list(self.subscribers) if self._notifies_everybody else [device]
        self.notified.setdefault(device, []).extend(frames)
        for frame in reversed(frames) if self.frames_overtake else frames:
            for receiver in receivers:
                whole = self.mtus.get(receiver, 517) - ATT_HEADER_BYTES
                self.subscribers[receiver].put_nowait(frame[:whole])

    async def disconnect(self, device: str) -> None:
        """End the device's connection, if it has one."""
        self.sent_away.append(device)
        inbox = self.subscribers.pop(device, None)
        if inbox is not None:
            inbox.put_nowait(None)

    def offer(self, device: str, value: bytes) -> None:
        """Let the device read `value`."""
        if value:
            self.readable[device] = value
        else:
            self.readable.pop(device, None)

    async def write(self, device: str, value: bytes) -> None:
        """What the device writes reaches the issuer."""
        assert self.on_write is not None
        await self.on_write(CharacteristicWrite(device, value, self.mtus.get(device, 517)))


class FakeConnection:
    """ports.Connection between one guest and the peripheral."""

    def __init__(self, peripheral: FakePeripheral, device: str, inbox: asyncio.Queue[bytes | None]):
        self._peripheral = peripheral
        self._device = device
        self._inbox = inbox
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def largest_write_bytes(self) -> int:
        """One write fills the MTU."""
        return self._peripheral.mtus[self._device] - ATT_HEADER_BYTES

    async def read(self) -> bytes:
        """What the issuer lets this device read."""
        return self._peripheral.on_read(self._device)

    async def write(self, value: bytes) -> None:
        """Write; the issuer works on it in its own time."""
        if len(value) > self.largest_write_bytes:
            raise LinkDown("Invalid Length")
        serving = asyncio.ensure_future(self._peripheral.write(self._device, value))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        await asyncio.sleep(0)

    async def receive(self) -> bytes:
        """The next notification."""
        value = await self._inbox.get()
        if value is None:
            raise LinkDown("the issuer has disconnected")
        return value


class FakeCentral:
    """ports.Central of one guest in range of the peripheral; none when `peripheral` is None."""

    def __init__(self, peripheral: FakePeripheral | None, device: str = "guest", mtu: int = 517):
        self.peripheral = peripheral
        self.device = device
        self.mtu = mtu
        self.avoided: list[str] = []
        self.connections = 0
        self.connected = 0

    async def find(self, mark: IssuerMark, timeout_seconds: float) -> str:
        """The issuer, if there is one."""
        if self.peripheral is None:
            raise LinkDown(f"no issuer heard within {timeout_seconds:.0f} s")
        return "issuer"

    def connect(self, handle: str) -> AbstractAsyncContextManager[FakeConnection]:
        """Connect and subscribe."""
        return self._connected()

    def avoid(self, handle: str) -> None:
        """Note it: there is but one."""
        self.avoided.append(handle)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[FakeConnection]:
        peripheral = self.peripheral
        if peripheral is None:
            raise LinkDown("the issuer is gone")
        peripheral.mtus[self.device] = self.mtu
        inbox = peripheral.subscribers[self.device] = asyncio.Queue()
        self.connections += 1
        self.connected += 1
        try:
            yield FakeConnection(peripheral, self.device, inbox)
        finally:
            self.connected -= 1
            peripheral.subscribers.pop(self.device, None)
            peripheral.offer(self.device, b"")
