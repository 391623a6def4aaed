"""What was revoked, by whomever, is told to its locks until they acknowledge it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from blelockd.protocol.v2.down import Revoke, Sync
from blelockd.protocol.v2.reports import Result
from blelockd.services.events import EventKind
from blelockd.services.guest.provisioning import Obstacle
from tests.fakes.clock import settle
from tests.fakes.office import Premises
from tests.fakes.paper_lock import BACK
from tests.services.issuer.deciding import refused


@pytest.fixture
async def here(tmp_path: Path) -> Premises:
    return Premises(tmp_path / "store")


async def test_a_revocation_by_another_process_is_acknowledged_within_two_seconds(
    here: Premises,
) -> None:
    lock, guest = here.lock(), here.enrolled()
    async with here.running(lock):
        await here.ask()
        here.operator.guests.suspend(guest.guest_id, here.clock.now())
        assert here.operator.sessions.pending()
        await here.time.pass_(0.5)
        assert not lock.sessions
        assert here.operator.sessions.pending() == []
        states = [event.fields["state"] for event in here.journal.of(EventKind.REVOCATION)]
        assert states == ["sent", "acknowledged"]


async def test_a_revocation_is_tried_until_the_lock_acknowledges(here: Premises) -> None:
    lock, guest = here.lock(), here.enrolled()
    async with here.running(lock):
        await here.ask()
        here.broker.withholds = True
        here.operator.guests.suspend(guest.guest_id, here.clock.now())
        await here.time.pass_(20.0)
        tried = len(here.journal.of(EventKind.REVOCATION))
        assert 4 <= tried <= 7
        assert here.operator.sessions.pending()
        here.broker.withholds = False
        await here.time.pass_(35.0)
        assert not lock.sessions
        assert here.operator.sessions.pending() == []


async def test_a_revocation_that_was_not_applied_is_owed_still(here: Premises) -> None:
    lock, guest = here.lock(), here.enrolled()
    async with here.running(lock):
        await here.ask()
        lock.results[Revoke] = Result.TOO_LATE
        here.operator.guests.suspend(guest.guest_id, here.clock.now())
        await here.time.pass_(0.4)
        assert lock.sessions
        assert here.operator.sessions.pending()
        await here.time.pass_(3.0)
        assert not lock.sessions
        assert here.operator.sessions.pending() == []


async def test_a_lock_that_comes_back_is_told_by_its_sync(here: Premises) -> None:
    lock, guest = here.lock(), here.enrolled()
    async with here.running(lock):
        await here.ask()
        here.broker.withholds = True
        here.operator.guests.suspend(guest.guest_id, here.clock.now())
        await here.time.pass_(2.0)
        here.broker.withholds = False
        lock.hello()
        await settle()
        assert not lock.sessions
        assert here.operator.sessions.pending() == []


async def test_a_sync_settles_only_when_all_of_it_was_applied(here: Premises) -> None:
    lock, guest = here.lock(), here.enrolled()
    async with here.running(lock):
        await here.ask()
        here.broker.withholds = True
        here.operator.guests.suspend(guest.guest_id, here.clock.now())
        await here.time.pass_(2.0)
        here.broker.withholds = False
        lock.results[Sync] = Result.STALE
        lock.results[Revoke] = Result.TOO_LATE
        lock.hello()
        await settle()
        assert here.operator.sessions.pending()
        await here.time.pass_(10.0)
        assert here.operator.sessions.pending() == []


async def test_when_the_broker_is_back_what_is_owed_is_due_at_once(here: Premises) -> None:
    lock, guest = here.lock(), here.enrolled()
    async with here.running(lock):
        await here.ask()
        here.broker.down = True
        here.operator.guests.suspend(guest.guest_id, here.clock.now())
        await here.time.pass_(300.0 - 10)
        here.broker.down = False
        here.office.revoking.hurry()
        await settle()
        assert not lock.sessions


async def test_a_removed_lock_is_told_and_then_not_heard_any_more(here: Premises) -> None:
    lock, _ = here.lock(), here.enrolled()
    async with here.running(lock):
        await here.ask()
        here.operator.locks.remove(lock.keys.lock_id, here.clock.now())
        await here.time.pass_(0.5)
        assert not lock.sessions
        assert here.operator.sessions.pending() == []


async def test_the_revocations_of_one_lock_do_not_wait_for_another(here: Premises) -> None:
    lock, _ = here.lock(), here.lock(BACK)
    guest = here.enrolled()
    async with here.running(lock):
        await here.ask()
        here.operator.guests.suspend(guest.guest_id, here.clock.now())
        await here.time.pass_(0.5)
        assert not lock.sessions


async def test_a_session_that_its_revocation_has_overtaken_is_not_sent_again(
    here: Premises,
) -> None:
    """The broker holds back SESSION until REVOKE has gone by: the lock asks for it anew."""
    lock, guest = here.lock(), here.enrolled()
    async with here.running(lock):
        here.broker.withholds = True
        asking = asyncio.ensure_future(refused(here))
        await settle()
        _, held_back = here.broker.log[-1]
        here.broker.withholds = False
        here.operator.guests.suspend(guest.guest_id, here.clock.now())
        await here.time.pass_(0.5)
        assert here.operator.sessions.pending() == []
        lock.take(held_back)
        await here.time.pass_(3.0)
        assert lock.dropped == ["seen"]
        assert not lock.sessions
        assert await asking is Obstacle.BUSY
        assert await refused(here) is Obstacle.REVOKED
