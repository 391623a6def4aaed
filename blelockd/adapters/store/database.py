"""One SQLite file, its own user's alone, in which every commit is on the disk before it returns.

What goes wrong is told as StoreFailed, with the remedy. A damaged file is never set aside or made
anew here (recovery.py does that): the guests, and who was let in, are in it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from blelockd.adapters.store.schema import STEPS, migrate
from blelockd.protocol.errors import Malformed
from blelockd.services.issuer.records import StoreDamaged, StoreFailed

FILE: Final = "issuer.db"

_LOCKED_SECONDS: Final = 5.0
_LARGEST_WAL_BYTES: Final = 4 << 20
_MOST_IN_LOG_PAGES: Final = 4096
"""The log beside the file is emptied when a copy was made (rolling.py): what is newer than the copy
then stands in the log, whatever becomes of the file. This is where it may not wait for that.
"""
_RESTORE: Final = (
    "a running blelock-issuer saves what can be saved; else stop it, and `blelock-issuer restore"
    " BACKUP`; without a backup move the file away, and invite everybody anew"
)
COPY: Final = ".backup"
"""Behind its name: the copy that the daemon keeps. Where that is, there was a store."""
_MESSAGES: Final = {
    sqlite3.SQLITE_FULL: ("the disk is full", "make room there"),
    sqlite3.SQLITE_READONLY: ("it cannot be written", "see whether the disk is read-only"),
    sqlite3.SQLITE_IOERR: ("the disk fails", "see what the kernel says of it"),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "see to its directory and the disk"),
    sqlite3.SQLITE_PERM: ("this user may not use it", "run this as root"),
    sqlite3.SQLITE_BUSY: ("another process holds it", "try again, or see who has it open"),
}
_LIKE: Final = {
    errno.ENOSPC: sqlite3.SQLITE_FULL,
    errno.EDQUOT: sqlite3.SQLITE_FULL,
    errno.EROFS: sqlite3.SQLITE_READONLY,
    errno.EIO: sqlite3.SQLITE_IOERR,
    errno.EACCES: sqlite3.SQLITE_PERM,
    errno.EPERM: sqlite3.SQLITE_PERM,
}
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

T = TypeVar("T")
Row = tuple[int | str | bytes | None, ...]


class Database:
    """`directory`/issuer.db: made when first used, opened anew after a failure.

    `begin` fills a file that was just made, in the transaction that makes its tables.
    """

    def __init__(self, directory: Path, begin: Callable[[sqlite3.Connection], None]) -> None:
        self.path = directory / FILE
        self._begin = begin
        self._connection: sqlite3.Connection | None = None
        self._in_use: int | None = None
        self._one_at_a_time = threading.Lock()
        self._data_version = 0
        self.is_suspect = True
        """Whether damage was met since the file was last found whole."""
        self.found_events: int | None = None
        """The last event that was there when this process first opened the file."""

    def another(self) -> Database:
        """The same file by a connection of its own, for what takes long; to be closed."""
        return Database(self.path.parent, self._begin)

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` reads, of one moment; raises StoreFailed."""
        return self._do("BEGIN", work)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work`, all of it or nothing; on the disk on return. Raises StoreFailed."""
        return self._do("BEGIN IMMEDIATE", work)

    def changed(self) -> bool:
        """Whether another process has changed anything since this was last asked, or never asked.

        Raises StoreFailed.
        """
        with self._one_at_a_time, _Told(self):
            ((version,),) = self._opened().execute("PRAGMA data_version")
            before, self._data_version = self._data_version, version
            return bool(version != before)

    def check(self) -> None:
        """Read all of the file once, some 100 MB in a second; raises StoreDamaged, StoreFailed."""
        with self._one_at_a_time, _Told(self):
            for (found,) in self._opened().execute("PRAGMA quick_check(1)"):
                if found != "ok":
                    raise self.damaged(found.splitlines()[-1])

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Let go of the file, and have nobody in this process open it meanwhile."""
        with self._one_at_a_time:
            self.drop()
            yield

    def checkpoint(self) -> None:
        """Empty the log beside the file, where what was erased may still stand.

        Raises StoreFailed, also when another process reads for too long.
        """
        with self._one_at_a_time, _Told(self):
            ((busy, _, _),) = self._opened().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            if busy:
                raise self.failed(*_MESSAGES[sqlite3.SQLITE_BUSY])

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._one_at_a_time:
            self.drop()

    def drop(self) -> None:
        """Close without waiting: for who holds the file."""
        connection, self._connection = self._connection, None
        self._data_version = 0
        if connection is not None:
            connection.close()
        directory, self._in_use = self._in_use, None
        if directory is not None:
            os.close(directory)

    def _do(self, begin: str, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._one_at_a_time, _Told(self):
            connection = self._opened()
            with connection:  # commits, or rolls back what fails
                connection.execute(begin)
                return work(connection)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._in_use = self._share_directory()
        # Not opened here where it exists: closing it would end SQLite's locks of this process.
        if not os.path.lexists(self.path):
            self._was_never_there("it is gone")
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            os.close(os.open(self.path, flags | os.O_NOFOLLOW, 0o600))
        self._check_file(os.lstat(self.path))
        connection = connect(self.path)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _share_directory(self) -> int:
        """Hold the directory as its user, one of many; not while somebody replaces the file."""
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            os.close(directory)
            if error.errno == errno.EWOULDBLOCK:
                raise self.failed("a backup is being restored", "try again then") from error
            raise
        return directory

    def _check_file(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise self.failed("not a regular file", "move it away")
        if status.st_uid != os.geteuid():
            raise self.failed(f"it belongs to user {status.st_uid}", "run this as that user")
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise self.failed("others can read or change it", f"chmod 600 {self.path}")

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_MOST_IN_LOG_PAGES}")
        ((version,),) = connection.execute("PRAGMA user_version")
        if version > len(STEPS):
            raise self.failed("a newer blelock-issuer made it", "upgrade this one")
        if version == 0:
            self._was_never_there("nothing is in it")
        if version < len(STEPS):
            self._migrate(connection)
        if self.found_events is None:
            sql = "SELECT coalesce(max(event_id), 0) FROM audit"
            with suppress(sqlite3.Error):  # whoever reads it is told
                ((self.found_events,),) = connection.execute(sql)

    def _was_never_there(self, found: str) -> None:
        """Raises StoreDamaged where a copy says otherwise: nobody's guests are forgotten so."""
        if os.path.lexists(self.path.with_name(self.path.name + COPY)):
            raise self.damaged(f"{found}, and a copy is beside it")

    def _migrate(self, connection: sqlite3.Connection) -> None:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            ((version,),) = connection.execute("PRAGMA user_version")  # others may be as quick
            migrate(connection, version)
            if version == 0:
                self._begin(connection)
        synchronise(self.path.parent)

    def failed(self, problem: str, remedy: str) -> StoreFailed:
        """The error that names this file."""
        return StoreFailed(f"{self.path}: {problem}", remedy)

    def damaged(self, found: str) -> StoreDamaged:
        """The error that says what was found in this file."""
        self.is_suspect = True
        return StoreDamaged(f"{self.path}: damaged: {found}", _RESTORE)

    def told(self, error: sqlite3.Error | OSError | ValueError | Malformed) -> StoreFailed:
        """A failure of the world as this file's."""
        if isinstance(error, OSError):
            problem = os.strerror(error.errno or 0).lower()
            usual = (problem, "see to the disk and to whose directory it is")
            return self.failed(*_MESSAGES.get(_LIKE.get(error.errno or 0, 0), usual))
        if not isinstance(error, sqlite3.Error):
            return self.damaged(str(error))
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # its extended codes say where
        if code in _DAMAGED:
            return self.damaged(str(error))
        return self.failed(*_MESSAGES.get(code, (str(error), "report it, this is a fault of ours")))


def connect(path: Path) -> sqlite3.Connection:
    """The file at `path`, which exists: nothing erased stays in it, and a commit is on the disk."""
    connection = sqlite3.connect(
        path, timeout=_LOCKED_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        for pragma in (
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",
            "trusted_schema = OFF",
            "cell_size_check = ON",
            f"journal_size_limit = {_LARGEST_WAL_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


class _Told:
    """Turns what goes wrong within into StoreFailed, and lets go of the file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        if isinstance(error, sqlite3.Error | OSError | ValueError | Malformed):
            self._database.drop()
            raise self._database.told(error) from error


def synchronise(directory: Path) -> None:
    """Have the names in `directory` on the disk; raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
