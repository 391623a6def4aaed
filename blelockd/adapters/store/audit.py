"""store.AuditRecords on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Final

from blelockd.adapters.store import chain, forgetting, retention, verification
from blelockd.adapters.store.continuity import Continuity
from blelockd.adapters.store.database import Database
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.rsa_keys import IssuerSigningKey, IssuerSigningPublic
from blelockd.services.issuer.audit import (
    AuditEntry,
    AuditEvent,
    AuditFilter,
    AuditKind,
    Head,
    SignedHead,
)
from blelockd.services.issuer.audit_check import Broken, Verified

_PAGE: Final = 500
# AuditEvent.happened as text that sorts by time: a lock's words end with its time, big-endian, 0
# where it knew none. No index: half a million events are read through in a quarter of a second.
_HAPPENED: Final = (
    "CASE WHEN door IS NULL OR substr(door, -8) = zeroblob(8)"
    " THEN printf('%016X', time_ms) ELSE hex(substr(door, -8)) END"
)
_AS_TEXT: Final = "printf('%016X', max(0, ?))"


class SqliteAudit:
    """The audit events. Signed is only what goes on from what `continuity` has seen."""

    def __init__(self, database: Database, continuity: Continuity) -> None:
        self._database = database
        self._continuity = continuity
        self._signed: SignedHead | None = None

    @property
    def broken(self) -> Broken | None:
        """As AuditRecords.broken."""
        return self._continuity.broken

    def record(self, entry: AuditEntry) -> AuditEvent:
        """As AuditRecords.record."""
        return self._database.write(lambda connection: chain.append(connection, entry))

    def find(self, wanted: AuditFilter) -> list[AuditEvent]:
        """As AuditRecords.find."""
        where, values = _wanted(wanted)
        return self._database.read(lambda connection: list(chain.events(connection, where, values)))

    def walk(self, wanted: AuditFilter) -> Iterator[AuditEvent]:
        """As find, some at a time: however many there are. Raises StoreFailed."""
        where, values = _wanted(wanted)
        at = 0
        while True:
            found = self._database.read(partial(_page, where, values, at))
            yield from found
            if len(found) < _PAGE:
                return
            at = found[-1].event_id

    def count(self, wanted: AuditFilter, before: int) -> int:
        """How many events match whose id is lower, whatever `at_most` is. Raises StoreFailed."""
        where, values = _wanted(replace(wanted, at_most=None))
        sql = f"SELECT count(*) FROM {chain.JOINED} WHERE {where} AND event_id < ?"

        def work(connection: sqlite3.Connection) -> int:
            ((older,),) = connection.execute(sql, (*values, before))
            return int(older)

        return self._database.read(work)

    def get(self, event_id: int) -> AuditEvent | None:
        """As AuditRecords.get."""

        def work(connection: sqlite3.Connection) -> AuditEvent | None:
            return next(chain.events(connection, "event_id = ?", (event_id,)), None)

        return self._database.read(work)

    def head(self) -> Head:
        """The last event; raises StoreFailed."""
        return self._database.read(chain.head)

    def signed_head(self) -> SignedHead | None:
        """As AuditRecords.signed_head."""
        return self._database.read(chain.signed_head)

    def sign(self, issuer: IssuerSigningKey, now: Instant) -> SignedHead | None:
        """As AuditRecords.sign."""
        self.head()  # makes the file where it is missing
        self._continuity.begin(issuer.public_key)
        head, known = self._database.read(
            lambda connection: (self._continuity.follow(connection), chain.signed_head(connection))
        )
        if known is not None and known.head == head and self._signed in (None, known):
            return None
        signed = SignedHead.by(issuer, head, now)
        self._database.write(lambda connection: chain.put_signed_head(connection, signed))
        self._signed = signed
        return signed

    def accept(
        self, issuer: IssuerSigningKey, now: Instant, noted: Sequence[Head] = ()
    ) -> Verified:
        """Sign what is there, whatever was signed or seen before; an event says so.

        Nothing has changed if it raises Broken, for an audit that is not whole in itself or has
        not the heads that were `noted`; StoreFailed.
        """

        def work(connection: sqlite3.Connection) -> Verified:
            reason = f"up to {chain.head(connection)}"
            chain.append(connection, AuditEntry(time=now, kind=AuditKind.ACCEPTED, reason=reason))
            signed = SignedHead.by(issuer, chain.head(connection), now)
            chain.put_signed_head(connection, signed)
            return verification.verify(connection, issuer.public_key, tuple(noted))

        return self._database.write(work)

    def prune(self, before: Instant, now: Instant) -> int:
        """As AuditRecords.prune."""

        def work(connection: sqlite3.Connection) -> int:
            pruned = retention.prune(connection, before, now)
            self._continuity.may_begin_with(chain.first(connection))
            return pruned

        return self._database.write(work)

    def verify(
        self, issuer: IssuerSigningPublic | None = None, noted: Sequence[Head] = ()
    ) -> Verified:
        """That nothing in the file was changed. Raises Broken, StoreFailed.

        `issuer` is whose signed head to believe; `noted` are heads that were noted elsewhere.
        """
        return self._database.read(
            lambda connection: verification.verify(connection, issuer, tuple(noted))
        )

    def forget(self, person: str, now: Instant) -> bytes:
        """Let go of that name for good; what stands for it in the audit from now on.

        Raises NotKept for a name that is not known; StoreFailed.
        """
        reference = self._database.write(
            lambda connection: forgetting.forget(connection, person, now)
        )
        self._database.checkpoint()
        return reference


def _wanted(wanted: AuditFilter) -> tuple[str, list[object]]:
    tests: list[tuple[str, object]] = [
        ("name = ?", wanted.person),
        ("lock_id = ?", None if wanted.lock_id is None else str(wanted.lock_id)),
        (f"{_HAPPENED} >= {_AS_TEXT}", wanted.since),
        (f"{_HAPPENED} < {_AS_TEXT}", wanted.before),
        ("trace = ?", wanted.trace),
        ("guest_id = ?", None if wanted.guest_id is None else wanted.guest_id.raw),
        ("kind = ?", None if wanted.kind is None else wanted.kind.value),
    ]
    given = [(test, value) for test, value in tests if value is not None]
    where = " AND ".join(["true", *(test for test, _ in given)])
    values = [value for _, value in given]
    if wanted.at_most is not None:
        newest = f"SELECT event_id FROM {chain.JOINED} WHERE {where}"
        where = f"event_id IN ({newest} ORDER BY event_id DESC LIMIT ?)"
        values.append(wanted.at_most)
    return where, values


def _page(
    where: str, values: list[object], after: int, connection: sqlite3.Connection
) -> list[AuditEvent]:
    where = f"({where}) AND event_id > ?"
    return list(islice(chain.events(connection, where, [*values, after]), _PAGE))
