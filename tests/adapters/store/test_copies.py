"""Backup and restore: checked before it counts, no secret in it, and nothing lives again by it."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from blelockd.adapters.store import NoBackup, Store
from blelockd.adapters.store.database import connect
from blelockd.protocol.ids import SessionId
from blelockd.protocol.v2.down import Revoke
from blelockd.services.issuer.audit import AuditFilter, AuditKind
from blelockd.services.issuer.audit_check import Broken
from blelockd.services.issuer.records import GuestState, StoreFailed
from tests.adapters.store.household import ADA, Household, a_session, another, later, said
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR, ISK, ISK_PUBLIC, OTHER_ISK, SECRET


@pytest.fixture
def backup(house: Household, tmp_path: Path) -> Path:
    """A backup of a house where Ada has a session, and somebody is expected."""
    store = house.store
    house.opened(a_session(house.guest()))
    house.tell(DOOR, said(1), NOON)
    store.guests.invite(
        "Grace", [SECRET.key()], house.store.guests.all()[0].grant, later(600), NOON
    )
    store.locks.greet(DOOR, b"e" * 16, 0, NOON)
    store.locks.reserve(DOOR, 10)
    store.audit.sign(ISK, NOON)
    kept = tmp_path / "backup.db"
    with store.back_up() as (path, verified):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert verified.head == store.audit.head()
        shutil.copyfile(path, kept)
    return kept


def restored(store: Store, backup: Path) -> None:
    with backup.open("rb") as file:
        store.restore(file, ISK_PUBLIC, later(100))


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_backup_is_one_file_without_a_secret_and_leaves_nothing_behind(
    house: Household, backup: Path
) -> None:
    raw = backup.read_bytes()
    assert a_session(house.store.guests.all()[0]).session_key.reveal() not in raw
    assert SECRET.key().reveal() not in raw
    assert ADA.encode() in raw
    assert names(house.directory) == {"issuer.db", "issuer.db-wal", "issuer.db-shm"}
    with closing(sqlite3.connect(f"file:{backup}?mode=ro&immutable=1", uri=True)) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_what_is_restored_is_what_was_backed_up_and_says_so(house: Household, backup: Path) -> None:
    head = house.store.audit.head()
    house.guest("Eve", "other")
    restored(house.store, backup)
    assert [guest.person for guest in house.store.guests.all()] == [ADA]
    verified = house.store.audit.verify(ISK_PUBLIC, [head])
    assert verified.head.event_id > head.event_id
    first = house.store.audit.get(head.event_id + 1)
    assert first is not None
    assert (first.kind, first.reason) == (AuditKind.RESTORED, f"the backup ends with {head}")
    aside = {"issuer.db", "issuer.db.before-restore"}
    assert aside <= names(house.directory) <= aside | {"issuer.db-wal", "issuer.db-shm"}
    assert stat.S_IMODE(house.store.path.stat().st_mode) == 0o600


def test_no_session_lives_again_and_every_lock_is_told(house: Household, backup: Path) -> None:
    (guest,) = house.store.guests.all()
    house.store.guests.suspend(guest.guest_id, later(1))
    restored(house.store, backup)
    assert house.store.sessions.live(DOOR, later(100)) == []
    pending = house.store.sessions.pending()
    assert [one.revoke for one in pending] == [Revoke(None)] * 2
    assert house.store.guests.invites(later(100)) == []
    (revoked,) = house.store.audit.find(AuditFilter(trace=(1).to_bytes(16, "big"), at_most=1))
    assert revoked.reason == "a backup was restored"
    session = house.store.sessions.get(SessionId((1).to_bytes(16, "big")))
    assert session is not None
    assert session.revoked == later(100)
    assert house.store.guests.all()[0].state is GuestState.ACTIVE, "the backup knows no better"


def test_uses_that_the_backup_has_not_heard_the_end_of_count_as_used(
    house: Household, tmp_path: Path
) -> None:
    """The lock may have told of them to the store that is replaced: it does not tell again."""
    house.opened(a_session(house.guest(), max_uses=3), "family")
    house.store.audit.sign(ISK, NOON)
    kept = tmp_path / "backup.db"
    with house.store.back_up() as (path, _):
        shutil.copyfile(path, kept)
    house.tell(DOOR, said(1), NOON)
    restored(house.store, kept)
    assert house.store.guests.openings(ADA) == {"family": 3}
    (event,) = house.told(AuditKind.RESTORED)
    assert event.reason.endswith("; limited uses of 1 sessions count as used")


def test_no_sequence_number_comes_again(house: Household, backup: Path) -> None:
    before = house.store.locks.reserve(DOOR, 1_000_000)
    assert before is not None
    restored(house.store, backup)
    after = house.store.locks.reserve(DOOR, 1)
    assert after is not None
    assert after.start > before.stop


def test_nothing_is_restored_while_anybody_uses_the_store(house: Household, backup: Path) -> None:
    head = house.store.audit.head()
    with another(house.store) as daemon:
        daemon.locks.all()
        with pytest.raises(StoreFailed, match="in use; `systemctl stop blelock-issuer`"):
            restored(house.store, backup)
    assert house.store.audit.head() == head
    restored(house.store, backup)


def test_nobody_uses_the_store_while_it_is_restored(house: Household, backup: Path) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            being_restored = pytest.raises(StoreFailed, match="is being restored; try again")
            with another(house.store) as daemon, being_restored:
                daemon.locks.all()
            return super().read(size)

    house.store.restore(Slow(backup.read_bytes()), ISK_PUBLIC, later(100))


def test_a_restore_where_there_is_nothing_yet(backup: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "new" / "state")
    restored(store, backup)
    assert [guest.person for guest in store.guests.all()] == [ADA]
    store.close()


def test_a_damaged_store_is_replaced_and_stays_beside(house: Household, backup: Path) -> None:
    house.store.close()
    damage = b"not a database any more" * 500
    house.store.path.write_bytes(damage)
    restored(house.store, backup)
    assert house.store.guests.all() != []
    assert (house.directory / "issuer.db.before-restore").read_bytes() == damage


def test_the_log_of_a_store_that_cannot_be_opened_does_not_meet_the_new_one(
    house: Household, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.store.close()
    house.store.path.with_name("issuer.db-wal").write_bytes(b"old words")

    def fails(path: Path) -> sqlite3.Connection:
        if path == house.store.path:
            raise sqlite3.OperationalError("disk I/O error")
        return connect(path)

    monkeypatch.setattr("blelockd.adapters.store.copies.connect", fails)
    restored(house.store, backup)
    assert (house.directory / "issuer.db.before-restore-wal").read_bytes() == b"old words"
    house.store.audit.verify(ISK_PUBLIC)


def with_statement(statement: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement)

    return spoil


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def one_byte(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"session-granted")] ^= 0x20
    path.write_bytes(bytes(raw))


SPOILT: dict[str, tuple[Callable[[Path], object], type[Exception], str]] = {
    "empty": (lambda path: path.write_bytes(b""), NoBackup, "has not made it"),
    "a text": (lambda path: path.write_text("hello " * 999), NoBackup, "damaged, or no backup"),
    "cut": (cut, NoBackup, "damaged"),
    "one byte": (one_byte, Broken, "no event looks like this"),
    "another's": (with_statement("PRAGMA application_id = 7"), NoBackup, "has not made it"),
    "newer": (with_statement("PRAGMA user_version = 9"), NoBackup, "upgrade this one"),
    "a trigger": (
        with_statement(
            "CREATE TRIGGER more AFTER INSERT ON guest BEGIN UPDATE guest SET state = 'active'; END"
        ),
        NoBackup,
        "does not make",
    ),
    "a view": (with_statement("CREATE VIEW more AS SELECT 1"), NoBackup, "does not make"),
    "no index": (with_statement("DROP INDEX audit_by_time"), NoBackup, "does not make"),
    "edited": (with_statement("UPDATE audit SET reason = 'x'"), Broken, "event 1 was changed"),
    "another name": (
        with_statement("UPDATE person SET name = 'Eve' WHERE name = 'Ada'"),
        Broken,
        "a name was",
    ),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_spoilt_backup_changes_nothing(house: Household, backup: Path, how: str) -> None:
    spoil, error, told = SPOILT[how]
    spoil(backup)
    house.guest("Eve", "other")
    head = house.store.audit.head()
    with pytest.raises(error, match=told):
        restored(house.store, backup)
    assert house.store.audit.head() == head
    assert names(house.directory) == {"issuer.db", "issuer.db-wal", "issuer.db-shm"}


def test_another_issuers_backup_is_refused(house: Household, backup: Path) -> None:
    with backup.open("rb") as file, pytest.raises(Broken, match="not signed by this issuer"):
        house.store.restore(file, OTHER_ISK.public_key, NOON)


def test_an_audit_that_was_changed_is_not_backed_up_unseen(house: Household) -> None:
    house.store.close()
    with_statement("UPDATE audit SET reason = 'x'")(house.store.path)
    with pytest.raises(Broken), house.store.back_up():
        pass


def test_what_a_crash_left_goes_with_the_next_copy(house: Household) -> None:
    left = house.directory / ".copy-0123456789abcdef"
    left.write_text("half a copy")
    with house.store.back_up() as (path, _):
        assert names(house.directory) & {left.name, path.name} == {path.name}
    assert not path.exists()
