"""A lock for the bench: real verifier, admission, door and journal, and a clock one can push on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from blelockd.adapters.clock import SystemClock
from blelockd.adapters.journal.shapes import json_line
from blelockd.adapters.journal.sinks import LineJournal
from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import MS_PER_SECOND, Instant, Slot
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.session import Session
from blelockd.protocol.v1.tokens import TOKEN_BYTES as V1_TOKEN_BYTES
from blelockd.protocol.v1.tokens import V1Tokens
from blelockd.protocol.v2.down import SessionForLock
from blelockd.protocol.v2.terms import Terms
from blelockd.protocol.v2.tokens import TOKEN_BYTES as V2_TOKEN_BYTES
from blelockd.protocol.verdict import Admit
from blelockd.protocol.verifier import Rules, Verifier
from blelockd.services.lock.admission import Admission
from blelockd.services.lock.door import Door
from blelockd.services.lock.judges import Judges
from blelockd.services.lock.ledger import NoLedger
from blelockd.services.tally import Tally
from tests.bench.seed_way import SeedLock, SeedSession

LOCK_ID: Final = LockId("lock_01")
SLOT_SECONDS: Final = 3
SLOT_MS: Final = SLOT_SECONDS * MS_PER_SECOND
LIFETIME_SECONDS: Final = 86_000
NONCE: Final = "AAAAAAAAAAA="
ADDRESS: Final = "C0:F1:00:00:00:01"
RSSI_DBM: Final = -50
_V2_HEAD: Final = bytes([0x20, 0xC5])  # the version, and -59 dBm at 1 m
_V2_REST: Final = V2_TOKEN_BYTES - len(_V2_HEAD)
_NS_PER_MS: Final = 1_000_000


class PushedClock(SystemClock):
    """The machine's clock, which costs what it costs, and can be pushed into the next slot."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now(self) -> Instant:
        """The wall clock, pushed on."""
        return Instant(time.time_ns() // _NS_PER_MS + self.ahead_ms)

    def boottime_ms(self) -> int:
        """The clock that nobody can set, pushed on."""
        return super().boottime_ms() + self.ahead_ms

    def to_next_slot(self) -> None:
        """Push on to just after the beginning of a slot, so that none ends while measuring."""
        self.ahead_ms += SLOT_MS - self.now() % SLOT_MS


class NoStrike:
    """A strike without a door."""

    async def release(self, admit: Admit) -> None:
        """Nothing to open."""

    async def secure(self) -> None:
        """Nothing to hold."""


@contextmanager
def unread_journal(clock: SystemClock) -> Iterator[LineJournal]:
    """A journal whose lines are made and written, and read by nobody."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    try:
        yield LineJournal(descriptor, json_line, clock)
    finally:
        os.close(descriptor)


def session_of(key: bytes, now: Instant, version: int = 1, slot_ms: int = SLOT_MS) -> Session:
    """A session of that version with that key, which lives for a day."""
    not_after = Instant(now + LIFETIME_SECONDS * MS_PER_SECOND)
    if version == 1:
        tokens = V1Tokens(SessionKey(key), NONCE)
        return Session(tokens.session_id(), LOCK_ID, not_after, slot_ms, tokens)
    ids = SessionId(os.urandom(16)), SessionKey(key), GuestId(os.urandom(16))
    terms = Terms(LOCK_ID, not_after, slot_ms=slot_ms)
    return SessionForLock(*ids, Instant(now - MS_PER_SECOND), terms).session()


def stranger(version: int) -> bytes:
    """A token that no session has."""
    return os.urandom(V1_TOKEN_BYTES) if version == 1 else _V2_HEAD + os.urandom(_V2_REST)


class BenchLock:
    """The lock's way from a sighting to the door, with `count` live sessions of that version; and
    the seed's.
    """

    def __init__(
        self, count: int, journal: LineJournal, clock: PushedClock, version: int = 1
    ) -> None:
        self.clock = clock
        self.version = version
        now = clock.now()
        keys = [os.urandom(SessionKey.SIZE) for _ in range(count)]
        self.sessions = [session_of(key, now, version) for key in keys]
        self.verifier = Verifier(Rules(), Instant(now - 10 * SLOT_MS))
        for session in self.sessions:
            self.verifier.learn(session, now)
        # no re-arm time, so that every valid token goes the whole way
        door = Door(NoStrike(), journal, clock, NoLedger(), hold_seconds=1, rearm_seconds=0)
        tally = Tally(journal, clock, interval_seconds=60)
        judges = Judges((self.verifier, clock.now))
        self.admission = Admission(judges, door, journal, tally, clock, NoLedger())
        expiry = now // MS_PER_SECOND + LIFETIME_SECONDS
        keys = keys if version == 1 else keys[:1]  # one of that size is enough
        self.seed = SeedLock(
            [SeedSession(key, NONCE.encode(), expiry, 0) for key in keys], SLOT_SECONDS
        )

    def roll(self) -> None:
        """Go to the next slot, and have its tokens indexed."""
        self.clock.to_next_slot()
        self.seed.ahead_seconds = self.clock.ahead_ms / MS_PER_SECOND
        while self.verifier.advance(self.clock.now(), 1024) == 1024:
            pass

    def token(self, number: int) -> bytes:
        """What the guest of that session advertises now."""
        session = self.sessions[number]
        slot: Slot = session.slot_at(self.clock.now())
        return session.scheme.token(slot).reveal()
