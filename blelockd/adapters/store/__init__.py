"""The issuer's store: locks, guests, sessions and the audit in one SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from blelockd.adapters.clock import SystemClock
from blelockd.adapters.store import chain, copies, recovery, rolling
from blelockd.adapters.store.audit import SqliteAudit
from blelockd.adapters.store.continuity import Continuity
from blelockd.adapters.store.copies import NoBackup, Restored
from blelockd.adapters.store.database import Database, connect
from blelockd.adapters.store.doors import SqliteDoors
from blelockd.adapters.store.guests import SqliteGuests
from blelockd.adapters.store.locks import SqliteLocks
from blelockd.adapters.store.sessions import SqliteSessions
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.rsa_keys import IssuerSigningPublic
from blelockd.services.issuer.audit import NOTHING_BEFORE, AuditEntry, AuditKind, Head
from blelockd.services.issuer.audit_check import Verified
from blelockd.services.issuer.records import Recovered

__all__ = ["NoBackup", "Restored", "Store"]


class Store:
    """All of it. Nothing is opened before the first use; any thread may use it."""

    def __init__(self, directory: Path) -> None:
        self._database = Database(directory, _begin)
        self.locks = SqliteLocks(self._database)
        self.guests = SqliteGuests(self._database)
        self.sessions = SqliteSessions(self._database)
        self.doors = SqliteDoors(self._database)
        self._continuity = Continuity(self._database)
        self.audit = SqliteAudit(self._database, self._continuity)

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    def check(self) -> None:
        """Read all of the file once, some 100 MB in a second; raises StoreDamaged, StoreFailed."""
        self._database.check()
        self.locks.all()
        self.guests.all()
        self._database.is_suspect = False

    @property
    def is_suspect(self) -> bool:
        """Whether damage was met since `check` found all whole, or that was never asked."""
        return self._database.is_suspect

    def recover(self, issuer: IssuerSigningPublic, now: Instant) -> Recovered:
        """Make a damaged store whole, from its copy and from what can be read of it.

        All sessions are revoked. Nothing has changed if it raises StoreDamaged, for there is
        nothing to be had, or StoreFailed.
        """
        with self._continuity.beginning, self._database.closed():
            damage = self._database.damaged("nothing of it can be read, and there is no copy")
            recovered = recovery.recover(self._database, issuer, now, damage)
            with suppress(sqlite3.Error), closing(connect(self.path)) as connection:
                if not self._continuity.take(connection):  # before anybody else looks
                    told = f"{recovered.reason}; not all that this daemon has seen is in it"
                    return replace(recovered, reason=told)
            return recovered

    def set_aside(self) -> list[str]:
        """The names of the damaged files that are kept beside it, the oldest first."""
        return [path.name for path in recovery.set_aside(self.path)]

    def keep_copy(self, issuer: IssuerSigningPublic) -> Head:
        """Renew the copy from which a damaged store is recovered; the head that it ends with.

        Raises StoreFailed, or Broken where the audit is not what was written or signed by
        `issuer`, or does not go on from what was seen of it: the copy of before stays.
        """
        self.news(Head(0, NOTHING_BEFORE))  # makes the file where it is missing
        self._continuity.begin(issuer)
        return rolling.keep(self._database, self._continuity.follow)

    def news(self, since: Head) -> tuple[bool, bool]:
        """Whether anything was decided since then, and whether about who locks and guests are.

        Raises StoreFailed.
        """
        return rolling.news(self._database, since)

    def back_up(self) -> AbstractContextManager[tuple[Path, Verified]]:
        """A checked copy, in a file (0600) beside this one, that is gone afterwards.

        It holds no key of a session or invite. Raises StoreFailed, or Broken where the audit is not
        what was written.
        """
        return copies.back_up(self._database)

    def restore(
        self, source: BinaryIO, issuer: IssuerSigningPublic | None, now: Instant
    ) -> Restored:
        """Put the backup in `source` in place of what is there, which is kept beside it.

        All sessions are revoked. Nothing has changed if it raises NoBackup, Broken or StoreFailed;
        it does while anybody else uses the store, the daemon above all.
        """
        self._database.close()
        return copies.restore(self._database, source, issuer, now)

    def changed(self) -> bool:
        """Whether another process has changed anything since this was last asked; True at first.

        Takes microseconds. Raises StoreFailed.
        """
        return self._database.changed()

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        self._database.close()


def _begin(connection: sqlite3.Connection) -> None:
    chain.append(connection, AuditEntry(time=SystemClock().now(), kind=AuditKind.BEGUN))
