"""What disks do to the issuer's store: named, no session without its record, and on by itself."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from blelockd.services.events import EventKind
from blelockd.services.guest.provisioning import ProvisioningFailed
from blelockd.services.issuer.audit import AuditKind
from blelockd.services.liveness import PartState
from tests.fakes.office import Premises


@pytest.fixture
async def premises(tmp_path: Path) -> AsyncIterator[Premises]:
    made = Premises(tmp_path / "state")
    yield made
    made.store.close()
    made.operator.close()


def state_of(premises: Premises) -> PartState:
    return premises.part.state


@contextmanager
def held(premises: Premises) -> Iterator[None]:
    """Somebody else writes, and does not end."""
    path = premises.directory / "issuer.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def read_only(premises: Premises) -> Iterator[None]:
    """The disk takes nothing more."""
    connect = sqlite3.connect

    def connected(*arguments: object, **options: object) -> sqlite3.Connection:
        connection = connect(*arguments, **options)  # type: ignore[call-overload]
        connection.execute("PRAGMA query_only = 1")
        return connection  # type: ignore[no-any-return]

    premises.store.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", connected)
        yield
        premises.store.close()


@pytest.mark.parametrize("fault", [held, read_only])
async def test_no_session_is_granted_that_is_not_kept_and_the_next_one_is(
    premises: Premises,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[Premises], AbstractContextManager[None]],
) -> None:
    monkeypatch.setattr("blelockd.adapters.store.database._LOCKED_SECONDS", 0.01)
    lock = premises.lock()
    premises.enrolled()
    async with premises.running(lock):
        premises.store.close()
        with fault(premises):
            with pytest.raises(ProvisioningFailed):
                await premises.ask()
            assert premises.journal.of(EventKind.STORE_FAILED)
        assert premises.audited(AuditKind.SESSION_GRANTED) == 0
        await premises.time.pass_(2)
        carried = await premises.ask()
        assert carried.session.lock_id == lock.keys.lock_id
        assert premises.audited(AuditKind.SESSION_GRANTED) == 1
        assert state_of(premises) == PartState.UP


async def test_a_revocation_outlives_a_store_that_takes_nothing(
    premises: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An issuer that has just started must write before it can number an envelope."""
    monkeypatch.setattr("blelockd.adapters.store.database._LOCKED_SECONDS", 0.01)
    lock, guest = premises.lock(), premises.enrolled()
    async with premises.running(lock):
        await premises.ask()
        premises.broker.withholds = True
        premises.operator.guests.suspend(guest.guest_id, premises.clock.now())
    premises.store.close()
    premises.open_office()
    premises.broker.withholds = False
    with ExitStack() as fault:
        fault.enter_context(held(premises))
        async with premises.running():
            await premises.time.pass_(3)
            assert premises.journal.of(EventKind.STORE_FAILED)
            assert lock.sessions
            fault.close()
            await premises.time.pass_(10)
            assert not lock.sessions
            assert premises.operator.sessions.pending() == []


async def test_a_damaged_store_is_named_and_left_until_a_backup_is_in_its_place(
    premises: Premises,
) -> None:
    lock = premises.lock()
    premises.enrolled()
    premises.operator.close()
    path = premises.directory / "issuer.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\x5a" * (len(whole) - 4096))
    async with premises.running(lock):
        assert state_of(premises) == PartState.DOWN
        assert "damaged" in premises.part.detail
        assert "blelock-issuer restore BACKUP" in premises.part.detail
        asking = asyncio.ensure_future(premises.ask())
        await premises.time.pass_(1)  # a denial leaves on a grid
        with pytest.raises(ProvisioningFailed):
            await asking
        premises.store.close()
        path.write_bytes(whole)
        for beside in ("-wal", "-shm"):
            path.with_name(path.name + beside).unlink(missing_ok=True)
        await premises.time.pass_(10)
        assert state_of(premises) == PartState.UP
        lock.hello()
        await premises.ask()
    shutil.rmtree(premises.directory)
