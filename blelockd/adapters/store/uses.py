"""How often sessions have opened a door, and what counts as used because nobody will ever know."""

from __future__ import annotations

import sqlite3
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.reports import Event as DoorEvent
from blelockd.protocol.v2.reports import EventType
from blelockd.protocol.v2.terms import MOST_USES, Terms
from blelockd.protocol.v2.wire import Reader

_USE: Final = {EventType.OPENED: 1, EventType.STRIKE_FAILED: -1}

LATE: Final = "late"
"""With this begins what the audit says of an event that was thought to be missing."""

Owner = tuple[GuestId | None, str | None, str | None]
"""Guest, person and rule of a session: None for one that is not that lock's, or not known."""


def read_terms(raw: bytes) -> Terms:
    """What a session was granted on, as the store has it. Raises Malformed."""
    reader = Reader(raw)
    terms = Terms.take(reader, 0)
    reader.done()
    return terms


def count(
    connection: sqlite3.Connection, lock_id: LockId, event: DoorEvent, *, is_late: bool = False
) -> Owner:
    """Count what `event` of that lock says was used, or was not after all; whose session it is.

    No session counts for more than it may be used, nor for less than nothing. One that `is_late`,
    for it was thought to be missing, gives nothing back: what followed it is counted already.
    """
    sql = (
        "SELECT guest_id, person, name, rule, openings, terms FROM session LEFT JOIN person ON"
        " person = reference WHERE session_id = ? AND lock_id = ?"
    )
    session = event.session_id.raw
    row = connection.execute(sql, (session, str(lock_id))).fetchone()
    if row is None:
        return None, None, None
    guest_id, who, name, rule, openings, terms = row
    use = max(_USE.get(event.kind, 0), 0 if is_late else -openings)
    most = read_terms(terms).max_uses
    if most:
        use = min(use, most - openings)
    _add(connection, session, who, guest_id, rule, use)
    return GuestId(guest_id), name, rule


def spend_untold_of_lock(connection: sqlite3.Connection, lock_id: LockId) -> int:
    """Events of that lock are lost, or will not come: what its sessions of limited uses may have
    opened counts as used, all of it, unless the lock has told that they are over; how many
    sessions these are.
    """
    return _spend(connection, "lock_id = ?", (str(lock_id),))


def spend_untold_before(connection: sqlite3.Connection, before: Instant) -> int:
    """Sessions that ended before then are let go of: the same."""
    return _spend(connection, "not_after_ms < ?", (before,))


def spend_untold(connection: sqlite3.Connection) -> int:
    """What any lock has told since may be lost: the same, for all of them."""
    return _spend(connection, "true", ())


def begin_anew(connection: sqlite3.Connection, guest_id: GuestId) -> None:
    """That guest has a new grant: nothing of it is used yet."""
    sql = "DELETE FROM openings WHERE guest_id = ? AND rule = ''"
    connection.execute(sql, (guest_id.raw,))


def catch_up(connection: sqlite3.Connection, session: SessionId, openings: int) -> None:
    """That session is known to have had so many openings: count those that are not counted yet."""
    sql = "SELECT person, guest_id, rule, openings FROM session WHERE session_id = ?"
    row = connection.execute(sql, (session.raw,)).fetchone()
    if row is not None:
        who, guest_id, rule, known = row
        _add(connection, session.raw, who, guest_id, rule, max(0, openings - known))


def is_late(reason: str) -> bool:
    """Whether the audit says so of an event."""
    return reason.startswith(LATE)


def with_spent(reason: str, spent: int) -> str:
    """`reason`, and that the uses of so many sessions count as used: so the audit says it."""
    told = f"limited uses of {spent} sessions count as used" if spent else ""
    return "; ".join(filter(None, (reason, told)))


def _spend(connection: sqlite3.Connection, where: str, values: tuple[object, ...]) -> int:
    sql = (
        "SELECT session_id, person, guest_id, rule, openings, terms FROM session"
        f" WHERE told_ms IS NULL AND {where}"
    )
    spent = 0
    for session, who, guest_id, rule, openings, terms in connection.execute(sql, values).fetchall():
        left = _most_uses(terms) - openings
        if left > 0:
            _add(connection, session, who, guest_id, rule, left)
            spent += 1
    return spent


def _most_uses(terms: bytes) -> int:
    try:
        return read_terms(terms).max_uses
    except Malformed:  # of a damaged copy: it may have been any number
        return MOST_USES


def _add(
    connection: sqlite3.Connection,
    session: bytes,
    who: bytes | None,
    guest_id: bytes,
    rule: str,
    use: int,
) -> None:
    if not use:
        return
    sql = "UPDATE session SET openings = openings + ? WHERE session_id = ?"
    connection.execute(sql, (use, session))
    if who is None:
        return
    sql = (
        "INSERT INTO openings VALUES (?, ?, ?, max(0, ?4)) ON CONFLICT DO UPDATE"
        " SET openings = max(0, openings + ?4)"
    )
    connection.execute(sql, (who, guest_id, rule, use))
