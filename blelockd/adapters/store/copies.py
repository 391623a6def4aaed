"""Backups: copies without a secret in them, made while the daemon runs, checked before they count.

A restored one begins where a lock that knows more cannot be harmed: all sessions are ended, and
sequence numbers leap ahead.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from blelockd.adapters.store import chain, revocations, uses, verification
from blelockd.adapters.store.database import Database, connect, synchronise
from blelockd.adapters.store.recount import LONGEST_SESSION_MS
from blelockd.adapters.store.schema import APPLICATION_ID, STEPS, migrate, shape
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.rsa_keys import IssuerSigningPublic
from blelockd.services.issuer.audit import AuditEntry, AuditKind
from blelockd.services.issuer.audit_check import Verified

KEPT_ASIDE: Final = ".before-restore"
_PREFIX: Final = ".copy-"
_LEAP: Final = 1 << 32
"""More envelopes than an issuer writes in years: none that it forgot comes again."""
_STOP: Final = "`systemctl stop blelock-issuer`, then try again"
_BESIDE: Final = ("-wal", "-shm")


class NoBackup(Exception):
    """The file is not a backup that can be restored; `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place: how it verified, and when its last event was."""

    verified: Verified
    last: Instant


# --- making one ----------------------------------------------------------------------------------


@contextmanager
def back_up(
    database: Database, judge: Callable[[sqlite3.Connection], object] = chain.head
) -> Iterator[tuple[Path, Verified]]:
    """A checked copy, in a file (0600) beside the other that is gone afterwards.

    Raises StoreFailed, or Broken where the audit is not what was written; what `judge` raises of
    the very moment that is copied.
    """

    def work(connection: sqlite3.Connection) -> None:
        judge(connection)
        connection.backup(copy)

    with told(database), scratch(database.path.parent) as path:
        with closing(connect(path)) as copy:
            database.read(work)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without others beside it
            copy.execute("UPDATE session SET key = NULL")
            copy.execute("DELETE FROM invite")
            copy.execute("VACUUM")
            verified = verification.verify(copy, None, ())
        yield path, verified


# --- putting one in place ------------------------------------------------------------------------


def restore(
    database: Database, source: BinaryIO, issuer: IssuerSigningPublic | None, now: Instant
) -> Restored:
    """Put the backup in `source` in place of what is there, which stays beside it.

    Nothing has changed if it raises NoBackup, Broken or StoreFailed; also while anybody uses the
    store.
    """
    directory = database.path.parent
    with told(database):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(database), scratch(directory) as path:
            with path.open("wb") as file:
                shutil.copyfileobj(source, file)
            restored = _made_good(path, issuer, now)
            synchronise_file(path)
            put_in_place(path, database.path, KEPT_ASIDE)
    return restored


def _made_good(path: Path, issuer: IssuerSigningPublic | None, now: Instant) -> Restored:
    try:
        with closing(connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            check_origin(connection)
            verified = verification.verify(connection, issuer, ())
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                last = _last(connection)
                end_everything(connection, f"the backup ends with {verified.head}", now)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise  # the disk's
        raise NoBackup(f"it is damaged, or no backup: {error}") from error
    return Restored(verified, last)


def check_origin(connection: sqlite3.Connection) -> None:
    """Bring the backup to the present form; raises NoBackup for what is none."""
    ((application,),) = connection.execute("PRAGMA application_id")
    if application != APPLICATION_ID:
        raise NoBackup("blelock-issuer has not made it")
    ((version,),) = connection.execute("PRAGMA user_version")
    if version > len(STEPS):
        raise NoBackup("a newer blelock-issuer has made it: upgrade this one")
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        migrate(connection, version)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        migrate(model, 0)
        if shape(connection) != shape(model):
            raise NoBackup("something is in it that blelock-issuer does not make")


def _last(connection: sqlite3.Connection) -> Instant:
    sql = "SELECT time_ms FROM audit ORDER BY event_id DESC LIMIT 1"
    row = connection.execute(sql).fetchone()
    return Instant(row[0] if row is not None else 0)


def end_everything(connection: sqlite3.Connection, reason: str, now: Instant) -> None:
    """A session that was revoked since the backup must not live again, nor a number come again.

    `reason` is what the audit is told of it.
    """
    # Their locks may have told of openings that are not known here, and never tell them again.
    reason = uses.with_spent(reason, uses.spend_untold(connection))
    entry = AuditEntry(time=now, kind=AuditKind.RESTORED, reason=reason)
    chain.append(connection, entry)
    for revocation in list(revocations.pending(connection)):
        revocations.settle(connection, revocation, "all sessions are revoked", now)
    locks = [LockId(lock_id) for (lock_id,) in connection.execute("SELECT lock_id FROM lock")]
    until = Instant(now + LONGEST_SESSION_MS)
    for lock_id in locks:
        revocations.of_lock(connection, lock_id, "a backup was restored", now, until)
    connection.execute("UPDATE session SET key = NULL")
    connection.execute("DELETE FROM invite")
    connection.execute("UPDATE lock SET next_seq = next_seq + ?", (_LEAP,))


def put_in_place(new: Path, path: Path, kept_as: str, *, checkpoint: bool = True) -> None:
    """At every moment there is a whole file, the old one or the new. What was there is kept beside
    it, with `kept_as` behind its name; with its log in it, if `checkpoint`.
    """
    kept = path.with_name(path.name + kept_as)
    if path.exists():
        if checkpoint:
            with suppress(sqlite3.Error), closing(connect(path)) as old:
                old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for beside in ("", *_BESIDE):
            kept.with_name(kept.name + beside).unlink(missing_ok=True)
        os.link(path, kept)
    for beside in _BESIDE:  # left by a file that is damaged: they must not meet the new one
        with suppress(FileNotFoundError):
            os.rename(path.with_name(path.name + beside), kept.with_name(kept.name + beside))
    os.rename(new, path)
    synchronise(path.parent)


# --- files ---------------------------------------------------------------------------------------


@contextmanager
def told(database: Database) -> Iterator[None]:
    """What goes wrong within, as StoreFailed of that file."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise database.told(error) from error


@contextmanager
def alone(database: Database, remedy: str = _STOP) -> Iterator[None]:
    """Nobody uses the store, nor begins to; raises StoreFailed with `remedy`."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    directory = os.open(database.path.parent, flags)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise database.failed("it is in use", remedy) from error
        yield
    finally:
        os.close(directory)


@contextmanager
def scratch(directory: Path) -> Iterator[Path]:
    """An empty file, its user's alone; gone afterwards, with those that a crash has left."""
    for left in directory.glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError), left.open("rb") as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
    path = directory / f"{_PREFIX}{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield path
    finally:
        for beside in ("", "-journal", *_BESIDE):
            path.with_name(path.name + beside).unlink(missing_ok=True)
        os.close(descriptor)


def synchronise_file(path: Path) -> None:
    """Have what `path` holds on the disk; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
