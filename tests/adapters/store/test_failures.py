"""What disks and people do to the file: named with the remedy, and nothing is made anew."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from blelockd.adapters.store import Store
from blelockd.services.issuer.audit import AuditEntry, AuditEvent, AuditFilter, AuditKind
from blelockd.services.issuer.records import StoreDamaged, StoreFailed
from tests.adapters.store.household import Household, later
from tests.fakes.clock import NOON

_RUNS_AS_ROOT = os.geteuid() == 0


def note(store: Store, reason: str = "") -> AuditEvent:
    return store.audit.record(AuditEntry(time=NOON, kind=AuditKind.REQUEST_DENIED, reason=reason))


def fill(store: Store) -> None:
    for _ in range(300):
        note(store, "x" * 150)


def test_nobody_else_may_read_it(house: Household) -> None:
    assert stat.S_IMODE(house.directory.stat().st_mode) == 0o700
    for path in house.directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_every_commit_is_on_the_disk_before_it_returns(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def kept(*arguments: object, **options: object) -> sqlite3.Connection:
        made.append(connect(*arguments, **options))  # type: ignore[call-overload]
        return made[-1]

    monkeypatch.setattr(sqlite3, "connect", kept)
    note(store)
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "trusted_schema")
    values = [made[0].execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in pragmas]
    assert values == ["wal", 2, 1, 1, 0]


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """What a full disk is to SQLite (EFBIG is told as SQLITE_FULL or SQLITE_IOERR)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_disk_without_room_is_named_and_what_was_acknowledged_stays(house: Household) -> None:
    kept = len(house.told())
    acknowledged: list[AuditEvent] = []
    with no_file_larger_than(1_000_000), pytest.raises(StoreFailed, match=r"issuer\.db: .*disk"):
        acknowledged.extend(note(house.store, "x" * 150) for _ in range(10_000))
    assert len(house.told()) == kept + len(acknowledged) > 10
    note(house.store)
    assert house.store.audit.verify().head.event_id == len(house.told())


@pytest.mark.parametrize(
    ("pragma", "told"),
    [("max_page_count = 8", "the disk is full; make room"), ("query_only = 1", "is read-only")],
)
def test_a_full_and_a_read_only_disk_are_told_apart(
    house: Household, monkeypatch: pytest.MonkeyPatch, pragma: str, told: str
) -> None:
    house.store.close()
    connect = sqlite3.connect

    def connected(*arguments: object, **options: object) -> sqlite3.Connection:
        connection = connect(*arguments, **options)  # type: ignore[call-overload]
        connection.execute(f"PRAGMA {pragma}")
        return connection  # type: ignore[no-any-return]

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", connected)
        with pytest.raises(StoreFailed, match=told):
            fill(house.store)
    note(house.store)


@pytest.mark.skipif(_RUNS_AS_ROOT, reason="root may write anywhere")
def test_a_directory_that_is_not_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o500)
    with pytest.raises(StoreFailed, match="this user may not use it; run this as root"):
        note(Store(tmp_path / "state"))


def test_what_is_no_plain_file_of_ours_alone_is_refused(house: Household, tmp_path: Path) -> None:
    house.store.close()
    path = house.store.path
    path.chmod(0o640)
    with pytest.raises(StoreFailed, match="others can read or change it; chmod 600"):
        note(house.store)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreFailed, match="not a regular file"):
        note(house.store)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(not _RUNS_AS_ROOT, reason="only root gives files away")
def test_a_file_of_another_user_is_refused(house: Household) -> None:
    house.store.close()
    os.chown(house.store.path, 12345, 12345)
    with pytest.raises(StoreFailed, match="it belongs to user 12345"):
        note(house.store)


def test_a_file_that_somebody_holds_is_named(
    house: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blelockd.adapters.store.database._LOCKED_SECONDS", 0.05)
    house.store.close()
    with closing(sqlite3.connect(house.store.path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFailed, match="another process holds it"):
            note(house.store)
    note(house.store)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "not a database": lambda whole: b"not a database at all, and long enough to be asked" * 100,
    "half of it": lambda whole: whole[: len(whole) // 2],
    "a page of noise": lambda whole: whole[:4096] + os.urandom(len(whole) - 4096),
    "a page of another kind": lambda whole: whole[: 2 * 4096] + b"\xff" + whole[2 * 4096 + 1 :],
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_is_named_and_left_as_it_is(house: Household, how: str) -> None:
    for number in range(200):
        note(house.store, f"{number} {'x' * 150}")
    house.store.close()
    damage = DAMAGES[how](house.store.path.read_bytes())
    house.store.path.write_bytes(damage)
    with pytest.raises(StoreDamaged, match=r"issuer\.db: damaged: .*blelock-issuer restore"):
        house.store.check()
    house.store.close()
    assert house.store.path.read_bytes() == damage


def test_what_blelock_has_not_written_is_damage(house: Household) -> None:
    house.guest()
    house.store.close()
    with closing(sqlite3.connect(house.store.path)) as connection, connection:
        connection.execute("UPDATE guest SET key = x'04'")
    with pytest.raises(StoreDamaged, match="restore"):
        house.store.guests.all()


def test_the_file_of_a_newer_release_is_left_alone(house: Household) -> None:
    house.store.close()
    with closing(sqlite3.connect(house.store.path)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreFailed, match="a newer blelock-issuer made it; upgrade this one"):
        note(house.store)


def test_a_store_that_failed_is_used_again_when_the_cause_is_gone(tmp_path: Path) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("a file where the directory should be")
    store = Store(blocked)
    with pytest.raises(StoreFailed, match="file exists; see to the disk"):
        store.check()
    blocked.unlink()
    store.check()
    assert len(store.audit.find(AuditFilter(before=later(10**9)))) == 1
    store.close()
