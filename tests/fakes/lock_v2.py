"""A lock of version 2 on fakes, wired as the role wires it, and its issuer at the other end.

What either says waits in a broker that a test can stop; each part runs in its own task.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from blelockd.adapters.spool import SqliteSpool
from blelockd.protocol.instants import LATEST, Instant
from blelockd.protocol.session import Session
from blelockd.protocol.v2.gate import Gate
from blelockd.protocol.verifier import Rules, Verifier
from blelockd.services.liveness import Liveness
from blelockd.services.lock.admission import Admission
from blelockd.services.lock.correspondence import Correspondence
from blelockd.services.lock.door import Door
from blelockd.services.lock.enrolled import EnrolledLock
from blelockd.services.lock.event_delivery import EventDelivery
from blelockd.services.lock.event_log import EventLog
from blelockd.services.lock.greeting import Greeting
from blelockd.services.lock.holdings import HoldingLimits, Holdings
from blelockd.services.lock.judges import Judges
from blelockd.services.lock.ledger import EventLedger
from blelockd.services.lock.rivalry import Rivalry
from blelockd.services.lock.timekeeping import Timekeeper
from blelockd.services.lock.voice import Voice
from blelockd.services.ports import EventSpool, Sighting
from blelockd.services.tally import Counted, Tally
from tests.fakes.clock import FakeClock, FakeTime, settle
from tests.fakes.enrolled import DOOR, IEK, ISK, ISSUER_CARD, LEK, LOCK_CARD, LSK, fresh
from tests.fakes.issuer_v2 import IssuerV2
from tests.fakes.journal import RememberingJournal
from tests.fakes.strike import RecordingStrike
from tests.fakes.threads import use_inline_threads

HOLD_SECONDS, REARM_SECONDS = 1.0, 3.0
HERE = "C0:00:00:00:00:01"
Task = Coroutine[Any, Any, None]


class LockV2:
    """One process of the lock; `post` takes what it says, or not."""

    def __init__(
        self,
        clock: FakeClock,
        spool: EventSpool,
        post: Callable[[bytes], bool],
        *,
        limits: HoldingLimits | None = None,
        most_events: int = 1000,
        strike: RecordingStrike | None = None,
    ) -> None:
        self.clock = clock
        self.journal = RememberingJournal()
        self.tally = Tally(self.journal, clock, 60.0)
        self.liveness = Liveness(self.journal, clock, lambda _: None)
        self.strike = strike or RecordingStrike(clock)
        self.epoch = fresh(16)
        self.gate = Gate(EnrolledLock(DOOR, LEK, LSK, ISSUER_CARD).gate_keys(), self.epoch)
        voice = Voice(EnrolledLock(DOOR, LEK, LSK, ISSUER_CARD), post, fresh)
        self.verifier = Verifier(Rules(), LATEST)
        self.time = Timekeeper(self.verifier, clock, self.liveness.part("time"))
        part = self.liveness.part("events")
        self.log = EventLog(
            spool, self.epoch, fresh, self.time.now, part, self.journal, clock,
            most_events=most_events,
        )  # fmt: skip
        self.holdings = Holdings(
            self.verifier, limits or HoldingLimits(), self.time.now, self.log, self.journal, clock
        )
        self.delivery = EventDelivery(self.log, voice, clock)
        self.greeting = Greeting(self.gate, self.time, voice, self._counts, fresh, clock)
        self.log.on_readable = self.greeting.arrive
        rivalry = Rivalry(self.gate, self.greeting.arrive, fresh, self.journal, clock)
        self.correspondence = Correspondence(
            self.gate, self.time, self.holdings, self.delivery, rivalry, voice, self.journal,
            self.tally, clock,
        )  # fmt: skip
        ledger = EventLedger(self.log, self.verifier)
        self.door = Door(
            self.strike, self.journal, clock, ledger,
            hold_seconds=HOLD_SECONDS, rearm_seconds=REARM_SECONDS,
        )  # fmt: skip
        judges = Judges((self.verifier, self.time.now))
        self.admission = Admission(judges, self.door, self.journal, self.tally, clock, ledger)

    def _counts(self) -> tuple[int, int]:
        return len(self.holdings), self.log.waiting

    def hears(
        self, session: Session, shift: int = 0, rssi_dbm: int = -50, address: str = HERE
    ) -> bytes:
        """The guest of `session` shows the token of the present slot, or of one `shift` later."""
        now = self.time.now()
        assert now is not None
        token = session.scheme.token(type(session.slot_at(now))(session.slot_at(now) + shift))
        self.hears_bytes(token.reveal(), rssi_dbm, address)
        return token.reveal()

    def hears_bytes(self, payload: bytes, rssi_dbm: int = -50, address: str = HERE) -> None:
        """An advert."""
        now = self.time.now()
        if now is not None:
            self.verifier.advance(now, 1_000_000)
        self.admission.on_sighting(Sighting(payload, address, rssi_dbm))

    def counted(self, what: Counted) -> int:
        """How often that was counted."""
        return self.tally._counts[what]

    def tasks(self) -> list[Task]:
        """What runs for the life of the process."""
        return [
            self.greeting.greet(),
            self.greeting.tell_status(),
            self.log.run(),
            self.delivery.run(),
            self.door.run(),
            self._expire(),
            self._look_again(),
        ]

    async def _look_again(self) -> None:
        while True:
            self.admission.look_again(32)
            await self.clock.sleep(0.2)

    async def _expire(self) -> None:
        while True:
            self.holdings.expire(32)
            await self.clock.sleep(1.0)


class Town:
    """The lock, its issuer, the broker between them, and the lock's disk."""

    def __init__(self, directory: Path | None, **lock: Any) -> None:
        use_inline_threads()
        self.time = FakeTime()
        self.clock = FakeClock(self.time)
        self.spool: EventSpool = lock.pop("spool", None) or SqliteSpool(directory or Path())
        self._with = lock
        self.issuer = IssuerV2(ISK, IEK, LOCK_CARD, lambda: self.time.now)
        self.lock = LockV2(self.clock, self.spool, self.to_issuer, **lock)
        self.connected = True
        self.withholds = False
        self.overheard: list[bytes] = []
        self._mail: asyncio.Queue[bytes] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    def to_issuer(self, report: bytes) -> bool:
        """The broker takes a report, and the issuer answers at once."""
        if not self.connected:
            return False
        for answer in self.issuer.hears(report):
            self.to_lock(answer)
        return True

    def to_lock(self, envelope: bytes) -> None:
        """The broker takes an envelope; it reaches the lock unless the broker withholds it."""
        self.overheard.append(envelope)
        if not self.withholds:
            self._mail.put_nowait(envelope)

    async def _carry(self) -> None:
        while True:
            await self.lock.correspondence.on_envelope(await self._mail.get())

    async def pass_(self, seconds: float) -> None:
        """Let time pass."""
        await self.time.pass_(seconds)

    async def send(self, message: Any, **changes: Any) -> str | None:
        """The issuer says `message`; what the lock says became of it."""
        sent = self.issuer.envelope(message, **changes)
        return await self.deliver(sent)

    async def deliver(self, sent: bytes) -> str | None:
        """Those bytes reach the lock; what it says became of them."""
        said = len(self.issuer.said)
        self.to_lock(sent)
        await settle()
        return self.issuer.result_of(sent) if len(self.issuer.said) > said else None

    async def learns(self, **terms: Any) -> Session:
        """The lock learns a fresh session."""
        message = self.issuer.a_session(**terms)
        assert await self.send(message) == "APPLIED"
        return message.session()

    async def reconnect(self) -> None:
        """The link to the broker is up again."""
        self.connected = True
        self.lock.greeting.arrive()
        self.lock.delivery.arrive()
        await settle()

    async def start(self) -> None:
        """The lock's process begins, and is at the broker at once."""
        work = [*self.lock.tasks(), self._carry()]
        self._tasks = [asyncio.ensure_future(task) for task in work]
        await settle()

    async def kill(self) -> None:
        """The lock's process dies: what its disk has is left."""
        await _end(self._tasks, self.lock)
        self._mail = asyncio.Queue()

    async def restart(self) -> None:
        """kill -9, and a new process."""
        await self.kill()
        self.lock = LockV2(self.clock, self.spool, self.to_issuer, **self._with)
        await self.start()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Town]:
        """All run while the context lasts."""
        await self.start()
        try:
            yield self
        finally:
            await _end(self._tasks, self.lock)
            if isinstance(self.spool, SqliteSpool):
                self.spool.close()


async def _end(tasks: list[asyncio.Task[None]], lock: LockV2) -> None:
    faults = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    lock.log._unsaved.clear()  # a process that is killed has no last words
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not faults, faults


def now_of(town: Town) -> Instant:
    """The true time."""
    return town.time.now
