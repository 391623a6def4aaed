"""Does the audit go on from what this process has seen of it? Only then is it signed and copied.

Else who can write the file, and has no key, would write it anew and have the daemon sign that. What
was seen is in memory, where nobody writes it; at the start it is what the stored signature and the
copy beside the store say. Not judged: what came after the last look, a minute at most.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, suppress
from typing import Final

from blelockd.adapters.store import chain, rolling, verification
from blelockd.adapters.store.database import Database, connect
from blelockd.protocol.v2.rsa_keys import IssuerSigningPublic
from blelockd.services.issuer.audit import AuditKind, Head, SignedHead
from blelockd.services.issuer.audit_check import Broken, ChainCheck

_OF_DAEMON: Final = (
    AuditKind.LOCK_STARTED,
    AuditKind.ENROLMENT_REFUSED,
    AuditKind.GUEST_ENROLLED,
    AuditKind.REQUEST_DENIED,
    AuditKind.SESSION_REFUSED,
    AuditKind.SESSION_GRANTED,
    AuditKind.SESSION_DELIVERED,
    AuditKind.DOOR,
    AuditKind.EVENTS_MISSING,
    AuditKind.RETENTION,
)
"""What only a running daemon enters, which signs first of all: a head must be signed then."""


class Continuity:
    """Of one store in this process. `broken` is why it does not go on, as far as was looked."""

    def __init__(self, database: Database) -> None:
        self.broken: Broken | None = None
        self._database = database
        self.beginning = threading.Lock()
        """Held while the file is read by another connection: it must not be replaced meanwhile."""
        self._seen: Head | None = None
        self._firsts: set[int] = set()
        """With which event the audit may begin: only this process takes older ones away."""
        self._refused: tuple[Head, SignedHead | None] | None = None

    def begin(self, issuer: IssuerSigningPublic) -> None:
        """Read all of it, where nothing was seen yet. Raises Broken, StoreFailed.

        Takes seconds for a large one, so on a connection of its own: nobody else has to wait.
        """
        with self.beginning:
            if self._seen is None:
                apart = self._database.another()
                try:
                    apart.read(lambda connection: self._begin(connection, issuer))
                finally:
                    apart.close()

    def follow(self, connection: sqlite3.Connection) -> Head:
        """The last event, after looking at what is new. It has begun. Raises Broken.

        `connection` is the store's own, which one thread uses at a time.
        """
        assert self._seen is not None
        try:
            self._seen = self._continued(connection, self._seen)
        except Broken as broken:
            self.broken = broken
            raise
        self.broken = None
        return self._seen

    def may_begin_with(self, first: int) -> None:
        """This process takes all before event `first` away, unless that fails."""
        self._firsts.add(first)

    def take(self, connection: sqlite3.Connection) -> bool:
        """What is there now is what this process has just recovered: go on from it. Whether it has
        what was seen before.
        """
        first, seen, firsts = chain.first(connection), self._seen, self._firsts
        self._seen, self._firsts, self.broken = chain.head(connection), {first}, None
        if seen is None:
            return True
        # The wreck was believed in what it says of retention: this process knows its own.
        return first in firsts and (seen.event_id < first or _at(connection, seen) == seen)

    def _begin(self, connection: sqlite3.Connection, issuer: IssuerSigningPublic) -> None:
        found = chain.head(connection), chain.signed_head(connection)
        if self.broken is not None and found == self._refused:
            raise self.broken  # nothing has changed: it need not be read again each minute
        try:
            verified = verification.verify(connection, issuer, ())
            _check_signed(connection, self._database.found_events)
            self._check_copies(connection, verified.base, issuer)
        except Broken as broken:
            self._refused, self.broken = found, broken
            raise
        self._seen, self._firsts = verified.head, {chain.first(connection)}
        self.broken = None

    def _continued(self, connection: sqlite3.Connection, seen: Head) -> Head:
        first = chain.first(connection)
        if first not in self._firsts:
            raise Broken("the oldest events are gone, and not by retention", min(self._firsts))
        if seen.event_id >= first and chain.head_at(connection, seen.event_id) != seen:
            reason = f"event {seen.event_id}, or one before it, is not what this daemon has seen"
            raise Broken(reason, seen.event_id)
        check = ChainCheck(seen)
        for row in chain.rows(connection, "event_id > ?", (seen.event_id,)):
            check.take(*row)
        self._firsts = {first}
        return check.head

    def _check_copies(
        self, connection: sqlite3.Connection, base: Head, issuer: IssuerSigningPublic
    ) -> None:
        """Raises Broken where a good copy goes further, or otherwise, and nothing explains it."""
        for path in rolling.candidates(self._database.path):
            if not path.exists():
                continue
            with suppress(sqlite3.Error), closing(connect(path)) as copy:
                last = chain.head(copy)
                if last.event_id < base.event_id or last in (base, _at(connection, last)):
                    return
                try:
                    verification.verify(copy, issuer, ())
                except Broken:
                    continue  # that copy is worth nothing
                if not _is_explained(connection, copy):
                    reason = f"it is not the one of which {path.name} has event {last.event_id}"
                    raise Broken(reason, last.event_id)


def _at(connection: sqlite3.Connection, head: Head) -> Head | None:
    return chain.head_at(connection, head.event_id)


def _check_signed(connection: sqlite3.Connection, found: int | None) -> None:
    """Raises Broken where there is nothing, or no head is signed and a daemon was at work before
    this one, which has found the events up to `found`.
    """
    head = chain.head(connection)
    if head.event_id == 0:
        raise Broken("all events are gone", 1)
    if chain.signed_head(connection) is None:
        marks = ", ".join("?" * len(_OF_DAEMON))
        sql = f"SELECT min(event_id) FROM audit WHERE event_id <= ? AND kind IN ({marks})"
        values = (head.event_id if found is None else found, *(kind.value for kind in _OF_DAEMON))
        ((event_id,),) = connection.execute(sql, values)
        if event_id is not None:
            raise Broken(f"the signed head is gone: with event {event_id} there was one", event_id)


def _is_explained(connection: sqlite3.Connection, copy: sqlite3.Connection) -> bool:
    """Whether the audit says, behind all that it has in common with `copy`, that it was restored,
    or that the operator has accepted it.
    """
    sql = "SELECT event_id, hash FROM audit"
    common = {*connection.execute(sql)} & {*copy.execute(sql)}
    sql = "SELECT coalesce(max(event_id), 0) FROM audit WHERE kind IN (?, ?)"
    values = AuditKind.RESTORED.value, AuditKind.ACCEPTED.value
    ((said,),) = connection.execute(sql, values)
    return bool(said > max((event_id for event_id, _ in common), default=0))
