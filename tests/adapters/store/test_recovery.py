"""A damaged store is whole again without anybody's help, and says what it has lost."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from blelockd.adapters.store import Store
from blelockd.services.issuer.records import StoreDamaged, StoreFailed
from tests.adapters.store.damaging import ISSUER, PAGE, lived_in, pages_of, recovered, spoil
from tests.adapters.store.household import ADA, Household, later, phone, said
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR, ISK_PUBLIC


def test_a_copy_holds_no_key_and_is_renewed_with_one_more_kept(house: Household) -> None:
    lived_in(house, 3)
    first = house.store.keep_copy(ISK_PUBLIC)
    assert house.store.news(first) == (False, False)
    house.store.guests.suspend(phone().public_key.guest_id, later(1))
    assert house.store.news(first) == (True, True)
    second = house.store.keep_copy(ISK_PUBLIC)
    assert second.event_id > first.event_id
    names = sorted(path.name for path in house.directory.iterdir())
    assert names[:3] == ["issuer.db", "issuer.db-shm", "issuer.db-wal"]
    assert names[3:] == ["issuer.db.backup", "issuer.db.backup-before"]
    for name in names[3:]:
        path = house.directory / name
        assert path.stat().st_mode & 0o777 == 0o600
        with closing(sqlite3.connect(path)) as copy:
            assert list(copy.execute("SELECT count(key), count(*) FROM session")) == [(0, 1)]


def test_no_copy_names_whom_the_operator_had_forgotten(house: Household) -> None:
    lived_in(house, 3)
    house.store.keep_copy(ISK_PUBLIC)
    house.store.keep_copy(ISK_PUBLIC)
    house.store.audit.forget(ADA, later(1))
    house.store.keep_copy(ISK_PUBLIC)
    assert [p.name for p in house.directory.glob("*.backup*")] == ["issuer.db.backup"]
    for path in house.directory.iterdir():
        assert ADA.encode() not in path.read_bytes(), path
    house.store.keep_copy(ISK_PUBLIC)
    assert len(list(house.directory.glob("*.backup*"))) == 2


def test_where_there_is_little_room_no_copy_is_begun(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Little:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Little())
    with pytest.raises(StoreFailed, match="no room to keep a copy beside it; make room there"):
        house.store.keep_copy(ISK_PUBLIC)


def test_an_audit_that_was_changed_is_not_copied_over_one_that_was_not(house: Household) -> None:
    lived_in(house, 3)
    house.store.keep_copy(ISK_PUBLIC)
    before = (house.directory / "issuer.db.backup").read_bytes()
    house.store.close()
    with closing(sqlite3.connect(house.store.path)) as connection, connection:
        connection.execute("UPDATE audit SET reason = 'nothing' WHERE event_id = 2")
    with pytest.raises(Exception, match="event 2 was changed"):
        house.store.keep_copy(ISK_PUBLIC)
    assert (house.directory / "issuer.db.backup").read_bytes() == before


def test_damage_to_an_index_loses_nothing_and_needs_no_copy(house: Household) -> None:
    lived_in(house)
    kept = len(house.told())
    house.store.close()
    spoil(house.store.path, min(pages_of(house.store.path, "audit_by_time")))
    came = recovered(house)
    assert (came.copy, came.event_id, came.guests, came.locks) == (None, kept, 1, 2)
    assert "all of the audit is saved" in came.reason


def test_what_the_copy_does_not_have_yet_is_taken_from_the_wreck(house: Household) -> None:
    lived_in(house)
    house.store.keep_copy(ISK_PUBLIC)
    for number in range(201, 221):
        house.tell(DOOR, said(number, session=1), NOON)
    house.guest(key="other phone")
    kept = len(house.told())
    house.store.close()
    spoil(house.store.path, *pages_of(house.store.path, "lock", "sqlite_autoindex_lock_1"))
    came = recovered(house)
    assert (came.copy, came.event_id, came.guests, came.locks) == ("issuer.db.backup", kept, 2, 2)
    taken = house.tell(DOOR, said(221, session=1), NOON)
    assert not taken.missing


def test_what_is_lost_of_a_locks_events_shows_as_missing(house: Household) -> None:
    lived_in(house, 20)
    house.store.keep_copy(ISK_PUBLIC)
    for number in range(21, 400):
        house.tell(DOOR, said(number, session=1), NOON)
    house.store.close()
    last = max(pages_of(house.store.path, "audit"))
    spoil(house.store.path, last, *sorted(pages_of(house.store.path, "audit"))[1:3])
    came = recovered(house)
    for _ in range(3):
        taken = house.tell(DOOR, said(400, session=1), NOON)
    kept = {event.door.counter for event in house.told() if event.door is not None}
    assert came.copy == "issuer.db.backup"
    assert taken.missing
    assert set(range(1, 401)) - kept == set(taken.missing)
    house.store.audit.verify(ISSUER)


def test_no_session_lives_again_and_every_lock_is_told(house: Household) -> None:
    lived_in(house, 3)
    house.store.keep_copy(ISK_PUBLIC)
    numbers = house.store.locks.reserve(DOOR, 5)
    house.store.close()
    spoil(house.store.path, 1)
    recovered(house)
    assert house.store.sessions.live(DOOR, later(20)) == []
    pending = {one.lock_id for one in house.store.sessions.pending() if one.revoke.whom is None}
    assert pending == {lock.lock_id for lock in house.store.locks.all()}
    anew = house.store.locks.reserve(DOOR, 1)
    assert (anew is None) == (numbers is None)
    if numbers is not None and anew is not None:
        assert anew[0] > numbers[-1]


@pytest.mark.parametrize("what", ["gone", "empty"])
def test_a_store_that_is_gone_is_not_begun_anew_where_a_copy_is(
    house: Household, what: str
) -> None:
    lived_in(house, 3)
    house.store.keep_copy(ISK_PUBLIC)
    house.store.close()
    if what == "gone":
        house.store.path.unlink()
    else:
        house.store.path.write_bytes(b"")
    with pytest.raises(StoreDamaged, match="a copy is beside it"):
        house.store.guests.all()
    if what == "gone":
        came = house.store.recover(ISSUER, later(10))
        assert (came.guests, came.copy) == (1, "issuer.db.backup")
    else:
        assert recovered(house).guests == 1


def test_a_copy_that_is_damaged_or_changed_gives_way_to_the_one_before(house: Household) -> None:
    lived_in(house, 3)
    house.store.keep_copy(ISK_PUBLIC)
    house.store.guests.suspend(phone().public_key.guest_id, later(1))
    house.store.keep_copy(ISK_PUBLIC)
    house.store.close()
    spoil(house.directory / "issuer.db.backup", 0)
    house.store.path.write_bytes(os.urandom(50_000))
    came = recovered(house)
    assert came.copy == "issuer.db.backup-before"


def test_where_nothing_can_be_had_nothing_is_changed_and_it_says_so(house: Household) -> None:
    lived_in(house, 3)
    house.store.close()
    house.store.path.write_bytes(os.urandom(50_000))
    before = {path.name: path.read_bytes() for path in house.directory.iterdir()}
    with pytest.raises(StoreDamaged, match=r"no copy; .*blelock-issuer restore BACKUP"):
        house.store.recover(ISSUER, later(10))
    assert {path.name: path.read_bytes() for path in house.directory.iterdir()} == before


def test_each_damaged_file_is_kept(house: Household) -> None:
    lived_in(house, 3)
    house.store.keep_copy(ISK_PUBLIC)
    kept = {}
    for _ in range(3):
        house.store.close()
        damage = spoil(house.store.path, 0, 1, 2)
        kept[recovered(house).kept_as] = damage
    assert len(kept) == 3
    for name, damage in kept.items():
        assert (house.directory / name).read_bytes() == damage


def test_nobody_restores_what_somebody_uses(house: Household) -> None:
    lived_in(house, 3)
    other = Store(house.directory)
    other.guests.all()
    with pytest.raises(StoreFailed, match="it is in use"):
        house.store.recover(ISSUER, later(10))
    other.close()


DAMAGES: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "noise in a page": lambda chance, raw: _put(
        raw, chance.randrange(len(raw) // PAGE) * PAGE, chance.randbytes(PAGE)
    ),
    "noise in some bytes": lambda chance, raw: _put(
        raw, chance.randrange(len(raw)), chance.randbytes(64)
    ),
    "zeros in a page": lambda chance, raw: _put(
        raw, chance.randrange(len(raw) // PAGE) * PAGE, bytes(PAGE)
    ),
    "cut off": lambda chance, raw: raw[: chance.randrange(len(raw))],
    "two pages exchanged": lambda chance, raw: _exchanged(chance, raw),
}


def _put(raw: bytes, at: int, what: bytes) -> bytes:
    return raw[:at] + what[: len(raw) - at] + raw[at + len(what) :]


def _exchanged(chance: random.Random, raw: bytes) -> bytes:
    one, other = (chance.randrange(len(raw) // PAGE) * PAGE for _ in range(2))
    page, else_ = raw[one : one + PAGE], raw[other : other + PAGE]
    return _put(_put(raw, one, else_), other, page)


@pytest.mark.parametrize("how", DAMAGES)
def test_however_it_is_damaged_guests_are_there_and_the_audit_verifies(
    house: Household, how: str
) -> None:
    chance = random.Random(how)
    lived_in(house)
    house.store.keep_copy(ISK_PUBLIC)
    for number in range(201, 240):
        house.tell(DOOR, said(number, session=1), NOON)
    house.store.close()
    whole = house.store.path.read_bytes()
    suspended = 0
    for _ in range(6):
        for path in house.directory.glob("issuer.db*"):
            if ".backup" not in path.name:
                path.unlink()
        house.store.path.touch(0o600)
        house.store.path.write_bytes(DAMAGES[how](chance, whole))
        store = Store(house.directory)
        try:
            store.check()
        except StoreDamaged:
            suspended += 1
            store.recover(ISSUER, later(10))
            store.check()
            store.audit.verify(ISSUER)
        assert [guest.person for guest in store.guests.all()] == [ADA]
        assert len(store.locks.all()) == 2
        store.close()
    assert suspended > 1 or how == "noise in some bytes"
