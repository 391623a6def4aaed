"""What locks must still be told to forget: made in the transaction that decides it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from blelockd.adapters.store import chain
from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.v2.down import DownType, Revoke, decode
from blelockd.services.issuer.access import BY_GRANT
from blelockd.services.issuer.audit import AuditEntry, AuditKind
from blelockd.services.issuer.records import Guest, PendingRevocation

_COLUMNS: Final = "number, lock_id, body, since_ms, until_ms"
_LIVE: Final = "revoked_ms IS NULL AND not_after_ms > ?"
_ASKED_AGAIN_MS: Final = 60 * MS_PER_SECOND
"""So long is a lock asked for what became of a session that has ended; a guest asks again."""


def of_guest(connection: sqlite3.Connection, guest_id: GuestId, reason: str, now: Instant) -> None:
    """Revoke all sessions of that guest, at every lock that has one."""
    where, values = f"guest_id = ? AND {_LIVE}", (guest_id.raw, now)
    sql = f"SELECT lock_id, max(not_after_ms) FROM session WHERE {where} GROUP BY lock_id"
    for lock_id, until in connection.execute(sql, values).fetchall():
        _add(connection, LockId(lock_id), Revoke(guest_id), now, Instant(until))
    _end(connection, where, values, reason, now)


def of_lock(
    connection: sqlite3.Connection,
    lock_id: LockId,
    reason: str,
    now: Instant,
    until: Instant | None = None,
) -> None:
    """Revoke all sessions at that lock; with `until` also those that are not known here."""
    where, values = f"lock_id = ? AND {_LIVE}", (str(lock_id), now)
    if until is None:
        sql = f"SELECT max(not_after_ms) FROM session WHERE {where}"
        ((until,),) = connection.execute(sql, values)
    if until is not None:
        _add(connection, lock_id, Revoke(None), now, Instant(until))
    _end(connection, where, values, reason, now)


def of_session(
    connection: sqlite3.Connection, session_id: SessionId, reason: str, now: Instant
) -> bool:
    """Revoke that session; False if it has ended."""
    where, values = f"session_id = ? AND {_LIVE}", (session_id.raw, now)
    sql = f"SELECT lock_id, not_after_ms FROM session WHERE {where}"
    row = connection.execute(sql, values).fetchone()
    if row is None:
        return False
    lock_id, until = row
    _add(connection, LockId(lock_id), Revoke(session_id), now, Instant(until))
    _end(connection, where, values, reason, now)
    return True


def call_in(
    connection: sqlite3.Connection,
    guest: Guest,
    rule: str,
    reason: str,
    now: Instant,
) -> set[SessionId]:
    """Revoke the sessions that count against the same limit as that guest's by that rule, and of
    which the lock has not told that they are over: those that live, and once more those that have
    ended. A lock that was removed tells no more.
    """
    # A rule counts for the person whose session it was: the device may be somebody else's since.
    by_grant = rule == BY_GRANT
    where, value = ("guest_id = ?", guest.guest_id.raw) if by_grant else ("name = ?", guest.person)
    sql = (
        "SELECT session_id, session.lock_id FROM session JOIN lock USING (lock_id)"
        " LEFT JOIN person ON person = reference"
        f" WHERE removed_ms IS NULL AND told_ms IS NULL AND rule = ? AND {where}"
    )
    named = set()
    for raw, lock_id in connection.execute(sql, (rule, value)).fetchall():
        session_id = SessionId(raw)
        named.add(session_id)
        if of_session(connection, session_id, reason, now):
            continue
        revoke = Revoke(session_id)
        sql = "SELECT 1 FROM revocation WHERE lock_id = ? AND body = ?"
        if connection.execute(sql, (lock_id, revoke.encode())).fetchone() is None:
            _add(connection, LockId(lock_id), revoke, now, Instant(now + _ASKED_AGAIN_MS))
    return named


def spare_new_sessions(connection: sqlite3.Connection, guest_id: GuestId, now: Instant) -> None:
    """Name a guest's revoked sessions one by one in what is pending: else a lock that hears of it
    late would forget the guest's next sessions, too.
    """
    body = Revoke(guest_id).encode()
    sql = "DELETE FROM revocation WHERE body = ? RETURNING lock_id, since_ms"
    for lock_id, since in connection.execute(sql, (body,)).fetchall():
        sql = (
            "SELECT session_id, not_after_ms FROM session WHERE guest_id = ? AND lock_id = ?"
            " AND revoked_ms IS NOT NULL AND not_after_ms > ?"
        )
        for session_id, until in connection.execute(sql, (guest_id.raw, lock_id, now)).fetchall():
            revoke = Revoke(SessionId(session_id))
            _add(connection, LockId(lock_id), revoke, Instant(since), Instant(until))


def pending(
    connection: sqlite3.Connection, where: str = "true", values: tuple[object, ...] = ()
) -> Iterator[PendingRevocation]:
    """The revocations for which `where` holds, the oldest first."""
    sql = f"SELECT {_COLUMNS} FROM revocation WHERE {where} ORDER BY number"
    for number, lock_id, body, since, until in connection.execute(sql, values):
        revoke = decode(DownType.REVOKE, body)
        assert isinstance(revoke, Revoke)
        yield PendingRevocation(number, LockId(lock_id), revoke, Instant(since), Instant(until))


def settle(
    connection: sqlite3.Connection, revocation: PendingRevocation, reason: str, now: Instant
) -> None:
    """It need not be told any more."""
    connection.execute("DELETE FROM revocation WHERE number = ?", (revocation.number,))
    whom = revocation.revoke.whom
    entry = AuditEntry(
        time=now,
        kind=AuditKind.REVOCATION_SETTLED,
        guest_id=whom if isinstance(whom, GuestId) else None,
        lock_id=revocation.lock_id,
        trace=whom.raw if isinstance(whom, SessionId) else None,
        reason=reason,
    )
    chain.append(connection, entry)


def _add(
    connection: sqlite3.Connection, lock_id: LockId, revoke: Revoke, since: Instant, until: Instant
) -> None:
    connection.execute(
        f"INSERT INTO revocation ({_COLUMNS}) VALUES (NULL, ?, ?, ?, ?)",
        (str(lock_id), revoke.encode(), since, until),
    )


def _end(
    connection: sqlite3.Connection,
    where: str,
    values: tuple[object, ...],
    reason: str,
    now: Instant,
) -> None:
    sql = (
        "SELECT session_id, guest_id, lock_id, rule, name FROM session"
        f" LEFT JOIN person ON person = reference WHERE {where} ORDER BY not_after_ms"
    )
    for session_id, guest_id, lock_id, rule, name in connection.execute(sql, values).fetchall():
        sql = "UPDATE session SET revoked_ms = ?, key = NULL WHERE session_id = ?"
        connection.execute(sql, (now, session_id))
        entry = AuditEntry(
            time=now,
            kind=AuditKind.SESSION_REVOKED,
            person=name,
            guest_id=GuestId(guest_id),
            lock_id=LockId(lock_id),
            trace=session_id,
            rule=rule,
            reason=reason,
        )
        chain.append(connection, entry)
