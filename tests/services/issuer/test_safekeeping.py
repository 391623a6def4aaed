"""A damaged store comes back by itself: a guest who was enrolled asks, and is let in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from blelockd.protocol.v2.down import Revoke
from blelockd.services.events import EventKind
from blelockd.services.guest.provisioning import Obstacle
from blelockd.services.issuer.audit import AuditKind
from blelockd.services.issuer.audit_check import Broken
from blelockd.services.liveness import PartState
from tests.adapters.store.forging import take_out
from tests.fakes.clock import settle
from tests.fakes.enrolled import ISK
from tests.fakes.office import Premises
from tests.fakes.paper_lock import PaperLock
from tests.services.issuer.deciding import refused


@pytest.fixture
async def premises(tmp_path: Path) -> AsyncIterator[Premises]:
    made = Premises(tmp_path / "state")
    yield made
    made.store.close()
    made.operator.close()


def damage(premises: Premises) -> None:
    """All of the file is noise, whatever was in it."""
    premises.operator.close()
    premises.store.close()
    path = premises.directory / "issuer.db"
    path.write_bytes(os.urandom(path.stat().st_size))
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)


async def lived_in(premises: Premises) -> PaperLock:
    """A guest has a session, and a copy is kept."""
    lock = premises.lock()
    premises.enrolled()
    async with premises.running(lock):
        await premises.ask()
        await premises.time.pass_(70)
    assert (premises.directory / "issuer.db.backup").exists()
    assert lock.sessions
    premises.store.close()
    return lock


async def comes_back(premises: Premises, lock: PaperLock) -> None:
    """The guest asks again and is let in; all that were live before are over."""
    lock.hello()
    await settle()
    assert not lock.sessions
    carried = await premises.ask()
    assert list(lock.sessions) == [carried.session.session_id]
    assert premises.audited(AuditKind.RESTORED) == 1
    assert premises.part.state is PartState.UP
    assert "damaged and restored" in premises.part.detail
    (told,) = premises.journal.of(EventKind.STORE_RESTORED)
    assert told.fields["copy"] == "issuer.db.backup"
    assert (premises.directory / str(told.fields["kept_as"])).exists()
    assert (told.fields["guests"], told.fields["locks"]) == (1, 1)


async def test_a_store_found_damaged_at_the_start_is_restored(premises: Premises) -> None:
    lock = await lived_in(premises)
    damage(premises)
    premises.open_office()
    async with premises.running():
        await premises.time.pass_(2)
        await comes_back(premises, lock)


async def test_a_store_that_is_damaged_while_the_issuer_runs_is_restored(
    premises: Premises,
) -> None:
    lock = await lived_in(premises)
    premises.open_office()
    async with premises.running(lock):
        damage(premises)
        await premises.time.pass_(2)
        await comes_back(premises, lock)


async def test_the_locks_are_told_to_forget_all_sessions(premises: Premises) -> None:
    lock = await lived_in(premises)
    premises.open_office()
    async with premises.running(lock):
        damage(premises)
        await premises.time.pass_(2)
        assert Revoke(None) in lock.heard(Revoke)
        assert not lock.sessions
        assert not premises.operator.sessions.pending()


async def test_a_session_that_is_asked_for_before_all_are_revoked_waits_and_lives(
    premises: Premises,
) -> None:
    lock = await lived_in(premises)
    damage(premises)
    premises.open_office()
    premises.broker.withholds = True
    async with premises.running(lock):
        await premises.time.pass_(2)
        assert await refused_in(premises, 2.5) is Obstacle.LOCK_OFFLINE
        asking = asyncio.ensure_future(premises.ask())
        await premises.time.pass_(0.2)
        assert not asking.done()
        premises.broker.withholds = False
        lock.hello()
        await premises.time.pass_(1)
        carried = await asking
        await premises.time.pass_(70)
        assert list(lock.sessions) == [carried.session.session_id]
        assert not premises.operator.sessions.pending()


async def refused_in(premises: Premises, seconds: float) -> Obstacle:
    """Why a guest got nothing, once so much time has passed."""
    asking = asyncio.ensure_future(refused(premises))
    await premises.time.pass_(seconds)
    return await asking


async def test_a_copy_follows_who_guests_are_at_once_and_the_rest_in_a_minute(
    premises: Premises,
) -> None:
    copy = premises.directory / "issuer.db.backup"
    lock, guest = premises.lock(), premises.enrolled()
    async with premises.running(lock):
        await premises.time.pass_(3)
        first = copy.stat().st_ino
        premises.operator.guests.suspend(guest.guest_id, premises.clock.now())
        await premises.time.pass_(3)
        second = copy.stat().st_ino
        premises.operator.guests.resume(guest.guest_id, premises.clock.now())
        await premises.time.pass_(3)
        third = copy.stat().st_ino
        await premises.ask()
        await premises.time.pass_(20)
        assert copy.stat().st_ino == third
        await premises.time.pass_(60)
        assert len({first, second, third, copy.stat().st_ino}) >= 3
        assert copy.stat().st_ino != third


async def test_a_changed_audit_is_told_and_not_copied(premises: Premises) -> None:
    premises.lock()
    async with premises.running():
        await premises.time.pass_(3)
        before = (premises.directory / "issuer.db.backup").read_bytes()
        sql = "UPDATE audit SET reason = 'x' WHERE event_id = 1"
        premises.operator._database.write(lambda connection: connection.execute(sql))
        premises.enrolled()
        await premises.time.pass_(5)
        told = premises.journal.of(EventKind.STORE_FAILED)[-1]
        assert "no copy of the store is kept" in told.message
        assert (premises.directory / "issuer.db.backup").read_bytes() == before


async def test_an_audit_that_is_not_signed_is_said_by_the_stores_part_and_guests_come_in(
    premises: Premises,
) -> None:
    lock = premises.lock()
    premises.enrolled()
    async with premises.running(lock):
        await premises.ask()
        premises.store.audit.sign(ISK, premises.clock.now())
        take_out(premises.store.path, 4)
        with pytest.raises(Broken):
            premises.store.audit.sign(ISK, premises.clock.now())
        await premises.time.pass_(1)
        assert premises.part.state is PartState.DOWN
        assert premises.part.detail.startswith("the audit is not signed: event ")
        assert "`blelock-issuer audit verify`" in premises.part.detail
        await premises.ask()
