"""store.SessionRecords on SQLite. A session's key is erased when the session is over."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final

from blelockd.adapters.store import chain, revocations
from blelockd.adapters.store.database import Database
from blelockd.adapters.store.uses import read_terms
from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import Instant
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.v2.down import SessionForLock
from blelockd.services.issuer.audit import AuditEntry, AuditKind
from blelockd.services.issuer.records import (
    Guest,
    GuestState,
    NotKept,
    PendingRevocation,
    SessionRecord,
)

_COLUMNS: Final = (
    "session_id, guest_id, name, lock_id, not_before_ms, not_after_ms, rule, openings,"
    " delivered_ms, revoked_ms"
)
_CLOCK_CORRECTED_MS: Final = 2000
"""So far a clock may go back: a lock takes no token of so short a time after its start."""


class SqliteSessions:
    """Sessions and their revocations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, session: SessionForLock, rule: str, now: Instant) -> None:
        """As SessionRecords.open."""
        terms, guest_id = session.terms, session.guest_id

        def work(connection: sqlite3.Connection) -> None:
            who = _person(connection, guest_id)
            _check_lock(connection, terms.lock_id)
            connection.execute(
                "INSERT INTO session (session_id, key, guest_id, person, lock_id, not_before_ms,"
                " not_after_ms, terms, rule) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    session.session_id.raw,
                    session.session_key.reveal(),
                    guest_id.raw,
                    who,
                    str(terms.lock_id),
                    session.not_before,
                    terms.not_after,
                    terms.encode(),
                    rule,
                ),
            )
            _tell(connection, AuditKind.SESSION_GRANTED, session.session_id, now)

        self._database.write(work)

    def delivered(self, session_id: SessionId, now: Instant) -> None:
        """As SessionRecords.delivered."""

        def work(connection: sqlite3.Connection) -> None:
            sql = (
                "UPDATE session SET delivered_ms = ? WHERE session_id = ? AND delivered_ms IS NULL"
            )
            if connection.execute(sql, (now, session_id.raw)).rowcount:
                _tell(connection, AuditKind.SESSION_DELIVERED, session_id, now)

        self._database.write(work)

    def revoke(self, session_id: SessionId, reason: str, now: Instant) -> bool:
        """As SessionRecords.revoke."""
        return self._database.write(
            lambda connection: revocations.of_session(connection, session_id, reason, now)
        )

    def call_in(self, guest: Guest, rule: str, reason: str, now: Instant) -> set[SessionId]:
        """As SessionRecords.call_in."""
        return self._database.write(
            lambda connection: revocations.call_in(connection, guest, rule, reason, now)
        )

    def are_told(self, session_ids: Collection[SessionId]) -> bool:
        """As SessionRecords.are_told."""
        marks = ", ".join("?" * len(session_ids))
        sql = f"SELECT 1 FROM session WHERE told_ms IS NULL AND session_id IN ({marks})"
        ids = [session_id.raw for session_id in session_ids]
        return self._database.read(
            lambda connection: connection.execute(sql, ids).fetchone() is None
        )

    def get(self, session_id: SessionId) -> SessionRecord | None:
        """As SessionRecords.get."""
        return self._database.read(lambda connection: _get(connection, session_id))

    def live(self, lock_id: LockId, now: Instant) -> list[SessionForLock]:
        """As SessionRecords.live."""

        def work(connection: sqlite3.Connection) -> list[SessionForLock]:
            sql = (
                "SELECT session_id, key, guest_id, not_before_ms, terms, openings FROM session"
                " WHERE lock_id = ?1 AND not_after_ms > ?2 AND key IS NOT NULL"
                " AND NOT EXISTS (SELECT 1 FROM audit WHERE trace = session_id AND time_ms > ?3)"
                " ORDER BY not_after_ms, session_id"
            )
            rows = connection.execute(sql, (str(lock_id), now, now + _CLOCK_CORRECTED_MS))
            return [session for row in rows if (session := _with_what_is_left(*row)) is not None]

        return self._database.read(work)

    def lives_of(self, guest_id: GuestId, now: Instant) -> list[SessionRecord]:
        """As SessionRecords.lives_of."""
        where = "guest_id = ? AND not_after_ms > ? AND revoked_ms IS NULL"
        return self._database.read(
            lambda connection: list(_records(connection, where, (guest_id.raw, now)))
        )

    def pending(self, lock_id: LockId | None = None) -> list[PendingRevocation]:
        """As SessionRecords.pending."""

        def work(connection: sqlite3.Connection) -> list[PendingRevocation]:
            if lock_id is None:
                return list(revocations.pending(connection))
            return list(revocations.pending(connection, "lock_id = ?", (str(lock_id),)))

        return self._database.read(work)

    def settle(self, numbers: Sequence[int], now: Instant) -> None:
        """As SessionRecords.settle."""

        def work(connection: sqlite3.Connection) -> None:
            for number in numbers:
                for revocation in list(revocations.pending(connection, "number = ?", (number,))):
                    revocations.settle(connection, revocation, "the lock has acknowledged it", now)

        self._database.write(work)

    def expire(self, now: Instant) -> int:
        """As SessionRecords.expire."""
        if not self._database.read(lambda connection: _has_something_over(connection, now)):
            return 0

        def work(connection: sqlite3.Connection) -> int:
            sql = "UPDATE session SET key = NULL WHERE key IS NOT NULL AND not_after_ms <= ?"
            erased = connection.execute(sql, (now,)).rowcount
            erased += connection.execute(
                "DELETE FROM invite WHERE expires_ms <= ?", (now,)
            ).rowcount
            for revocation in list(revocations.pending(connection, "until_ms <= ?", (now,))):
                revocations.settle(connection, revocation, "all of it has ended", now)
                erased += 1
            return erased

        return self._database.write(work)


