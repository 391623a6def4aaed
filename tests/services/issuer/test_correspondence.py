"""Issuer and locks: the time and what lives, who is believed, and what is acknowledged."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from blelockd.protocol.ids import LockId, SessionId
from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.v2 import up
from blelockd.protocol.v2.down import SessionForLock, Sync, Time
from blelockd.protocol.v2.ec_keys import GuestSigningKey
from blelockd.protocol.v2.reports import Ack, Event, EventType, Hello, LockStatus, Result
from blelockd.protocol.v2.terms import Terms
from blelockd.protocol.v2.trusted_time import ClockState
from blelockd.services.events import EventKind
from blelockd.services.issuer.access import Grant
from blelockd.services.issuer.audit import AuditKind
from blelockd.services.issuer.correspondence import MOST_WAITING_PER_LOCK
from blelockd.services.tally import Counted
from tests.fakes import enrolled as party
from tests.fakes.clock import NOON, settle
from tests.fakes.office import Premises
from tests.fakes.paper_lock import BACK, FRONT, LockKeys, PaperLock


@pytest.fixture
async def here(tmp_path: Path) -> Premises:
    return Premises(tmp_path / "store")


# --- HELLO ---------------------------------------------------------------------------------------


async def test_a_hello_is_answered_with_the_time_and_all_that_lives(here: Premises) -> None:
    lock, other = here.lock(), here.lock(BACK)
    here.enrolled()
    async with here.running(lock, other):
        (time,) = lock.heard(Time)
        assert isinstance(time, Time)
        assert (time.now, time.hello_nonce, time.lease_seconds) == (
            here.clock.now(),
            lock.nonce,
            900,
        )
        session = (await here.ask()).session
        await here.ask(party.OTHER_DOOR)
        lock.boot()
        lock.hello()
        await settle()
        assert list(lock.sessions) == [session.session_id]
        assert here.journal.of(EventKind.LOCK_GREETED)[-1].fields["sessions"] == 1


async def test_a_sync_names_what_is_left_of_the_uses(here: Premises) -> None:
    lock, _ = here.lock(), here.enrolled(grant=Grant(None, uses=3))
    async with here.running(lock):
        session = (await here.ask()).session
        lock.event(EventType.OPENED, session.session_id)
        await settle()
        lock.boot()
        lock.hello()
        await settle()
        assert lock.sessions[session.session_id].terms.max_uses == 2


async def test_many_sessions_come_in_parts(here: Premises) -> None:
    lock = here.lock()
    for number in range(60):
        key = GuestSigningKey.derive(party.seed(f"guest {number}"))
        guest = here.enrolled(f"person {number}", key=key)
        session = SessionForLock(
            SessionId(number.to_bytes(16, "big")),
            SessionKey(party.fresh()),
            guest.guest_id,
            here.clock.now(),
            Terms(party.DOOR, Instant(here.clock.now() + 60_000)),
        )
        here.operator.sessions.open(session, "", here.clock.now())
    async with here.running(lock):
        assert [part.part for part in lock.heard(Sync) if isinstance(part, Sync)] == [0, 1, 2]
        assert len(lock.sessions) == 60
        assert here.audited(AuditKind.SESSION_DELIVERED) == 60


async def test_no_session_is_lost_between_a_sync_and_what_is_sent_meanwhile(
    here: Premises,
) -> None:
    """A SYNC revokes what it does not name: it must not be older than what came before it."""
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        for _ in range(20):
            lock.hello()
            asking = [asyncio.ensure_future(here.ask(device=f"d{n}")) for n in range(2)]
            await settle()
            got = [(await each).session.session_id for each in asking]
            assert set(got) <= set(lock.sessions)
            await here.time.pass_(2.5)


async def test_a_hello_that_is_played_again_costs_nothing(here: Premises) -> None:
    lock = here.lock()
    async with here.running():
        old = lock.hello()
        await settle()
        lock.boot()
        lock.hello()
        await settle()
        sent = len(here.broker.log)
        for _ in range(100):
            here.office.correspondence.on_report(lock.keys.lock_id, old)
        await settle()
        assert len(here.broker.log) == sent
        assert here.counted(Counted.REPEATED_REPORT) == 100


async def test_an_earlier_boot_never_counts_again_not_even_after_a_restart(here: Premises) -> None:
    lock = here.lock()
    async with here.running():
        old = lock.hello()
        await settle()
        lock.boot()
        lock.hello()
        await settle()
    here.open_office()
    async with here.running():
        sent = len(here.broker.log)
        here.office.correspondence.on_report(lock.keys.lock_id, old)
        await settle()
        assert len(here.broker.log) == sent
        here.enrolled()
        await here.ask()
        assert len(lock.sessions) == 1


async def test_a_lock_that_greets_without_end_is_answered_now_and_then(here: Premises) -> None:
    lock = here.lock()
    async with here.running():
        for _ in range(50):
            lock.hello()
            await settle()
        assert len(lock.heard(Time)) == 5
        await here.time.pass_(10)
        lock.hello()
        await settle()
        assert len(lock.heard(Time)) == 6


# --- who is believed -----------------------------------------------------------------------------


async def test_what_no_lock_has_signed_changes_nothing(here: Premises) -> None:
    lock, other = here.lock(), here.lock(BACK)
    async with here.running(lock, other):
        sent = len(here.broker.log)
        hello = Hello(party.fresh(16), party.fresh(16), 0, ClockState.NONE)
        impostor = PaperLock(
            here.clock,
            lambda *_: None,
            LockKeys(FRONT.lock_id, FRONT.seal_key, BACK.signing_key),
        )
        good, keys = lock.report(hello), (party.LSK, party.IEK_PUBLIC)
        senders = (
            replace(party.SENDER, issuer_id=bytes(8)),
            replace(party.SENDER, lock_key_id=bytes(8)),
            replace(party.SENDER, iek_id=bytes(4)),
        )
        for raw in (
            b"",
            b"junk",
            bytes(512),
            good[:-1],
            good[:-1] + bytes([good[-1] ^ 1]),
            impostor.report(hello),
            other.report(hello),
            *(up.write(sender, hello, FRONT.lock_id, keys, party.fresh()) for sender in senders),
        ):
            here.office.correspondence.on_report(FRONT.lock_id, raw)
        await settle()
        assert len(here.broker.log) == sent
        assert here.counted(Counted.HOSTILE_REPORT) == 10


async def test_what_one_door_says_is_not_taken_for_another_with_the_same_keys(
    here: Premises,
) -> None:
    """Two doors of one machine share their keys; whoever runs the broker may move a message."""
    front = here.lock()
    back = here.lock(replace(FRONT, lock_id=BACK.lock_id))
    async with here.running(front, back):
        session_id = SessionId(bytes(16))
        event = Event(front.gate.epoch, 1, EventType.OPENED, session_id, Slot(1), -50, NOON)
        hello = front.report(Hello(party.fresh(16), party.fresh(16), 0, ClockState.NONE))
        ack = front.report(Ack(front.gate.epoch, 1, Result.APPLIED, bytes(16)))
        state = LockStatus(front.gate.epoch, 1, ClockState.CONFIRMED, 1, 0, 9)
        moved = (hello, ack, front.report(event), front.report(state))
        kinds, sent = here.journal.kinds(), len(here.broker.log)
        for raw in moved:
            here.office.correspondence.on_report(back.keys.lock_id, raw)
        await settle()
        assert (here.journal.kinds(), len(here.broker.log)) == (kinds, sent)
        assert here.counted(Counted.HOSTILE_REPORT) == len(moved)
        assert here.audited(AuditKind.DOOR) == 0
        here.office.correspondence.on_report(front.keys.lock_id, hello)
        await settle()
        assert len(here.broker.log) > sent


async def test_who_is_no_lock_of_ours_is_not_heard(here: Premises) -> None:
    async with here.running():
        here.office.correspondence.on_report(LockId("stranger"), b"junk")
        await settle()
        assert here.counted(Counted.DROPPED_REPORT) == 1
        assert not here.office.correspondence._waiting


async def test_a_flood_on_one_locks_topic_costs_that_lock_its_turn_and_no_other(
    here: Premises,
) -> None:
    lock, other = here.lock(), here.lock(BACK)
    async with here.running():
        for number in range(2 * MOST_WAITING_PER_LOCK):
            here.office.correspondence.on_report(FRONT.lock_id, b"junk %d" % number)
        other.hello()
        await settle()
        assert other.heard(Time)
        for _ in range(20):
            await settle()
        assert here.counted(Counted.DROPPED_REPORT) == MOST_WAITING_PER_LOCK
        lock.hello()
        await settle()
        assert lock.heard(Time)


async def test_a_lock_that_is_added_while_the_daemon_runs_is_heard_at_once(here: Premises) -> None:
    async with here.running():
        lock = here.lock()
        await here.time.pass_(0.3)
        lock.hello()
        await settle()
        assert lock.heard(Sync)


# --- ACK -----------------------------------------------------------------------------------------


async def test_an_ack_of_something_else_acknowledges_nothing(here: Premises) -> None:
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        lock.is_silent = True
        asking = asyncio.ensure_future(here.ask())
        await settle()
        epoch, seq = lock.gate.epoch, lock.gate.last_seq
        for ack in (
            Ack(epoch, seq, Result.APPLIED, bytes(16)),
            Ack(bytes(16), seq, Result.APPLIED, bytes(16)),
            Ack(epoch, seq + 1, Result.APPLIED, bytes(16)),
        ):
            lock.say(ack)
        await settle()
        assert not asking.done()
        await here.time.pass_(2.1)
        await asking
        assert here.audited(AuditKind.SESSION_DELIVERED) == 0


async def test_an_ack_that_comes_late_is_kept_all_the_same(here: Premises) -> None:
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        here.broker.withholds = True
        asking = asyncio.ensure_future(here.ask())
        await here.time.pass_(2.1)
        await asking
        lock.take(here.broker.log[-1][1])
        await settle()
        assert here.audited(AuditKind.SESSION_DELIVERED) == 1
        assert len(here.journal.of(EventKind.SESSION_DELIVERED)) == 1
