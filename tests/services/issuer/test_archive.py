"""The audit is signed as it grows, told to the journal now and then, and pruned once a day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blelockd.adapters.store import Store
from blelockd.services.events import EventKind, Severity
from blelockd.services.issuer.archive import Archive
from blelockd.services.issuer.audit import AuditEntry, AuditFilter, AuditKind, Head
from blelockd.services.issuer.safekeeping import Safekeeping
from tests.adapters.store.forging import take_out
from tests.fakes.clock import FakeClock, FakeTime
from tests.fakes.enrolled import ISK, ISK_PUBLIC
from tests.fakes.journal import RememberingJournal
from tests.fakes.waiting import running, until

DAY = 86_400
HOUR = 3600


class Room:
    """An archive with a real store, and time that a test moves."""

    def __init__(self, directory: Path, keep_days: int | None = None) -> None:
        self.store = Store(directory)
        self.time = FakeTime()
        self.clock = FakeClock(self.time)
        self.journal = RememberingJournal()
        self.archive = Archive(self.store.audit, ISK, self.journal, self.clock, keep_days)

    def happens(self) -> Head:
        self.store.audit.record(AuditEntry(time=self.clock.now(), kind=AuditKind.REQUEST_DENIED))
        return self.store.audit.head()

    async def step(self, seconds: float) -> None:
        """One step of the archive, after so long."""
        self.time.jump(seconds)
        async with running(self.archive.run()):
            await until(lambda: self.time.sleepers)

    def signed(self) -> Head | None:
        signed = self.store.audit.signed_head()
        return None if signed is None else signed.head


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path / "state")
    yield made
    made.store.close()


async def test_what_has_happened_is_signed_and_told(room: Room) -> None:
    head = room.happens()
    await room.step(0)
    assert room.signed() == head
    assert room.store.audit.verify(ISK_PUBLIC).notes == ()
    (told,) = room.journal.of(EventKind.AUDIT_SIGNED)
    assert told.fields["head"] == head
    await room.step(60)
    assert len(room.journal.of(EventKind.AUDIT_SIGNED)) == 1, "nothing has happened since"


async def test_a_busy_house_is_signed_each_minute_and_told_each_hour(room: Room) -> None:
    async with running(room.archive.run()):
        await until(lambda: room.time.sleepers)
        for _ in range(61):
            head = room.happens()
            await room.time.pass_(60)
            await until(lambda: room.time.sleepers)
            assert room.signed() == head
        told = room.journal.of(EventKind.AUDIT_SIGNED)
        assert [str(event.fields["head"]).split(":")[0] for event in told] == ["1", "61"]
    assert room.journal.of(EventKind.AUDIT_SIGNED)[-1].fields["head"] == head


async def test_what_is_old_enough_goes(room: Room) -> None:
    room.archive.keep_days = 10
    room.happens()
    await room.step(0)
    for _ in range(11):
        await room.step(DAY)
    kinds = [event.kind for event in room.store.audit.find(AuditFilter())]
    assert kinds == [AuditKind.RETENTION]
    room.store.audit.verify(ISK_PUBLIC)


async def test_all_is_kept_where_that_is_asked_for(room: Room) -> None:
    room.happens()
    for _ in range(11):
        await room.step(DAY)
    assert room.store.audit.find(AuditFilter())[0].kind is AuditKind.BEGUN


async def test_a_store_that_fails_is_told_and_signed_when_it_works_again(tmp_path: Path) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("a file where the directory should be")
    room = Room(blocked)
    await room.step(0)
    (told,) = room.journal.of(EventKind.STORE_FAILED)
    assert "file exists" in told.message
    assert room.journal.of(EventKind.AUDIT_SIGNED) == []
    blocked.unlink()
    await room.step(60)
    assert room.signed() == room.store.audit.head()
    room.store.close()


async def test_a_record_that_was_written_anew_is_neither_signed_nor_copied_by_the_running_daemon(
    room: Room,
) -> None:
    copy = room.store.path.with_name("issuer.db.backup")
    safekeeping = Safekeeping(room.store, ISK_PUBLIC, room.journal, room.clock)
    async with running(room.archive.run()), running(safekeeping.run()):
        await safekeeping.make_whole()
        for _ in range(5):
            head = room.happens()
        await room.time.pass_(70)
        assert room.signed() == head
        before = copy.read_bytes()
        take_out(room.store.path, 4)
        room.happens()
        for _ in range(3):
            await room.time.pass_(70)
        assert room.signed() is None
        assert copy.read_bytes() == before
        (told,) = room.journal.of(EventKind.AUDIT_NOT_SIGNED)
        assert told.severity is Severity.ERROR
        assert "is not what this daemon has seen" in told.message
        assert "`blelock-issuer audit verify`" in told.message
        assert told.fields["head"] == head, "what to verify with"
        await room.time.pass_(HOUR)
        assert len(room.journal.of(EventKind.AUDIT_NOT_SIGNED)) == 2
    assert room.signed() is None, "nor at the end"
    assert copy.read_bytes() == before


async def test_nothing_is_pruned_of_a_record_that_was_written_anew(room: Room) -> None:
    for _ in range(5):
        room.happens()
    await room.step(0)
    take_out(room.store.path, 4)
    room.archive.keep_days = 10
    await room.step(20 * DAY)
    assert len(room.store.audit.find(AuditFilter())) == 5
