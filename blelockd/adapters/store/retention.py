"""What has been kept for long enough goes. What remains of the audit can still be verified."""

from __future__ import annotations

import sqlite3
from typing import Final

from blelockd.adapters.store import chain, uses
from blelockd.protocol.instants import Instant
from blelockd.services.issuer.audit import AuditEntry, AuditKind, Head
from blelockd.services.issuer.records import GuestState

_ORPHANED_PEOPLE: Final = """
    DELETE FROM person WHERE NOT EXISTS (SELECT 1 FROM audit WHERE audit.person = reference)
    AND NOT EXISTS (SELECT 1 FROM guest WHERE guest.person = reference)
    AND NOT EXISTS (SELECT 1 FROM invite WHERE invite.person = reference)
    AND NOT EXISTS (SELECT 1 FROM session WHERE session.person = reference)
"""
_ORPHANED_PERMITS: Final = """
    DELETE FROM permit WHERE permit_id NOT IN (SELECT permit_id FROM guest)
    AND permit_id NOT IN (SELECT permit_id FROM invite)
"""


def prune(connection: sqlite3.Connection, before: Instant, now: Instant) -> int:
    """Let go of what happened before then; how many events.

    Only events up to a signed head go: else who removes them could pass for retention.
    """
    uses.spend_untold_before(connection, before)
    connection.execute("DELETE FROM session WHERE not_after_ms < ?", (before,))
    pruned = _prune_audit(connection, before, now)
    connection.execute(
        "DELETE FROM guest WHERE state = ? AND guest_id NOT IN"
        " (SELECT guest_id FROM audit WHERE guest_id IS NOT NULL)",
        (GuestState.REMOVED.value,),
    )
    connection.execute(
        "DELETE FROM openings WHERE person NOT IN (SELECT person FROM guest)"
        " AND person NOT IN (SELECT person FROM audit WHERE person IS NOT NULL)"
    )
    connection.execute(_ORPHANED_PERMITS)
    connection.execute(_ORPHANED_PEOPLE)
    return pruned


def _prune_audit(connection: sqlite3.Connection, before: Instant, now: Instant) -> int:
    signed = chain.signed_head(connection)
    if signed is None:
        return 0
    # What bears a time to come was written by a clock that was wrong: it goes with its neighbours.
    sql = "SELECT min(event_id) - 1 FROM audit WHERE time_ms BETWEEN ? AND ?"
    ((last,),) = connection.execute(sql, (before, now))
    last = signed.head.event_id if last is None else min(last, signed.head.event_id)
    sql = "SELECT count(*) FROM audit WHERE event_id <= ? AND kind != ?"
    ((worth_it,),) = connection.execute(sql, (last, AuditKind.RETENTION.value))
    if not worth_it:
        return 0
    ((hash_,),) = connection.execute("SELECT hash FROM audit WHERE event_id = ?", (last,))
    reason = str(Head(last, hash_))
    chain.append(connection, AuditEntry(time=now, kind=AuditKind.RETENTION, reason=reason))
    return connection.execute("DELETE FROM audit WHERE event_id <= ?", (last,)).rowcount