def _person(connection: sqlite3.Connection, guest_id: GuestId) -> bytes:
    sql = "SELECT person, state FROM guest WHERE guest_id = ?"
    row = connection.execute(sql, (guest_id.raw,)).fetchone()
    if row is None:
        raise NotKept(f"there is no guest {guest_id}")
    who, state = row
    if state != GuestState.ACTIVE:
        raise NotKept(f"guest {guest_id} is {state}")
    return bytes(who)


def _check_lock(connection: sqlite3.Connection, lock_id: LockId) -> None:
    sql = "SELECT 1 FROM lock WHERE lock_id = ? AND removed_ms IS NULL"
    if connection.execute(sql, (str(lock_id),)).fetchone() is None:
        raise NotKept(f"there is no lock {lock_id}")


def _with_what_is_left(
    session_id: bytes, key: bytes, guest_id: bytes, not_before: int, terms: bytes, openings: int
) -> SessionForLock | None:
    agreed = read_terms(terms)
    if agreed.max_uses:
        left = agreed.max_uses - openings
        if left <= 0:
            return None
        agreed = replace(agreed, max_uses=left)
    ids = SessionId(session_id), SessionKey(key), GuestId(guest_id)
    return SessionForLock(*ids, Instant(not_before), agreed)


def _get(connection: sqlite3.Connection, session_id: SessionId) -> SessionRecord | None:
    return next(_records(connection, "session_id = ?", (session_id.raw,)), None)


def _records(
    connection: sqlite3.Connection, where: str, values: tuple[object, ...]
) -> Iterator[SessionRecord]:
    sql = (
        f"SELECT {_COLUMNS} FROM session LEFT JOIN person ON person = reference"
        f" WHERE {where} ORDER BY not_after_ms, session_id"
    )
    for row in connection.execute(sql, values):
        session_id, guest_id, name, lock_id, *times, rule, openings, delivered, revoked = row
        not_before, not_after = map(Instant, times)
        yield SessionRecord(
            SessionId(session_id),
            GuestId(guest_id),
            name,
            LockId(lock_id),
            not_before,
            not_after,
            rule,
            openings,
            None if delivered is None else Instant(delivered),
            None if revoked is None else Instant(revoked),
        )


def _has_something_over(connection: sqlite3.Connection, now: Instant) -> bool:
    sql = (
        "SELECT EXISTS (SELECT 1 FROM session WHERE key IS NOT NULL AND not_after_ms <= ?1)"
        " OR EXISTS (SELECT 1 FROM invite WHERE expires_ms <= ?1)"
        " OR EXISTS (SELECT 1 FROM revocation WHERE until_ms <= ?1)"
    )
    ((found,),) = connection.execute(sql, (now,))
    return bool(found)


def _tell(
    connection: sqlite3.Connection, kind: AuditKind, session_id: SessionId, now: Instant
) -> None:
    session = _get(connection, session_id)
    assert session is not None
    entry = AuditEntry(
        time=now,
        kind=kind,
        person=session.person,
        guest_id=session.guest_id,
        lock_id=session.lock_id,
        trace=session_id.raw,
        rule=session.rule,
    )
    chain.append(connection, entry)
