"""Forgetting a person: the name and what belongs to it go, the audit stays, and can be verified."""

from __future__ import annotations

import sqlite3

from blelockd.adapters.store import chain, guests, people
from blelockd.protocol.ids import GuestId
from blelockd.protocol.instants import Instant
from blelockd.services.issuer.audit import AuditEntry, AuditKind
from blelockd.services.issuer.records import GuestState, NotKept


def forget(connection: sqlite3.Connection, name: str, now: Instant) -> bytes:
    """What stands for that person from now on; raises NotKept for an unknown name.

    Their guests are removed, their sessions revoked.
    """
    who = people.find(connection, name)
    if who is None:
        raise NotKept("there is nobody of that name")
    sql = "SELECT guest_id FROM guest WHERE person = ? AND state != ?"
    for (guest_id,) in connection.execute(sql, (who, GuestState.REMOVED.value)).fetchall():
        guests.remove(connection, GuestId(guest_id), now)
    chain.append(connection, AuditEntry(time=now, kind=AuditKind.PERSON_FORGOTTEN, person=name))
    for table in ("guest", "invite", "openings", "session"):
        connection.execute(f"DELETE FROM {table} WHERE person = ?", (who,))
    connection.execute("DELETE FROM person WHERE reference = ?", (who,))
    return who
