"""What the issuer keeps on disk, as values. How its services reach them is in store.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.cards import LockCard
from blelockd.protocol.v2.down import EventAck, Revoke
from blelockd.protocol.v2.ec_keys import GuestSigningPublic
from blelockd.protocol.v2.invites import InviteKey
from blelockd.services.issuer.access import Grant
from blelockd.services.issuer.audit import AuditEvent


class StoreFailed(Exception):
    """The disk or the file did not do what it was told.

    `problem` begins with the path and says what is wrong, `remedy` what to do.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


class StoreDamaged(StoreFailed):
    """What is in the file is not what was written there."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was put in the place of a damaged store. `reason` is what its audit says of that.

    `kept_as` is the damaged file's name now, `copy` that of the copy it began with, None for none;
    `event_id` is the last event that was saved.
    """

    reason: str
    kept_as: str
    copy: str | None
    event_id: int
    guests: int
    locks: int


class NotKept(Exception):
    """Nothing has changed: what was asked for does not fit what is kept. `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class EnrolledLock:
    """A lock whose card the operator has confirmed. A removed one is kept for what it is owed."""

    card: LockCard
    added: Instant
    removed: Instant | None = None

    @property
    def lock_id(self) -> LockId:
        """Its name."""
        return self.card.lock_id


class GuestState(StrEnum):
    """What a guest may hope for."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Guest:
    """A device that has enrolled, for a person. `label` is what the device calls itself."""

    person: str
    key: GuestSigningPublic
    label: str
    state: GuestState
    grant: Grant
    enrolled: Instant

    @property
    def guest_id(self) -> GuestId:
        """The id of its key."""
        return self.key.guest_id


@dataclass(frozen=True, slots=True)
class OpenInvite:
    """An invite that is still good. One that `used_by` has used is good for that key alone, so
    that a guest whose answer got lost may ask again.
    """

    key: InviteKey = field(repr=False)
    person: str
    grant: Grant
    expires: Instant
    used_by: GuestId | None = None


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What is known of a session; its key is not in here.

    `delivered` is when the lock acknowledged it, `openings` how often it opened the door.
    """

    session_id: SessionId
    guest_id: GuestId
    person: str | None
    lock_id: LockId
    not_before: Instant
    not_after: Instant
    rule: str
    openings: int
    delivered: Instant | None
    revoked: Instant | None


@dataclass(frozen=True, slots=True)
class PendingRevocation:
    """What a lock has not acknowledged yet. `number` names it; it is moot from `until` on."""

    number: int
    lock_id: LockId
    revoke: Revoke
    since: Instant
    until: Instant


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a lock's event.

    `ack` is what the lock may be told now, None where nothing of that epoch is kept yet. `event` is
    None where it was known, or comes out of turn; `missing` are the counters that were left out.
    """

    ack: EventAck | None
    event: AuditEvent | None = None
    missing: range = range(0)
