"""The lock's events on disk: kept for good, in order, and every failure of the disk is named."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from blelockd.adapters.spool import FILE, SqliteSpool
from blelockd.protocol.ids import SessionId
from blelockd.protocol.instants import Slot
from blelockd.protocol.v2.reports import Event, EventType
from blelockd.services.ports import EventSpool, SpoolDamaged, SpoolFailed
from tests.checkout import ROOT
from tests.fakes.clock import NOON

EPOCH, EARLIER = bytes(range(16)), bytes(16)
SESSION, OTHER = SessionId(bytes(16)), SessionId(bytes(15) + b"\x01")


def an_event(counter: int, kind: EventType = EventType.OPENED, epoch: bytes = EPOCH) -> Event:
    return Event(epoch, counter, kind, SESSION, Slot(566_666_667), -58, NOON)


def some(*counters: int, epoch: bytes = EPOCH) -> list[Event]:
    return [an_event(counter, epoch=epoch) for counter in counters]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[SqliteSpool]:
    made = SqliteSpool(tmp_path / "state")
    yield made
    made.close()


def test_what_was_appended_is_there_after_a_restart_in_its_order(spool: EventSpool) -> None:
    assert spool.append([]) == 0
    assert spool.append(some(7, 8, epoch=EARLIER)) == 2
    assert spool.append(some(1)) == 3
    assert isinstance(spool, SqliteSpool)
    spool.close()
    assert spool.read(None, 10) == some(7, 8, epoch=EARLIER) + some(1)
    assert spool.read(None, 2) == some(7, 8, epoch=EARLIER)
    assert spool.read(an_event(8, epoch=EARLIER), 10) == some(1)
    assert spool.read(an_event(1), 10) == []


def test_an_acknowledgement_is_of_one_epoch_and_of_all_before_it(spool: SqliteSpool) -> None:
    spool.append(some(1, 2, 3, epoch=EARLIER) + some(1, 2, 3))
    assert spool.forget(EPOCH, 2) == 4
    assert spool.read(None, 10) == some(1, 2, 3, epoch=EARLIER) + some(3)
    assert spool.forget(bytes(15) + b"\x07", 9) == 4
    assert spool.forget(EARLIER, (1 << 64) - 1) == 1
    assert spool.read(an_event(3, epoch=EARLIER), 10) == some(3)  # what it comes after is gone


def test_what_is_kept_already_may_be_appended_again(spool: SqliteSpool) -> None:
    spool.append(some(1))
    changed = Event(EPOCH, 1, EventType.REPLAY, OTHER, Slot(1), 0, NOON)
    assert spool.append([changed, *some(2)]) == 2
    assert spool.read(None, 10) == some(1, 2)


def test_all_of_a_batch_is_kept_or_none(spool: SqliteSpool) -> None:
    spool.append(some(1))
    assert spool._connection is not None
    spool._connection.execute("PRAGMA max_page_count = 8")
    with pytest.raises(SpoolFailed):
        spool.append(some(*range(2, 10_000)))
    assert spool.read(None, 10) == some(1)


def test_the_openings_of_a_session_are_those_that_the_strike_did_not_take_back(
    spool: SqliteSpool,
) -> None:
    opened, failed = EventType.OPENED, EventType.STRIKE_FAILED
    kinds = [opened, opened, failed, EventType.REPLAY, EventType.SESSION_LEARNT]
    spool.append([an_event(number, kind) for number, kind in enumerate(kinds, 1)])
    assert spool.openings(SESSION) == 1
    assert spool.openings(OTHER) == 0


@pytest.mark.parametrize("kind", EventType)
def test_every_event_comes_back_as_it_was(spool: SqliteSpool, kind: EventType) -> None:
    spool.append([an_event((1 << 63) - 1, kind)])
    assert spool.read(None, 1) == [an_event((1 << 63) - 1, kind)]


def test_nobody_else_may_read_it(spool: SqliteSpool, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        spool.append(some(1))
    finally:
        os.umask(old)
    files = [tmp_path / "state", *(tmp_path / "state").iterdir()]
    assert len(files) == 3
    assert not [f for f in files if stat.S_IMODE(f.stat().st_mode) & 0o077]


def test_every_commit_is_on_the_disk_before_it_returns(spool: SqliteSpool) -> None:
    spool.append(some(1))
    assert spool._connection is not None
    assert spool._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert spool._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


_FOR_EVER: Final = """
import sys
from pathlib import Path
from blelockd.adapters.spool import SqliteSpool
from tests.adapters.test_spool import some
spool = SqliteSpool(Path(sys.argv[1]))
counter = 0
while True:
    counter += 1
    spool.append(some(counter))
    print(counter, flush=True)
"""


def test_kill_nine_loses_nothing_that_was_appended(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", _FOR_EVER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    with writer:
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(20)]
        writer.send_signal(signal.SIGKILL)
        said += [int(line) for line in writer.stdout]
    spool = SqliteSpool(tmp_path)
    found = [event.counter for event in spool.read(None, 1 << 20)]
    spool.close()
    assert found in (said, [*said, len(said) + 1])  # it may have died before it could say


# --- what a disk may do ------------------------------------------------------------------------


@contextmanager
def _no_file_larger_than(size: int) -> Iterator[None]:
    """What a full disk is to SQLite (EFBIG is told as SQLITE_FULL or SQLITE_IOERR)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def _fill(spool: SqliteSpool) -> None:
    for start in range(2, 10_000, 100):
        spool.append(some(*range(start, start + 100)))


