"""store.LockRecords on SQLite."""

from __future__ import annotations

import sqlite3
from typing import Final

from blelockd.adapters.store import chain, revocations, uses
from blelockd.adapters.store.database import Database
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.cards import LockCard
from blelockd.services.issuer.audit import AuditEntry, AuditKind
from blelockd.services.issuer.records import EnrolledLock, NotKept

_COLUMNS: Final = "card, added_ms, removed_ms"


class SqliteLocks:
    """The locks, and what their issuer must never forget of their boots."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, card: LockCard, now: Instant) -> bool:
        """As LockRecords.add."""

        def work(connection: sqlite3.Connection) -> bool:
            known = _get(connection, card.lock_id)
            if known is not None and known.card == card and known.removed is None:
                return False
            reason = f"card {card.fingerprint()}"
            if known is not None and known.card != card:
                reason = uses.with_spent(reason, _forget(connection, card.lock_id, now))
            connection.execute(
                "INSERT INTO lock (lock_id, card, added_ms) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET added_ms = excluded.added_ms, removed_ms = NULL",
                (str(card.lock_id), card.encode(), now),
            )
            _tell(connection, AuditKind.LOCK_ADDED, card.lock_id, now, reason)
            return True

        return self._database.write(work)

    def remove(self, lock_id: LockId, now: Instant) -> None:
        """As LockRecords.remove."""

        def work(connection: sqlite3.Connection) -> None:
            known = _get(connection, lock_id)
            if known is None or known.removed is not None:
                raise NotKept(f"there is no lock {lock_id}")
            sql = "UPDATE lock SET removed_ms = ? WHERE lock_id = ?"
            connection.execute(sql, (now, str(lock_id)))
            # Nobody waits for what it may still tell: it may be gone for good.
            reason = uses.with_spent("", uses.spend_untold_of_lock(connection, lock_id))
            _tell(connection, AuditKind.LOCK_REMOVED, lock_id, now, reason)
            revocations.of_lock(connection, lock_id, "the lock was removed", now)

        self._database.write(work)

    def get(self, lock_id: LockId) -> EnrolledLock | None:
        """As LockRecords.get."""
        return self._database.read(lambda connection: _get(connection, lock_id))

    def all(self) -> list[EnrolledLock]:
        """As LockRecords.all."""

        def work(connection: sqlite3.Connection) -> list[EnrolledLock]:
            sql = f"SELECT {_COLUMNS} FROM lock WHERE removed_ms IS NULL ORDER BY lock_id"
            return [_lock(row) for row in connection.execute(sql)]

        return self._database.read(work)

    def epoch(self, lock_id: LockId) -> bytes | None:
        """As LockRecords.epoch."""

        def work(connection: sqlite3.Connection) -> bytes | None:
            sql = "SELECT epoch FROM lock WHERE lock_id = ?"
            row = connection.execute(sql, (str(lock_id),)).fetchone()
            return None if row is None or row[0] is None else bytes(row[0])

        return self._database.read(work)

    def greet(self, lock_id: LockId, epoch: bytes, last_seq: int, now: Instant) -> bool:
        """As LockRecords.greet."""

        def work(connection: sqlite3.Connection) -> bool:
            sql = "SELECT epoch, next_seq FROM lock WHERE lock_id = ?"
            row = connection.execute(sql, (str(lock_id),)).fetchone()
            if row is None:
                raise NotKept(f"there is no lock {lock_id}")
            known, next_seq = row
            if known != epoch:
                if _is_retired(connection, lock_id, epoch):
                    return False
                if known is not None:
                    sql = "INSERT INTO retired_epoch VALUES (?, ?)"
                    connection.execute(sql, (str(lock_id), known))
                next_seq = 1
                _tell(connection, AuditKind.LOCK_STARTED, lock_id, now, f"epoch {epoch.hex()}")
            elif last_seq < next_seq:
                return True
            sql = "UPDATE lock SET epoch = ?, next_seq = ? WHERE lock_id = ?"
            after = max(next_seq, min(last_seq, _HIGHEST_SEQ) + 1)
            connection.execute(sql, (epoch, after, str(lock_id)))
            return True

        return self._database.write(work)

    def reserve(self, lock_id: LockId, count: int) -> range | None:
        """As LockRecords.reserve."""

        def work(connection: sqlite3.Connection) -> range | None:
            sql = (
                "UPDATE lock SET next_seq = next_seq + ? WHERE lock_id = ? AND epoch IS NOT NULL"
                " RETURNING next_seq"
            )
            rows = connection.execute(sql, (count, str(lock_id))).fetchall()
            return range(rows[0][0] - count, rows[0][0]) if rows else None

        return self._database.write(work)


_HIGHEST_SEQ: Final = 1 << 62
"""No lock has seen so many; one that says so will take nothing before it boots."""


def _get(connection: sqlite3.Connection, lock_id: LockId) -> EnrolledLock | None:
    sql = f"SELECT {_COLUMNS} FROM lock WHERE lock_id = ?"
    row = connection.execute(sql, (str(lock_id),)).fetchone()
    return None if row is None else _lock(row)


def _lock(row: tuple[bytes, int, int | None]) -> EnrolledLock:
    card, added, removed = row
    return EnrolledLock(
        LockCard.decode(card), Instant(added), None if removed is None else Instant(removed)
    )


def _is_retired(connection: sqlite3.Connection, lock_id: LockId, epoch: bytes) -> bool:
    sql = "SELECT 1 FROM retired_epoch WHERE lock_id = ? AND epoch = ?"
    return connection.execute(sql, (str(lock_id), epoch)).fetchone() is not None


def _forget(connection: sqlite3.Connection, lock_id: LockId, now: Instant) -> int:
    """What was another machine of that name: it will never take an envelope again, and what it has
    not told of its sessions comes never; of how many the uses count as used.
    """
    spent = uses.spend_untold_of_lock(connection, lock_id)
    for table in ("lock", "retired_epoch", "revocation"):
        connection.execute(f"DELETE FROM {table} WHERE lock_id = ?", (str(lock_id),))
    # told_ms: the new machine knows nothing of them, so it is neither asked nor waited for.
    sql = (
        "UPDATE session SET key = NULL, revoked_ms = coalesce(revoked_ms, ?1),"
        " told_ms = coalesce(told_ms, ?1) WHERE lock_id = ?2"
    )
    connection.execute(sql, (now, str(lock_id)))
    return spent


def _tell(
    connection: sqlite3.Connection, kind: AuditKind, lock_id: LockId, now: Instant, reason: str = ""
) -> None:
    chain.append(connection, AuditEntry(time=now, kind=kind, lock_id=lock_id, reason=reason))
