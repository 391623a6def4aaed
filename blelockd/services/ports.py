"""What the services need of the world, in a few methods each. Adapters fulfil these contracts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from blelockd.protocol.ids import BluetoothAddress, LockId, SessionId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.reports import Event as LockEvent
from blelockd.protocol.verdict import Admit
from blelockd.services.events import Event


class Clock(Protocol):
    """The only source of time for the services."""

    def now(self) -> Instant:
        """The wall clock, in milliseconds since the Unix epoch."""
        ...

    def monotonic_seconds(self) -> float:
        """Seconds from an arbitrary start, never stepped back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of the monotonic clock."""
        ...


class BootClock(Protocol):
    """Time that nobody can set, and that goes on while the machine sleeps."""

    def boottime_ms(self) -> int:
        """CLOCK_BOOTTIME, in milliseconds."""
        ...


class Entropy(Protocol):
    """A source of unpredictable bytes."""

    def __call__(self, size: int, /) -> bytes:
        """`size` bytes fit for a key."""
        ...


class Journal(Protocol):
    """Where events go. Never raises, never blocks on a slow reader for long."""

    def record(self, event: Event) -> None:
        """Keep `event`."""
        ...


class Strike(Protocol):
    """The thing that holds the door. Only an Admit releases it."""

    async def release(self, admit: Admit) -> None:
        """Let the door open; returns when the release is done. Raises StrikeFailed."""
        ...

    async def secure(self) -> None:
        """Hold the door again; safe to repeat. Raises StrikeFailed."""
        ...


class StrikeFailed(Exception):
    """The strike did not do what it was told; `reason` says why, for the journal.

    `may_have_opened` tells whether the door may have been released all the same.
    """

    def __init__(self, reason: str, *, may_have_opened: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_have_opened = may_have_opened


# --- the broker ------------------------------------------------------------------------------


class LinkDown(Exception):
    """A peer or a medium is out of reach now; worth trying again later.

    `may_have_arrived` tells whether the last message may have been delivered all the same.
    """

    def __init__(self, reason: str, *, may_have_arrived: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_have_arrived = may_have_arrived


class SessionOutlet(Protocol):
    """The issuer's way to a lock."""

    async def deliver(
        self, lock_id: LockId, sealed: bytes, *, expiry_seconds: int | None = None
    ) -> None:
        """Hand `sealed` to the broker for that lock, at least once; raises LinkDown.

        The broker may forget it after `expiry_seconds`.
        """
        ...


Post = Callable[[bytes], bool]
"""Hands a lock's report to the broker, at once; False where it was not taken. What was taken may
get lost all the same: the issuer's answer is the only sign.
"""


class EnvelopeOutlet(Protocol):
    """The issuer's way to a lock, in version 2."""

    async def post(self, lock_id: LockId, envelope: bytes, *, expiry_seconds: int) -> None:
        """As SessionOutlet.deliver, for version 2."""
        ...


# --- the disk --------------------------------------------------------------------------------


class SpoolFailed(Exception):
    """The disk did not do what it was told; `reason` says why, and what to do, for the journal."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SpoolDamaged(SpoolFailed):
    """What was kept is lost, and a new file takes its place at the next try."""


class EventSpool(Protocol):
    """The lock's events on disk, in their order, until the issuer has them.

    Every method waits for the disk and may be called from any thread; each raises SpoolFailed.
    """

    def append(self, events: Sequence[LockEvent]) -> int:
        """Keep `events`, all or none of them, for good; how many are kept now.

        What is kept already stays as it is: who does not know whether it was kept tries again.
        """
        ...

    def probe(self) -> None:
        """Write for good, and keep neither more nor less by it: does the disk take anything?"""
        ...

    def read(self, after: LockEvent | None, at_most: int) -> list[LockEvent]:
        """The oldest that are kept, those behind `after` where that is kept, too."""
        ...

    def forget(self, epoch: bytes, counter: int) -> int:
        """Let go of that event of that epoch and of all before it; how many are kept now."""
        ...

    def openings(self, session_id: SessionId) -> int:
        """How often the door has opened for that session, as far as it is kept here."""
        ...


# --- the air ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sighting:
    """One advertisement as the observer heard it: the manufacturer data of our company id.

    The payload may be a token, so it is no part of the representation.
    """

    payload: bytes = field(repr=False)
    address: str
    rssi_dbm: int | None


class Broadcaster(Protocol):
    """One advertisement on the air, whose token rolls."""

    async def broadcast(self, payload: bytes) -> None:
        """Put `payload` on the air in place of the one before; raises LinkDown."""
        ...

    async def silence(self) -> None:
        """Take the advertisement off the air; safe to repeat."""
        ...


@dataclass(frozen=True, slots=True)
class Peer:
    """The central at the other end of a GATT connection, as far as BlueZ tells.

    `key` names the connection's device for as long as it lasts. `address` is None where it
    could not be resolved; `address_is_random` tells the kind of address.
    """

    key: str
    address: BluetoothAddress | None = None
    address_is_random: bool = True


@dataclass(frozen=True, slots=True)
class CharacteristicWrite:
    """One value that a central wrote, and the MTU (bytes) of its connection."""

    device: str
    value: bytes
    mtu: int


WriteHandler = Callable[[CharacteristicWrite], Awaitable[None]]


class Peripheral(Protocol):
    """Version 1's provisioning characteristic, seen from the issuer."""

    async def identify(self, device: str) -> Peer:
        """The peer behind that device, its address resolved where possible; never raises."""
        ...

    async def notify(self, device: str, frames: Sequence[bytes]) -> None:
        """Send `frames` as notifications, in order, to that device as far as BlueZ can address
        one; raises LinkDown when nobody is subscribed or the peer has gone.
        """
        ...

    def offer(self, device: str, value: bytes) -> None:
        """Let that device, and no other, read `value`; an empty value clears it."""
        ...


class V2Peripheral(Protocol):
    """Version 2's service, seen from the issuer: requests come in by writes, answers go out."""

    async def notify(self, device: str, frames: Sequence[bytes]) -> None:
        """As Peripheral.notify."""
        ...

    async def disconnect(self, device: str) -> None:
        """End that device's connection; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class IssuerMark:
    """How a guest knows the issuer's beacon: any one of these that is set matches."""

    address: BluetoothAddress | None = None
    name: str | None = None
    company_id: int | None = None


class Connection(Protocol):
    """A GATT connection to the issuer's provisioning service, subscribed."""

    @property
    def largest_write_bytes(self) -> int:
        """How many bytes one write carries."""
        ...

    async def read(self) -> bytes:
        """What the issuer lets this guest read: INFO (v2); raises LinkDown."""
        ...

    async def write(self, value: bytes) -> None:
        """Write with response; raises LinkDown."""
        ...

    async def receive(self) -> bytes:
        """The next notification; raises LinkDown when the connection ends."""
        ...


class Central(Protocol):
    """The guest's way to the issuer."""

    async def find(self, mark: IssuerMark, timeout_seconds: float) -> str:
        """A handle of the issuer whose beacon bears `mark`; raises LinkDown if none is heard."""
        ...

    def connect(self, handle: str) -> AbstractAsyncContextManager[Connection]:
        """Connect and subscribe; entering raises LinkDown; leaving disconnects."""
        ...

    def avoid(self, handle: str) -> None:
        """It was not the issuer: find another first, if another is heard."""
        ...