def test_a_disk_without_room_is_named_and_what_is_there_stays(spool: SqliteSpool) -> None:
    spool.append(some(1))
    with _no_file_larger_than(20_000), pytest.raises(SpoolFailed, match=FILE) as failed:
        _fill(spool)
    assert "disk" in failed.value.reason
    kept = spool.read(None, 100_000)
    assert kept == some(*range(1, len(kept) + 1))
    assert spool.append(some(len(kept) + 1)) == len(kept) + 1


def test_whether_the_disk_takes_anything_is_asked_by_writing(
    spool: SqliteSpool, tmp_path: Path
) -> None:
    kept = spool.append(some(1, 2))
    log = tmp_path / "state" / f"{FILE}-wal"
    before = log.stat().st_size
    spool.probe()
    after = log.stat().st_size
    assert after > before
    with _no_file_larger_than(after), pytest.raises(SpoolFailed, match=FILE):
        spool.probe()
    assert spool.append([]) == kept
    spool.close()
    assert spool.read(None, 10) == some(1, 2)


def test_a_file_that_cannot_be_written_is_named_and_used_again_when_it_can(
    spool: SqliteSpool, tmp_path: Path
) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("a file where the directory should be")
    with pytest.raises(SpoolFailed, match="file exists"):
        spool.append(some(1))
    blocked.unlink()
    assert spool.append(some(1)) == 1


def test_a_link_in_its_place_is_not_followed(spool: SqliteSpool, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpoolFailed):
        spool.append(some(1))
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_another_daemon_has_open_is_named(spool: SqliteSpool, tmp_path: Path) -> None:
    spool.append(some(1))
    second = SqliteSpool(tmp_path / "state")
    with pytest.raises(SpoolFailed, match="another process holds it"):
        second.append(some(2))
    spool.close()
    assert second.append(some(2)) == 2
    second.close()


def _damages(tmp_path: Path) -> Iterator[bytes]:
    whole = (tmp_path / "state" / FILE).read_bytes()
    yield b"not a database at all, and long enough to be asked" * 100
    yield whole[: len(whole) // 2]
    yield whole[: 2 * 4096] + b"\xff" + whole[2 * 4096 + 1 :]  # what kind of page it is
    yield whole[:4096] + os.urandom(len(whole) - 4096)


@pytest.mark.parametrize("number", range(4))
def test_a_damaged_file_is_set_aside_and_a_new_one_begins(
    spool: SqliteSpool, tmp_path: Path, number: int
) -> None:
    spool.append(some(*range(1, 400)))
    spool.close()
    damage = list(_damages(tmp_path))[number]
    (tmp_path / "state" / FILE).write_bytes(damage)
    with pytest.raises(SpoolDamaged, match=r"events\.db\.damaged"):
        spool.append(some(400))
    assert spool.append(some(400)) == 1
    assert spool.read(None, 10) == some(400)
    assert (tmp_path / "state" / "events.db.damaged").read_bytes() == damage


def test_each_damaged_file_is_kept(spool: SqliteSpool, tmp_path: Path) -> None:
    kept = {}
    for number in (1, 2, 3):
        spool.append(some(number))
        spool.close()
        damage = bytes([number]) * 20_000
        (tmp_path / "state" / FILE).write_bytes(damage)
        with pytest.raises(SpoolDamaged) as caught:
            spool.append(some(number))
        name = "events.db.damaged" + (f"-{number}" if number > 1 else "")
        assert name in caught.value.reason
        kept[name] = damage
    for name, damage in kept.items():
        assert (tmp_path / "state" / name).read_bytes() == damage


def test_rows_that_no_lock_has_written_are_damage(spool: SqliteSpool, tmp_path: Path) -> None:
    spool.append(some(1))
    spool.close()
    with sqlite3.connect(tmp_path / "state" / FILE) as other:
        other.execute("UPDATE event SET type = 99")
    other.close()
    with pytest.raises(SpoolDamaged):
        spool.read(None, 10)
    assert spool.read(None, 10) == []


def test_the_file_of_a_newer_release_is_left_alone(spool: SqliteSpool, tmp_path: Path) -> None:
    spool.append(some(1))
    spool.close()
    with sqlite3.connect(tmp_path / "state" / FILE) as newer:
        newer.execute("PRAGMA user_version = 2")
    newer.close()
    with pytest.raises(SpoolFailed, match="a newer blelock-lock made it"):
        spool.append(some(2))
    assert not (tmp_path / "state" / "events.db.damaged").exists()


@pytest.mark.parametrize(
    ("pragma", "told"),
    [("max_page_count = 8", "the disk is full; make room"), ("query_only = 1", "is read-only")],
)
def test_a_full_and_a_read_only_disk_are_told_apart(
    spool: SqliteSpool, pragma: str, told: str
) -> None:
    spool.append(some(1))
    assert spool._connection is not None
    spool._connection.execute(f"PRAGMA {pragma}")
    with pytest.raises(SpoolFailed, match=told):
        _fill(spool)
    assert spool.read(None, 1) == some(1)
