"""The audit: one event for every decision, each bound to the one before by its hash.

Pure. What an event is, its one form as bytes, and the hash that binds it are defined here alone.
No event holds a name: a person is a reference, which is a salted hash of the name, so that a name
can be forgotten and the chain still be verified.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import GuestId, LockId
from blelockd.protocol.instants import THE_EPOCH, Instant
from blelockd.protocol.v2.reports import Event as DoorEvent
from blelockd.protocol.v2.rsa_keys import IssuerSigningKey, IssuerSigningPublic
from blelockd.protocol.v2.wire import DIGEST_BYTES, labelled_hash, u8, u16, u64

TRACE_BYTES: Final = 16
SALT_BYTES: Final = 16
REFERENCE_BYTES: Final = 16
LONGEST_REASON_CHARACTERS: Final = 200
NOTHING_BEFORE: Final = bytes(DIGEST_BYTES)
"""The hash before the first event."""

_HEAD: Final = re.compile(r"(0|[1-9][0-9]{0,17}):([0-9a-f]{64})")
_HEAD_DOMAIN: Final = "blelock/audit-head"


class AuditKind(StrEnum):
    """What was decided, or happened."""

    BEGUN = "begun"
    LOCK_ADDED = "lock-added"
    LOCK_REMOVED = "lock-removed"
    LOCK_STARTED = "lock-started"
    """A lock has a new epoch."""
    GUEST_INVITED = "guest-invited"
    INVITE_VOIDED = "invite-voided"
    ENROLMENT_REFUSED = "enrolment-refused"
    GUEST_ENROLLED = "guest-enrolled"
    GUEST_SUSPENDED = "guest-suspended"
    GUEST_RESUMED = "guest-resumed"
    GUEST_REMOVED = "guest-removed"
    PERSON_FORGOTTEN = "person-forgotten"
    REQUEST_DENIED = "request-denied"
    """Before the guest was known."""
    SESSION_REFUSED = "session-refused"
    SESSION_GRANTED = "session-granted"
    SESSION_DELIVERED = "session-delivered"
    """The lock has acknowledged it."""
    SESSION_REVOKED = "session-revoked"
    REVOCATION_SETTLED = "revocation-settled"
    """The lock has acknowledged it, or all that it was about has ended."""
    DOOR = "door"
    """An event of a lock, in its own words."""
    EVENTS_MISSING = "events-missing"
    """A lock's counter has left numbers out."""
    RETENTION = "retention"
    """Older events are gone; the reason is the head that they had: what the rest begins behind."""
    RESTORED = "restored"
    """The store came out of a backup: what happened after that is not in it."""
    ACCEPTED = "accepted"
    """The operator vouches for what was there, whatever was signed before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An event to be kept. `time` is the issuer's.

    `trace` is the id of the session, or H(request)[:16] where there never was one. `rule` is the
    rule of the access policy that decided, "" for the guest's own grant. `reason` is for people,
    and holds no name of any.
    """

    time: Instant
    kind: AuditKind
    person: str | None = None
    guest_id: GuestId | None = None
    lock_id: LockId | None = None
    trace: bytes | None = None
    rule: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """An event that is kept. `event_id` counts from 1 without a gap. `time` is the issuer's: for
    what a lock said, when it was heard.

    `reference` stands for the person, whose name is `person` unless it was forgotten. `door` is
    what the lock said, for a DOOR event.
    """

    event_id: int
    time: Instant
    kind: AuditKind
    reference: bytes | None = None
    person: str | None = None
    guest_id: GuestId | None = None
    lock_id: LockId | None = None
    trace: bytes | None = None
    rule: str | None = None
    reason: str = ""
    door: DoorEvent | None = None

    @property
    def happened(self) -> Instant:
        """When it happened: by the lock's word where it knew the time, else when it was heard."""
        if self.door is None or self.door.time == THE_EPOCH:
            return self.time
        return self.door.time

    def encode(self) -> bytes:
        """All of it but the name, in one form only: what the chain binds."""
        lock = None if self.lock_id is None else str(self.lock_id).encode("ascii")
        rule = None if self.rule is None else self.rule.encode("utf-8")
        fields = (
            self.kind.encode("ascii"),
            self.reference,
            None if self.guest_id is None else self.guest_id.raw,
            lock,
            self.trace,
            rule,
            self.reason.encode("utf-8"),
            None if self.door is None else self.door.encode(),
        )
        return u64(self.event_id) + u64(self.time) + b"".join(_field(field) for field in fields)


def _field(raw: bytes | None) -> bytes:
    """`00` for nothing; `01 | length u16 | the bytes`."""
    return u8(0) if raw is None else u8(1) + u16(len(raw)) + raw


def link(before: bytes, event: AuditEvent) -> bytes:
    """The hash of an event: H(LBL("blelock/audit") || the hash before || the event)."""
    return labelled_hash("blelock/audit", before + event.encode())


def reference_of(salt: bytes, name: str) -> bytes:
    """What stands for a person: H(LBL("blelock/audit-person") || salt || name)[:16]."""
    return labelled_hash("blelock/audit-person", salt + name.encode("utf-8"))[:REFERENCE_BYTES]


@dataclass(frozen=True, slots=True)
class Head:
    """The last event and its hash; (0, NOTHING_BEFORE) before there is any."""

    event_id: int
    hash: bytes

    @classmethod
    def parse(cls, text: str) -> Head:
        """The head that `str` has written; raises Malformed."""
        found = _HEAD.fullmatch(text)
        if found is None:
            raise Malformed("a head is the number of an event, ':' and 64 hex digits")
        return cls(int(found[1]), bytes.fromhex(found[2]))

    def __str__(self) -> str:
        return f"{self.event_id}:{self.hash.hex()}"


@dataclass(frozen=True, slots=True)
class SignedHead:
    """What the issuer vouches for: that this was the head at `time`, and all before it as it was.

    Who changes or cuts what is before it would have to sign anew.
    """

    head: Head
    time: Instant
    signature: bytes

    @classmethod
    def by(cls, issuer: IssuerSigningKey, head: Head, time: Instant) -> SignedHead:
        """The head, signed: PSS(ISK, `blelock/audit-head`, event_id u64 || hash || time u64)."""
        return cls(head, time, issuer.sign(_HEAD_DOMAIN, _to_sign(head, time)))

    def verify(self, issuer: IssuerSigningPublic) -> None:
        """Returns if that issuer has signed it; raises Unauthentic."""
        issuer.verify(_HEAD_DOMAIN, _to_sign(self.head, self.time), self.signature)


def _to_sign(head: Head, time: Instant) -> bytes:
    return u64(head.event_id) + head.hash + u64(time)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which events are asked for: those that match all that is given.

    `since` and `before` are about when it happened, AuditEvent.happened.
    """

    person: str | None = None
    lock_id: LockId | None = None
    since: Instant | None = None
    before: Instant | None = None
    trace: bytes | None = None
    guest_id: GuestId | None = None
    kind: AuditKind | None = None
    at_most: int | None = None
    """The newest so many."""
