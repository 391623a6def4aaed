"""store.DoorRecords on SQLite: what a lock says is kept once, and no counter goes by unseen."""

from __future__ import annotations

import sqlite3
from typing import Final

from blelockd.adapters.store import chain, uses
from blelockd.adapters.store.database import Database
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.down import EventAck
from blelockd.protocol.v2.reports import Event as DoorEvent
from blelockd.protocol.v2.reports import EventType
from blelockd.services.issuer.audit import AuditEntry, AuditEvent, AuditKind
from blelockd.services.issuer.records import Taken
from blelockd.services.issuer.store import MISSING_WHEN_TOLD

_HIGHEST_COUNTER: Final = 1 << 62


class SqliteDoors:
    """The locks' own events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, lock_id: LockId, event: DoorEvent, message_id: bytes, now: Instant) -> Taken:
        """As DoorRecords.take."""

        def work(connection: sqlite3.Connection) -> Taken:
            return _Counter(connection, lock_id, event.epoch).take(event, message_id, now)

        return self._database.write(work)


class _Counter:
    """The counters of one epoch of a lock."""

    def __init__(self, connection: sqlite3.Connection, lock_id: LockId, epoch: bytes) -> None:
        self._connection = connection
        self._lock_id = lock_id
        self._epoch = epoch
        self._key = (str(lock_id), epoch)
        sql = "SELECT last, ahead, ahead_told FROM counter WHERE lock_id = ? AND epoch = ?"
        row: tuple[int, int, bytes] | None = connection.execute(sql, self._key).fetchone()
        self._last, self._ahead, self._ahead_told = (0, 0, b"") if row is None else row

    def take(self, event: DoorEvent, message_id: bytes, now: Instant) -> Taken:
        counter = event.counter
        if not 0 < counter <= _HIGHEST_COUNTER:
            return self._taken()
        if counter <= self._last:
            return self._taken(self._late(event, now))
        missing = range(self._last + 1, counter)
        if missing and not self._lock_insists(counter, message_id):
            return self._taken()
        if missing:
            self._miss(missing, now)
        self._save(counter, 0, b"")
        return self._taken(self._keep(event, now), missing)

    def _lock_insists(self, counter: int, message_id: bytes) -> bool:
        """Whether the lock has told this one often enough, and none lower that is to come."""
        if self._ahead and counter > self._ahead:
            return False
        told = self._ahead_told if counter == self._ahead else b""
        size = len(message_id)
        if message_id not in (told[at : at + size] for at in range(0, len(told), size)):
            told += message_id
            self._save(self._last, counter, told)
        return len(told) >= MISSING_WHEN_TOLD * size

    def _taken(self, event: AuditEvent | None = None, missing: range = range(0)) -> Taken:
        ack = EventAck(self._epoch, self._last) if self._last else None
        return Taken(ack, event, missing)

    def _save(self, last: int, ahead: int, ahead_told: bytes) -> None:
        self._last, self._ahead, self._ahead_told = last, ahead, ahead_told
        sql = "INSERT OR REPLACE INTO counter VALUES (?, ?, ?, ?, ?)"
        self._connection.execute(sql, (*self._key, last, ahead, ahead_told))

    def _miss(self, missing: range, now: Instant) -> None:
        first, last = missing[0], missing[-1]
        sql = "INSERT INTO missing VALUES (?, ?, ?, ?)"
        self._connection.execute(sql, (*self._key, first, last))
        entry = AuditEntry(
            time=now,
            kind=AuditKind.EVENTS_MISSING,
            lock_id=self._lock_id,
            reason=self._spend(f"epoch {self._epoch.hex()}: {first} to {last}"),
        )
        chain.append(self._connection, entry)

    def _spend(self, reason: str) -> str:
        """Events are lost: what they may have opened counts as used, which is added to `reason`."""
        spent = uses.spend_untold_of_lock(self._connection, self._lock_id)
        return uses.with_spent(reason, spent)

    def _late(self, event: DoorEvent, now: Instant) -> AuditEvent | None:
        """Keep an event that was thought to be missing; None for one that is known."""
        sql = (
            "DELETE FROM missing WHERE lock_id = ? AND epoch = ? AND ? BETWEEN first AND last"
            " RETURNING first, last"
        )
        rows = self._connection.execute(sql, (*self._key, event.counter)).fetchall()
        if not rows:
            return None
        ((first, last),) = rows
        for rest in (range(first, event.counter), range(event.counter + 1, last + 1)):
            if rest:
                sql = "INSERT INTO missing VALUES (?, ?, ?, ?)"
                self._connection.execute(sql, (*self._key, rest[0], rest[-1]))
        return self._keep(event, now, uses.LATE)

    def _keep(self, event: DoorEvent, now: Instant, reason: str = "") -> AuditEvent:
        is_late = uses.is_late(reason)
        guest_id, name, rule = uses.count(self._connection, self._lock_id, event, is_late=is_late)
        if event.kind is EventType.EVENTS_LOST:
            reason = self._spend(reason)
        self._close(event, now)
        known = any(event.session_id.raw)
        entry = AuditEntry(
            time=now,
            kind=AuditKind.DOOR,
            person=name,
            guest_id=guest_id,
            lock_id=self._lock_id,
            trace=event.session_id.raw if known else None,
            rule=rule,
            reason=reason,
        )
        return chain.append(self._connection, entry, event)

    def _close(self, event: DoorEvent, now: Instant) -> None:
        """Where this ends a session for good, all that it has opened is told: a lock tells in
        order. One that ended before its time lives again after the lock's next boot.
        """
        if event.kind not in (EventType.SESSION_ENDED, EventType.SESSION_REVOKED):
            return
        sql = (
            "UPDATE session SET told_ms = ? WHERE session_id = ? AND lock_id = ?"
            " AND told_ms IS NULL AND (not_after_ms <= ? OR (? AND revoked_ms IS NOT NULL))"
        )
        was_revoked = event.kind is EventType.SESSION_REVOKED
        values = (now, event.session_id.raw, str(self._lock_id), event.time, was_revoked)
        self._connection.execute(sql, values)
