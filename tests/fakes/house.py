"""A house on fakes: an issuer, a lock at its door and guests, wired as the roles wire them.

One true time for all; each machine has a clock of its own. What runs in the daemons' tasks runs
here, so that `pass_` plays minutes in milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from blelockd.protocol.ids import LockId
from blelockd.protocol.keys import PrivateKey, PublicKey
from blelockd.protocol.verifier import Rules, Verifier
from blelockd.services.guest.presence import Presence
from blelockd.services.guest.provisioning import ProvisioningLimits
from blelockd.services.guest.provisioning_v1 import GuestIdentity, V1Provisioning
from blelockd.services.guest.renewal import Renewal, RenewalPolicy
from blelockd.services.issuer.issuance import Issuance, IssuancePolicy
from blelockd.services.issuer.outbox import Outbox
from blelockd.services.issuer.provider import Provider, ProviderLimits
from blelockd.services.liveness import Liveness
from blelockd.services.lock.admission import Admission
from blelockd.services.lock.door import Door
from blelockd.services.lock.intake import Intake, IntakeLimits, LockIdentity
from blelockd.services.lock.judges import Judges
from blelockd.services.lock.ledger import NoLedger
from blelockd.services.ports import IssuerMark, Sighting
from blelockd.services.tally import Tally
from tests.fakes.central import FakeCentral, FakePeripheral
from tests.fakes.clock import FakeClock, FakeTime, settle
from tests.fakes.journal import RememberingJournal
from tests.fakes.keys import GUEST, ISSUER, LOCK, LOCK_ID
from tests.fakes.outlet import FakeOutlet
from tests.fakes.radio import FakeBroadcaster
from tests.fakes.seed import join_chunks
from tests.fakes.sessions import SLOT_MS
from tests.fakes.strike import RecordingStrike
from tests.fakes.threads import use_inline_threads

Task = Coroutine[Any, Any, None]


class FakeEntropy:
    """Bytes that never repeat and that a test can recognise."""

    def __init__(self) -> None:
        self.given: list[bytes] = []

    def __call__(self, size: int, /) -> bytes:
        """The next `size` bytes."""
        self.given.append((0x5EC4E7 + len(self.given)).to_bytes(size, "big"))
        return self.given[-1]


class IssuerSide:
    """The issuer and what it is wired to."""

    def __init__(self, time: FakeTime, outlet: FakeOutlet, peripheral: FakePeripheral) -> None:
        self.clock = FakeClock(time)
        self.journal = RememberingJournal()
        self.tally = Tally(self.journal, self.clock, 60.0)
        self.outlet = outlet
        self.outbox = Outbox(outlet, self.journal, self.clock)
        self.entropy = FakeEntropy()
        policy = IssuancePolicy({LOCK_ID: LOCK.public_key})
        self.issuance = Issuance(
            ISSUER, policy, self.outbox, self.journal, self.clock, self.entropy
        )
        self.provider = Provider(self.issuance, ProviderLimits(), self.tally, self.clock)
        self.peripheral = peripheral
        peripheral.on_write = lambda write: self.provider.on_write(peripheral, write)

    def tasks(self) -> list[Task]:
        """What runs for the life of the daemon."""
        return [self.outbox.run(), self.tally.run()]


class LockSide:
    """The lock and what it is wired to. `start` is also what a restart does: all is forgotten."""

    def __init__(self, time: FakeTime, lock_id: LockId = LOCK_ID) -> None:
        self.clock = FakeClock(time)
        self.lock_id = lock_id
        self.journal = RememberingJournal()
        self.strike = RecordingStrike(self.clock)
        self.rules = Rules()
        self.limits = IntakeLimits()
        self.issuer_key: PublicKey = ISSUER.public_key
        self.hold_seconds, self.rearm_seconds = 5.0, 12.0
        self.start()

    def start(self) -> None:
        """Begin with nothing in memory."""
        self.tally = Tally(self.journal, self.clock, 60.0)
        self.verifier = Verifier(self.rules, self.clock.now())
        self.door = Door(
            self.strike,
            self.journal,
            self.clock,
            NoLedger(),
            hold_seconds=self.hold_seconds,
            rearm_seconds=self.rearm_seconds,
        )
        self.admission = Admission(
            Judges((self.verifier, self.clock.now)),
            self.door,
            self.journal,
            self.tally,
            self.clock,
            NoLedger(),
        )
        self.intake = Intake(
            LockIdentity(self.lock_id, LOCK, self.issuer_key),
            self.verifier,
            self.limits,
            SLOT_MS,
            self.journal,
            self.tally,
            self.clock,
        )

    def hear(self, sighting: Sighting) -> None:
        """An advertisement reaches the lock."""
        self.admission.on_sighting(sighting)

    async def receive(self, message: bytes) -> None:
        """A message reaches the lock from the broker."""
        await self.intake.on_message(message)

    def tasks(self) -> list[Task]:
        """What runs for the life of the daemon."""
        return [self.door.run(), self._roll(), self._expire(), self.tally.run()]

    async def _roll(self) -> None:
        while True:
            rolled = self.verifier.advance(self.clock.now(), 32)
            self.admission.look_again(32)
            await self.clock.sleep(0 if rolled == 32 else 0.2)

    async def _expire(self) -> None:
        while True:
            self.intake.expire()
            await self.clock.sleep(1.0)


class GuestSide:
    """A guest and what it is wired to; not near the door until `approach`."""

    def __init__(
        self,
        time: FakeTime,
        peripheral: FakePeripheral | None,
        name: str = "guest",
        address: str = "C0:00:00:00:00:01",
        *,
        key: PrivateKey | None = GUEST,
        issuer_key: PublicKey | None = ISSUER.public_key,
        mtu: int = 517,
    ) -> None:
        self.clock = FakeClock(time)
        self.journal = RememberingJournal()
        self.central = FakeCentral(peripheral, name, mtu)
        self.provisioning = V1Provisioning(
            self.central,
            IssuerMark(name="IssuerBeacon"),
            GuestIdentity(key, issuer_key),
            ProvisioningLimits(response_seconds=10.0, patience_seconds=0.0),
            SLOT_MS,
            self.clock,
        )
        self.presence = Presence(self.journal, self.clock)
        self.radio = FakeBroadcaster(address)
        self.liveness = Liveness(self.journal, self.clock, lambda _: None)
        self.part = self.liveness.part("session")
        self.renewal = Renewal(
            LOCK_ID,
            self.provisioning,
            self.presence,
            RenewalPolicy(),
            self.part,
            self.journal,
            self.clock,
        )

    def approach(self, lock: LockSide, rssi_dbm: int | None = -50) -> None:
        """Come into range of the lock."""
        self.radio.rssi_dbm = rssi_dbm
        if lock.hear not in self.radio.hearers:
            self.radio.hearers.append(lock.hear)
        self.radio.be_heard()

    def leave(self) -> None:
        """Go out of range of every lock."""
        self.radio.hearers.clear()

    def tasks(self) -> list[Task]:
        """What runs for the life of the daemon."""
        return [self.presence.run(self.radio), self.renewal.run()]


@dataclass
class House:
    """Everything, in one true time."""

    time: FakeTime = field(default_factory=FakeTime)
    outlet: FakeOutlet = field(default_factory=FakeOutlet)
    peripheral: FakePeripheral = field(default_factory=FakePeripheral)

    def __post_init__(self) -> None:
        use_inline_threads()
        self.issuer = IssuerSide(self.time, self.outlet, self.peripheral)
        self.lock = LockSide(self.time)
        self.guest = GuestSide(self.time, self.peripheral)
        self.outlet.inboxes[LOCK_ID] = self._to_the_lock
        self._lock_tasks: list[asyncio.Task[None]] = []

    async def _to_the_lock(self, message: bytes) -> None:
        await self.lock.receive(message)

    async def pass_(self, seconds: float) -> None:
        """Let time pass for everybody."""
        await self.time.pass_(seconds)

    async def ask(self, device: str, request: bytes) -> bytes:
        """What a device that writes `request` is answered."""
        inbox = self.peripheral.subscribers.setdefault(device, asyncio.Queue())
        self.peripheral.mtus[device] = 517
        await self.peripheral.write(device, request)
        frames = []
        while not inbox.empty():
            frames.append(inbox.get_nowait() or b"")
        return join_chunks(frames)

    async def restart_lock(self) -> None:
        """The lock's process dies and comes back, and says so to the issuer."""
        await _end(self._lock_tasks)
        self.lock.start()
        self._lock_tasks = [asyncio.ensure_future(task) for task in self.lock.tasks()]
        self.issuer.outbox.on_available(LOCK_ID)

    @asynccontextmanager
    async def open(self, *guests: GuestSide) -> AsyncIterator[None]:
        """All daemons run while the context lasts, with those guests."""
        others = [*self.issuer.tasks(), *(task for guest in guests for task in guest.tasks())]
        running = [asyncio.ensure_future(task) for task in others]
        self._lock_tasks = [asyncio.ensure_future(task) for task in self.lock.tasks()]
        try:
            await settle()
            yield
        finally:
            await _end([*running, *self._lock_tasks])


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    faults = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not faults, faults
