"""Audit events as rows. Each is appended in the transaction of what it tells, to the last one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from blelockd.adapters.store import people
from blelockd.adapters.store.database import Row
from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import GuestId, LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.reports import Event as DoorEvent
from blelockd.protocol.v2.reports import UpType, decode_body
from blelockd.services.issuer.audit import (
    LONGEST_REASON_CHARACTERS,
    NOTHING_BEFORE,
    AuditEntry,
    AuditEvent,
    AuditKind,
    Head,
    SignedHead,
    link,
)

_COLUMNS: Final = (
    "event_id, time_ms, kind, audit.person, name, guest_id, lock_id, trace, rule, reason, door"
)
JOINED: Final = "audit LEFT JOIN person ON audit.person = person.reference"


def append(
    connection: sqlite3.Connection, entry: AuditEntry, door: DoorEvent | None = None
) -> AuditEvent:
    """Bind one more event to the chain; `connection` is in a writing transaction."""
    before = head(connection)
    who = None if entry.person is None else people.reference(connection, entry.person)
    event = AuditEvent(
        event_id=before.event_id + 1,
        time=entry.time,
        kind=entry.kind,
        reference=who,
        person=entry.person,
        guest_id=entry.guest_id,
        lock_id=entry.lock_id,
        trace=entry.trace,
        rule=entry.rule,
        reason=entry.reason[:LONGEST_REASON_CHARACTERS],
        door=door,
    )
    values = (*_values(event), link(before.hash, event))
    connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    return event


def head(connection: sqlite3.Connection) -> Head:
    """The last event."""
    sql = "SELECT event_id, hash FROM audit ORDER BY event_id DESC LIMIT 1"
    row = connection.execute(sql).fetchone()
    return Head(0, NOTHING_BEFORE) if row is None else Head(int(row[0]), bytes(row[1]))


def head_at(connection: sqlite3.Connection, event_id: int) -> Head | None:
    """What was the head when that event was the last, if it is there."""
    row = connection.execute("SELECT hash FROM audit WHERE event_id = ?", (event_id,)).fetchone()
    return None if row is None else Head(event_id, bytes(row[0]))


def first(connection: sqlite3.Connection) -> int:
    """The number of the oldest event that is there; 0 if there is none."""
    ((event_id,),) = connection.execute("SELECT coalesce(min(event_id), 0) FROM audit")
    return int(event_id)


def events(
    connection: sqlite3.Connection, where: str = "true", values: Sequence[object] = ()
) -> Iterator[AuditEvent]:
    """The events for which `where` holds, the oldest first; raises ValueError or Malformed."""
    sql = f"SELECT {_COLUMNS} FROM {JOINED} WHERE {where} ORDER BY event_id"
    for row in connection.execute(sql, values):
        yield as_event(row)


def rows(
    connection: sqlite3.Connection, where: str = "true", values: Sequence[object] = ()
) -> Iterator[tuple[int, AuditEvent | None, bytes]]:
    """Each row: number, event (None where it cannot be read) and hash; the oldest first."""
    sql = f"SELECT hash, {_COLUMNS} FROM {JOINED} WHERE {where} ORDER BY event_id"
    for stored, *row in connection.execute(sql, values):
        try:
            event = as_event(tuple(row))
        except (Malformed, ValueError):
            event = None
        yield row[0], event, stored


def base(connection: sqlite3.Connection) -> Head:
    """What retention has left for the oldest event to begin behind; raises Malformed."""
    sql = "SELECT reason FROM audit WHERE kind = ? ORDER BY event_id DESC LIMIT 1"
    row = connection.execute(sql, (AuditKind.RETENTION.value,)).fetchone()
    return Head(0, NOTHING_BEFORE) if row is None else Head.parse(row[0])


def signed_head(connection: sqlite3.Connection) -> SignedHead | None:
    """The newest head that the issuer has signed."""
    sql = (
        "SELECT event_id, hash, time_ms, signature FROM signed_head ORDER BY event_id DESC LIMIT 1"
    )
    row = connection.execute(sql).fetchone()
    return None if row is None else SignedHead(Head(row[0], row[1]), Instant(row[2]), row[3])


def put_signed_head(connection: sqlite3.Connection, signed: SignedHead) -> None:
    """Keep it, in place of the one before."""
    connection.execute("DELETE FROM signed_head")
    row = signed.head.event_id, signed.head.hash, signed.time, signed.signature
    connection.execute("INSERT INTO signed_head VALUES (?, ?, ?, ?)", row)


def _values(event: AuditEvent) -> Row:
    return (
        event.event_id,
        event.time,
        event.kind.value,
        event.reference,
        None if event.guest_id is None else event.guest_id.raw,
        None if event.lock_id is None else str(event.lock_id),
        event.trace,
        event.rule,
        event.reason,
        None if event.door is None else event.door.encode(),
    )


def as_event(
    row: tuple[int, int, str, bytes, str, bytes, str, bytes, str, str, bytes],
) -> AuditEvent:
    """The event in a row of its columns, the name among them; raises ValueError, Malformed."""
    event_id, time_ms, kind, who, name, guest_id, lock_id, trace, rule, reason, door = row
    return AuditEvent(
        event_id=event_id,
        time=Instant(time_ms),
        kind=AuditKind(kind),
        reference=who,
        person=name,
        guest_id=None if guest_id is None else GuestId(guest_id),
        lock_id=None if lock_id is None else LockId.parse(lock_id),
        trace=trace,
        rule=rule,
        reason=reason,
        door=None if door is None else door_event(door),
    )


def door_event(body: bytes) -> DoorEvent:
    """A lock's event in its own bytes; raises Malformed."""
    event = decode_body(UpType.EVENT, body)
    assert isinstance(event, DoorEvent)
    return event
