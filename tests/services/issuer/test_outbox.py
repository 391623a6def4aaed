"""A lock that comes back gets its live sessions again; nothing else is kept, or for longer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from blelockd.protocol.ids import LockId, SessionId
from blelockd.services.events import EventKind
from blelockd.services.issuer.outbox import Outbox
from blelockd.services.ports import LinkDown
from tests.fakes.clock import FakeClock, settle
from tests.fakes.journal import RememberingJournal
from tests.fakes.keys import LOCK_ID
from tests.fakes.outlet import FakeOutlet
from tests.fakes.waiting import running

OTHER = LockId("lock_02")


class Desk:
    """The issuer's outbox and the broker behind it."""

    def __init__(self, most_per_lock: int = 1000) -> None:
        self.clock = FakeClock()
        self.journal = RememberingJournal()
        self.outlet = FakeOutlet()
        self.outbox = Outbox(self.outlet, self.journal, self.clock, most_per_lock)

    async def send(self, number: int, lives: int = 300, lock_id: LockId = LOCK_ID) -> bytes:
        """A session goes out."""
        sealed = b"session %d" % number
        until = self.clock.now() + lives * 1000
        await self.outbox.send(lock_id, SessionId(number.to_bytes(16, "big")), sealed, until)
        return sealed

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Redelivery works while the context lasts."""
        async with running(self.outbox.run()):
            await settle()
            yield


async def test_a_lock_that_comes_back_gets_its_live_sessions_in_order() -> None:
    desk = Desk()
    async with desk.running():
        sent = [await desk.send(number) for number in (1, 2, 3)]
        await desk.send(4, lock_id=OTHER)
        desk.outlet.log.clear()
        desk.outbox.on_available(LOCK_ID)
        await desk.clock.pass_(0.1)
        assert desk.outlet.log == [(LOCK_ID, sealed) for sealed in sent]
        (event,) = desk.journal.of(EventKind.SESSIONS_REDELIVERED)
        assert event.fields == {"lock": LOCK_ID, "sessions": 3}


async def test_a_session_that_has_ended_is_not_delivered_again() -> None:
    desk = Desk()
    async with desk.running():
        await desk.send(1, lives=10)
        live = await desk.send(2, lives=100)
        await desk.clock.pass_(10.0)
        desk.outlet.log.clear()
        desk.outbox.on_available(LOCK_ID)
        await desk.clock.pass_(0.1)
        assert desk.outlet.log == [(LOCK_ID, live)]
        await desk.clock.pass_(100.0)
        desk.outbox.forget_expired()
        assert desk.outbox._sent == {}


async def test_a_lock_that_nobody_knows_is_not_remembered() -> None:
    desk = Desk()
    async with desk.running():
        for number in range(1000):
            desk.outbox.on_available(LockId(f"stranger{number}"))
        await desk.clock.pass_(10.0)
        assert desk.outlet.log == []
        assert (desk.outbox._sent, desk.outbox._back) == ({}, set())


async def test_only_the_newest_sessions_are_kept_for_a_lock() -> None:
    desk = Desk(most_per_lock=5)
    async with desk.running():
        for number in range(20):
            await desk.send(number)
        desk.outlet.log.clear()
        desk.outbox.on_available(LOCK_ID)
        await desk.clock.pass_(0.1)
        assert [sealed for _, sealed in desk.outlet.log] == [
            b"session %d" % n for n in range(15, 20)
        ]


async def test_what_the_broker_did_not_take_is_not_kept() -> None:
    desk = Desk()
    async with desk.running():
        desk.outlet.down = True
        with pytest.raises(LinkDown):
            await desk.send(1)
        desk.outlet.down = False
        desk.outbox.on_available(LOCK_ID)
        await desk.clock.pass_(0.1)
        assert desk.outlet.log == []


async def test_a_lock_that_comes_back_while_its_first_session_is_on_its_way_gets_it() -> None:
    """The broker may tell of the lock before its acknowledgement is worked on here."""
    desk = Desk()

    async def lock_comes_back() -> None:
        desk.outlet.before_delivery = None
        desk.outbox.on_available(LOCK_ID)

    async with desk.running():
        desk.outlet.before_delivery = lock_comes_back
        sealed = await desk.send(1)
        await desk.clock.pass_(0.1)
        assert desk.outlet.log == [(LOCK_ID, sealed)] * 2


async def test_a_broker_that_goes_away_meanwhile_is_no_fault() -> None:
    desk = Desk()
    async with desk.running():
        await desk.send(1)
        await desk.send(2)
        desk.outlet.log.clear()
        desk.outlet.down = True
        desk.outbox.on_available(LOCK_ID)
        await desk.clock.pass_(5.0)
        assert desk.journal.of(EventKind.SESSIONS_REDELIVERED) == []
        desk.outlet.down = False
        desk.outbox.on_available(LOCK_ID)
        await desk.clock.pass_(5.0)
        assert len(desk.outlet.log) == 2


async def test_a_lock_that_always_comes_back_costs_one_round_a_second() -> None:
    desk = Desk()

    async def comes_back_again() -> None:
        desk.outbox.on_available(LOCK_ID)

    async with desk.running():
        for number in range(10):
            await desk.send(number)
        desk.outlet.log.clear()
        desk.outlet.before_delivery = comes_back_again
        desk.outbox.on_available(LOCK_ID)
        await desk.clock.pass_(10.5)
        assert len(desk.outlet.log) == 11 * 10


async def test_the_broker_may_forget_a_session_at_its_end_and_no_sooner() -> None:
    desk = Desk()
    async with desk.running():
        await desk.send(1, lives=300)
        await desk.clock.pass_(100.5)
        desk.outbox.on_available(LOCK_ID)
        await desk.clock.pass_(0.1)
        assert desk.outlet.expiries == [301, 200]


async def test_between_two_returns_of_a_lock_there_is_nothing_to_do() -> None:
    desk = Desk()
    async with desk.running():
        await desk.send(1)
        desk.outbox.on_available(LOCK_ID)
        await desk.clock.pass_(2.0)
        assert desk.clock.time.sleepers == 0


async def test_two_locks_that_come_back_together_are_both_served() -> None:
    desk = Desk()
    async with desk.running():
        await desk.send(1)
        await desk.send(2, lock_id=OTHER)
        desk.outlet.log.clear()
        desk.outbox.on_available(LOCK_ID)
        desk.outbox.on_available(OTHER)
        await desk.clock.pass_(0.1)
        assert sorted(desk.outlet.log) == [(LOCK_ID, b"session 1"), (OTHER, b"session 2")]
