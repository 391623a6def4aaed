"""The lock's events on disk until the issuer has them: one SQLite file, and no secret in it.

Each commit is on the disk before it returns. A file that cannot be read any more is set aside.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import SessionId
from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.v2.reports import Event, EventType, UpType, decode_body
from blelockd.services.ports import SpoolDamaged, SpoolFailed

FILE: Final = "events.db"

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE event (
    place INTEGER PRIMARY KEY,
    epoch BLOB NOT NULL,
    counter INTEGER NOT NULL,
    type INTEGER NOT NULL,
    session_id BLOB NOT NULL,
    slot INTEGER NOT NULL,
    rssi_dbm INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    UNIQUE (epoch, counter)
) STRICT
"""
_COLUMNS: Final = "epoch, counter, type, session_id, slot, rssi_dbm, time_ms"
_LOCKED_SECONDS: Final = 1.0
_LARGEST_WAL_BYTES: Final = 1 << 20
_MESSAGES: Final = {
    sqlite3.SQLITE_FULL: ("the disk is full", "make room there"),
    sqlite3.SQLITE_READONLY: ("it cannot be written", "see whether the disk is read-only"),
    sqlite3.SQLITE_IOERR: ("the disk fails", "see what the kernel says of it"),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "see to its directory"),
    sqlite3.SQLITE_BUSY: ("another process holds it", "stop whoever has it open"),
}
_PASSES: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY)
"""What the open file outlives: what it has can still be read."""
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

T = TypeVar("T")


class SqliteSpool:
    """ports.EventSpool at `directory`/events.db: made when first used, opened anew after a failure.

    Nobody else can open it meanwhile. It is its user's alone: directory 0700, file 0600.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._connection: sqlite3.Connection | None = None
        self._kept = 0
        self._one_at_a_time = threading.Lock()

    def append(self, events: Sequence[Event]) -> int:
        """Keep `events`, all or none of them, for good; how many are kept now.

        What is kept already stays as it is: who does not know whether it was kept tries again.
        """
        rows = [_row(event) for event in events]

        def work(connection: sqlite3.Connection) -> int:
            before = connection.total_changes
            if rows:
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    sql = f"INSERT OR IGNORE INTO event ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
                    connection.executemany(sql, rows)
            self._kept += connection.total_changes - before
            return self._kept

        return self._do(work)

    def probe(self) -> None:
        """Write for good, and keep neither more nor less by it: does the disk take anything?"""

        def work(connection: sqlite3.Connection) -> None:
            # the number that stands there already: SQLite writes its page and waits for the disk
            connection.execute(f"PRAGMA user_version = {_VERSION}")

        self._do(work)

    def read(self, after: Event | None, at_most: int) -> list[Event]:
        """The oldest that are kept, those behind `after` where that is kept, too."""
        last = (b"", 0) if after is None else (after.epoch, after.counter)

        def work(connection: sqlite3.Connection) -> list[Event]:
            sql = f"""
                SELECT {_COLUMNS} FROM event WHERE place > coalesce(
                    (SELECT place FROM event WHERE epoch = ? AND counter = ?), 0
                ) ORDER BY place LIMIT ?
            """
            return [_event(row) for row in connection.execute(sql, (*last, at_most))]

        return self._do(work)

    def forget(self, epoch: bytes, counter: int) -> int:
        """Let go of that event of that epoch and of all before it; how many are kept now."""

        def work(connection: sqlite3.Connection) -> int:
            sql = "DELETE FROM event WHERE epoch = ? AND counter <= ?"
            gone = connection.execute(sql, (epoch, min(counter, _LARGEST)))
            self._kept -= gone.rowcount
            return self._kept

        return self._do(work)

    def openings(self, session_id: SessionId) -> int:
        """How often the door has opened for that session, as far as it is kept here."""

        def work(connection: sqlite3.Connection) -> int:
            sql = "SELECT type, count(*) FROM event WHERE session_id = ? GROUP BY type"
            counts: dict[int, int] = dict(connection.execute(sql, (session_id.raw,)))
            return counts.get(EventType.OPENED, 0) - counts.get(EventType.STRIKE_FAILED, 0)

        return self._do(work)

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._one_at_a_time:
            self._close()

    # --- one file, which may fail ----------------------------------------------------------------

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._one_at_a_time:
            try:
                if self._connection is None:
                    self._connection = self._open()
                return work(self._connection)
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # its extended codes say where
                if code not in _PASSES:
                    self._close()
                raise self._failure(error, code) from error
            except (Malformed, ValueError) as error:  # what stands there no lock has written
                self._close()
                raise self._set_aside() from error
            except OSError as error:
                self._close()
                raise self._failed(os.strerror(error.errno or 0).lower(), "see to it") from error

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(self._path, flags, 0o600))
        connection = sqlite3.connect(
            self._path, timeout=_LOCKED_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # One process alone: then SQLite needs no shared index, for which a full disk has no room.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_WAL_BYTES}")
        ((found,),) = connection.execute("PRAGMA quick_check(1)")
        if found != "ok":
            raise ValueError("damaged")
        ((version,),) = connection.execute("PRAGMA user_version")
        if version > _VERSION:
            raise self._failed("a newer blelock-lock made it", "upgrade, or move it away")
        if version == 0:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(_SCHEMA)
                connection.execute(f"PRAGMA user_version = {_VERSION}")
            _synchronise(self._path.parent)
        ((self._kept,),) = connection.execute("SELECT count(*) FROM event")

    def _failure(self, error: sqlite3.Error, code: int) -> SpoolFailed:
        if code in _DAMAGED:
            return self._set_aside()
        told = _MESSAGES.get(code, (str(error), "move it away if this stays"))
        return self._failed(*told)

    def _failed(self, problem: str, remedy: str) -> SpoolFailed:
        return SpoolFailed(f"{self._path}: {problem}; {remedy}")

    def _set_aside(self) -> SpoolFailed:
        try:
            kept = self._name_aside()
            os.replace(self._path, kept)
            for more in ("-wal", "-shm"):
                self._path.with_name(FILE + more).unlink(missing_ok=True)
        except OSError as error:
            problem = f"damaged, and cannot be moved away: {os.strerror(error.errno or 0).lower()}"
            return self._failed(problem, "move it away")
        return SpoolDamaged(f"{self._path}: damaged; it is {kept.name} now, and a new one begins")

    def _name_aside(self) -> Path:
        """What no file is named by yet: each damaged one is kept."""
        kept, number = self._path.with_suffix(".db.damaged"), 1
        while os.path.lexists(kept):
            number += 1
            kept = self._path.with_suffix(f".db.damaged-{number}")
        return kept

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


_LARGEST: Final = (1 << 63) - 1


def _row(event: Event) -> tuple[bytes | int, ...]:
    what = event.epoch, event.counter, int(event.kind), event.session_id.raw
    return *what, event.slot, event.rssi_dbm, event.time


def _event(row: tuple[bytes, int, int, bytes, int, int, int]) -> Event:
    """Raises ValueError, or Malformed, where the row is no event that can be told."""
    epoch, counter, kind, session_id, slot, rssi_dbm, time_ms = row
    session = SessionId(session_id)
    event = Event(epoch, counter, EventType(kind), session, Slot(slot), rssi_dbm, Instant(time_ms))
    try:
        body = event.encode()
    except OverflowError as error:
        raise ValueError("a number that no event has") from error
    decode_body(UpType.EVENT, body)
    return event


def _synchronise(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
