"""What was used since the copy, counted on from the audit of a wreck.

A session of which only the audit is left may have been for any number of uses: it counts so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from blelockd.adapters.store import uses
from blelockd.protocol.errors import Malformed
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.v2.terms import MOST_USES, Terms
from blelockd.services.issuer.access import BY_GRANT
from blelockd.services.issuer.audit import AuditEvent, AuditKind

LONGEST_SESSION_MS: Final = 86_400 * MS_PER_SECOND


def recount(connection: sqlite3.Connection, events: Iterable[AuditEvent]) -> None:
    """Count what these events, which follow those that the store has, say was used."""
    for event in events:
        if event.kind is AuditKind.GUEST_ENROLLED and event.guest_id is not None:
            uses.begin_anew(connection, event.guest_id)
        elif event.kind is AuditKind.SESSION_GRANTED:
            with suppress(sqlite3.IntegrityError):  # its person's name is lost, or it is known
                _open(connection, event)
        elif event.door is not None and event.lock_id is not None:
            is_late = uses.is_late(event.reason)
            with suppress(Malformed):  # nobody knows what the session was for: all of it is spent
                uses.count(connection, event.lock_id, event.door, is_late=is_late)


def _open(connection: sqlite3.Connection, event: AuditEvent) -> None:
    """The session as far as the audit tells of it. Where its own row can be read that is taken."""
    if event.lock_id is None or event.guest_id is None or event.reference is None:
        return
    until = Instant(event.time + LONGEST_SESSION_MS)
    most = _most_uses(connection, event.guest_id.raw, event.rule or BY_GRANT)
    terms = Terms(event.lock_id, until, max_uses=most)
    connection.execute(
        "INSERT INTO session (session_id, guest_id, person, lock_id, not_before_ms, not_after_ms,"
        " terms, rule) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.trace,
            event.guest_id.raw,
            event.reference,
            str(event.lock_id),
            event.time,
            until,
            terms.encode(),
            event.rule or BY_GRANT,
        ),
    )


def _most_uses(connection: sqlite3.Connection, guest_id: bytes, rule: str) -> int:
    """How many uses a session by that rule may have been for; 0 for no limit. What a rule allows is
    not in the store.
    """
    if rule == BY_GRANT:
        sql = "SELECT uses FROM guest JOIN permit USING (permit_id) WHERE guest_id = ?"
        row = connection.execute(sql, (guest_id,)).fetchone()
        if row is not None:
            return min(int(row[0]), MOST_USES)
    return MOST_USES
