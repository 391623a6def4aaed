"""What of a wreck is taken over into a store that is whole: a backup of before, or an empty one.

The audit is believed as far as its hashes bind it to what the store has. A guest, a lock and a name
are believed if they have the form of one and fit their own ids; who was suspended, removed or
forgotten by any word that is left of the audit does not come back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

from blelockd.adapters.store import chain, permits, uses
from blelockd.adapters.store.recount import recount
from blelockd.adapters.store.wreck import Raw, Wreck
from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.cards import LockCard
from blelockd.protocol.v2.ec_keys import GuestSigningPublic
from blelockd.services.issuer.audit import (
    NOTHING_BEFORE,
    AuditEvent,
    AuditKind,
    Head,
    link,
    reference_of,
)
from blelockd.services.issuer.records import GuestState

_AUDIT: Final = (
    *("event_id", "time_ms", "kind", "person", "guest_id", "lock_id", "trace"),
    *("rule", "reason", "door", "hash"),
)
_SESSION: Final = (
    *("session_id", "guest_id", "person", "lock_id", "not_before_ms", "not_after_ms"),
    *("terms", "rule", "openings", "delivered_ms", "revoked_ms", "told_ms"),
)
_GUEST: Final = ("guest_id", "person", "key", "label", "state", "permit_id", "enrolled_ms")
_WHOLE_ROWS: Final = ("person", "lock", "permit", "guest")
"""Tables all of whose columns are asked for, in their order."""
_LOCK: Final = ("lock_id", "card", "added_ms", "removed_ms", "epoch", "next_seq")
_STATES: Final = {
    AuditKind.GUEST_ENROLLED: GuestState.ACTIVE,
    AuditKind.GUEST_RESUMED: GuestState.ACTIVE,
    AuditKind.GUEST_SUSPENDED: GuestState.SUSPENDED,
    AuditKind.GUEST_REMOVED: GuestState.REMOVED,
}
_UNFIT: Final = (Malformed, ValueError, TypeError, AttributeError, sqlite3.IntegrityError)
"""What a row that is none of ours runs into."""


class Salvage:
    """From `wreck` into `store`, which is in a writing transaction and ends with `head`."""

    def __init__(self, wreck: Wreck, store: sqlite3.Connection, head: Head) -> None:
        self._wreck = wreck
        self._store = store
        self.head = head
        self.begun_with = head
        self.guests = 0
        self.locks = 0
        self.audit_is_whole = False
        self._events, self._are_all = self._readable_events()
        self._appended: list[AuditEvent] = []

    # --- the audit -------------------------------------------------------------------------------

    def take_audit(self) -> None:
        """The events that follow what the store has: without a gap, each bound to the last.

        `audit_is_whole`: none was left behind, as far as can be told.
        """
        rows = [(event, raw) for event, raw in self._events if event is not None]
        if self.head.event_id == 0 and rows:
            self.head = self._base(rows[0][0].event_id)
        for event, raw in rows:
            if event.event_id != self.head.event_id + 1:
                continue
            hash_ = raw[-1]
            if link(self.head.hash, event) != hash_:
                break
            sql = "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            self._store.execute(sql, raw)
            self.head = Head(event.event_id, hash_)
            self._appended.append(event)
            self._count_door(event)
        last = max((raw[0] for _, raw in self._events), default=0)
        self.audit_is_whole = self._are_all and self.head.event_id >= last
        self._take_signed_head()

    def _readable_events(self) -> tuple[list[tuple[AuditEvent | None, Raw]], bool]:
        rows, are_all = self._wreck.rows("audit", _AUDIT)
        found = {row[0]: row for row in rows if type(row[0]) is int}
        if not are_all:
            more = self._wreck.carved(len(_AUDIT))
            found = {row[0]: row for row in more if type(row[0]) is int} | found
        return [(_event(found[at]), found[at]) for at in sorted(found)], are_all

    def _base(self, first: int) -> Head:
        """What retention has left for event `first` to begin behind."""
        for event, _ in reversed(self._events):
            if event is not None and event.kind is AuditKind.RETENTION:
                with suppress(Malformed):
                    base = Head.parse(event.reason)
                    if base.event_id == first - 1:
                        return base
        return Head(0, NOTHING_BEFORE)

    def _count_door(self, event: AuditEvent) -> None:
        """What the issuer has of a lock's events, so that what is lost shows as missing."""
        if event.door is None or event.lock_id is None or uses.is_late(event.reason):
            return
        sql = (
            "INSERT INTO counter VALUES (?, ?, ?, 0, x'') ON CONFLICT DO UPDATE"
            " SET last = max(last, excluded.last), ahead = 0, ahead_told = x''"
        )
        door = event.door
        self._store.execute(sql, (str(event.lock_id), door.epoch, door.counter))

    def _take_signed_head(self) -> None:
        rows, _ = self._wreck.rows("signed_head", ("event_id", "hash", "time_ms", "signature"))
        for row in rows:
            sql = "SELECT 1 FROM audit WHERE event_id = ? AND hash = ?"
            if self._store.execute(sql, row[:2]).fetchone() is not None:
                self._store.execute("DELETE FROM signed_head")
                self._store.execute("INSERT INTO signed_head VALUES (?, ?, ?, ?)", row)

    # --- who locks and guests are ----------------------------------------------------------------

    def take_members(self) -> None:
        """Names, locks, guests with what they were granted, their sessions and openings."""
        self._each("person", ("reference", "salt", "name"), self._person)
        self.locks = self._each("lock", _LOCK, self._lock)
        self._each("retired_epoch", ("lock_id", "epoch"), self._retired_epoch)
        rows, _ = self._rows("permit", ("permit_id", *permits.COLUMNS.split(", ")))
        # an invite has as many columns, but no text or NULL in that place
        self._permits = {row[0]: row[1:] for row in rows if isinstance(row[1], str | None)}
        self._taken: set[bytes] = set()
        self.guests = self._each("guest", _GUEST, self._guest)
        if not self._rows("guest", _GUEST)[1]:
            self._taken.clear()  # an old row may have been found: the audit counts
        recount(self._store, self._appended)
        self._each("session", _SESSION, self._session)
        self._each("openings", ("person", "guest_id", "rule", "openings"), self._openings)
        if self.audit_is_whole or self.head.event_id == 0:
            self._each("counter", ("lock_id", "epoch", "last"), self._counter)
            self._each("missing", ("lock_id", "epoch", "first", "last"), self._missing)
        self._heed_the_audit()

    def _each(self, table: str, columns: tuple[str, ...], take: Callable[[Raw], None]) -> int:
        """How many rows of that table were fit to be taken."""
        taken = 0
        for row in self._rows(table, columns)[0]:
            with suppress(*_UNFIT):
                take(row)
                taken += 1
        return taken

    def _rows(self, table: str, columns: tuple[str, ...]) -> tuple[list[Raw], bool]:
        """What can be read, and where that is not all, what looks like a row of it before that."""
        rows, are_all = self._wreck.rows(table, columns)
        if are_all or table not in _WHOLE_ROWS:
            return rows, are_all
        return [*self._wreck.carved(len(columns)), *rows], False

    def _person(self, row: Raw) -> None:
        reference, salt, name = row
        if reference_of(salt, name) != reference:
            raise ValueError
        self._store.execute("INSERT OR IGNORE INTO person VALUES (?, ?, ?)", row)

    def _lock(self, row: Raw) -> None:
        lock_id, card, added, removed, _, next_seq = row
        if str(LockCard.decode(card).lock_id) != lock_id:
            raise ValueError
        _whole_numbers(added, next_seq, removed or 0)
        sql = (
            f"INSERT INTO lock ({', '.join(_LOCK)}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET card = excluded.card, added_ms = excluded.added_ms,"
            " removed_ms = excluded.removed_ms, epoch = excluded.epoch,"
            " next_seq = max(next_seq, excluded.next_seq)"
        )
        self._store.execute(sql, row)

    def _retired_epoch(self, row: Raw) -> None:
        LockId.parse(row[0])
        self._store.execute("INSERT OR IGNORE INTO retired_epoch VALUES (?, ?)", row)

    def _guest(self, row: Raw) -> None:
        guest_id, person, key, label, state, permit_id, enrolled = row
        if GuestSigningPublic(key).guest_id.raw != guest_id:
            raise ValueError
        permit = permits.add(self._store, permits.grant(self._permits.get(permit_id, ())))
        values = (guest_id, person, key, label, GuestState(state).value, permit, Instant(enrolled))
        self._store.execute("INSERT OR REPLACE INTO guest VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        self._taken.add(guest_id)

    def _openings(self, row: Raw) -> None:
        _whole_numbers(row[-1])
        sql = (
            "INSERT INTO openings VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET openings = max(openings, excluded.openings)"
        )
        self._store.execute(sql, row)

    def _session(self, row: Raw) -> None:
        SessionId(row[0])
        GuestId(row[1])
        LockId.parse(row[3])
        _whole_numbers(row[4], row[5], row[8], row[11] or 0)
        uses.read_terms(row[6])
        marks = ", ".join("?" * len(_SESSION))
        facts = ("terms", "not_before_ms", "not_after_ms", "delivered_ms", "revoked_ms", "told_ms")
        sql = (
            f"INSERT INTO session ({', '.join(_SESSION)}) VALUES ({marks}) ON CONFLICT DO UPDATE"
            f" SET {', '.join(f'{fact} = excluded.{fact}' for fact in facts)}"
        )
        openings = row[8]
        self._store.execute(sql, (*row[:8], 0, *row[9:]))
        uses.catch_up(self._store, SessionId(row[0]), openings)

    def _counter(self, row: Raw) -> None:
        LockId.parse(row[0])
        _whole_numbers(row[2])
        self._store.execute("INSERT OR REPLACE INTO counter VALUES (?, ?, ?, 0, x'')", row)

    def _missing(self, row: Raw) -> None:
        LockId.parse(row[0])
        _whole_numbers(row[2], row[3])
        self._store.execute("INSERT OR REPLACE INTO missing VALUES (?, ?, ?, ?)", row)

    def _heed_the_audit(self) -> None:
        """What the audit says of those whose own rows are of the backup, or gone."""
        states: dict[bytes, GuestState] = {}
        removed: dict[str, bool] = {}
        for event in self._later_events():
            if event.guest_id is not None and event.kind in _STATES:
                states[event.guest_id.raw] = _STATES[event.kind]
            elif event.kind in (AuditKind.LOCK_ADDED, AuditKind.LOCK_REMOVED):
                removed[str(event.lock_id)] = event.kind is AuditKind.LOCK_REMOVED
            elif event.kind is AuditKind.PERSON_FORGOTTEN and event.reference is not None:
                self._forget(event.reference)
        for guest_id, state in states.items():
            if guest_id not in self._taken and state is not GuestState.ACTIVE:
                sql = "UPDATE guest SET state = ? WHERE guest_id = ?"
                self._store.execute(sql, (state.value, guest_id))
        for lock_id in (lock_id for lock_id, is_removed in removed.items() if is_removed):
            sql = "UPDATE lock SET removed_ms = coalesce(removed_ms, added_ms) WHERE lock_id = ?"
            self._store.execute(sql, (lock_id,))

    def _later_events(self) -> Iterator[AuditEvent]:
        for event, _ in self._events:
            if event is not None and event.event_id > self.begun_with.event_id:
                yield event

    def _forget(self, reference: bytes) -> None:
        for table in ("guest", "invite", "openings", "session"):
            self._store.execute(f"DELETE FROM {table} WHERE person = ?", (reference,))
        self._store.execute("DELETE FROM person WHERE reference = ?", (reference,))


def _event(row: Raw) -> AuditEvent | None:
    """The event of a row of the audit, None where it is none. It has no name."""
    event_id, time_ms, kind, person, *rest, _ = row
    with suppress(*_UNFIT, AssertionError):
        event = chain.as_event((event_id, time_ms, kind, person, None, *rest))
        event.encode()
        return event
    return None


def _whole_numbers(*values: Any) -> None:
    if not all(type(value) is int and value >= 0 for value in values):
        raise ValueError
