"""The ports through which the issuer's services reach what it keeps on disk.

Each method is one transaction, on the disk when it returns, and writes the audit event of what it
changes in the same transaction: nothing is acknowledged that is not kept. All of them wait for the
disk; any thread may call them. Each raises StoreFailed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.cards import LockCard
from blelockd.protocol.v2.down import SessionForLock
from blelockd.protocol.v2.ec_keys import GuestSigningPublic
from blelockd.protocol.v2.invites import InviteKey
from blelockd.protocol.v2.reports import Event as DoorEvent
from blelockd.protocol.v2.rsa_keys import IssuerSigningKey
from blelockd.services.issuer.access import Grant
from blelockd.services.issuer.audit import AuditEntry, AuditEvent, AuditFilter, SignedHead
from blelockd.services.issuer.audit_check import Broken
from blelockd.services.issuer.records import (
    EnrolledLock,
    Guest,
    OpenInvite,
    PendingRevocation,
    SessionRecord,
    Taken,
)

MISSING_WHEN_TOLD: Final = 3


class LockRecords(Protocol):
    """The locks, and what their issuer must never forget of their boots."""

    def add(self, card: LockCard, now: Instant) -> bool:
        """Know that lock; False if it is known by this very card.

        Another card in place of one makes it another lock: its epochs and sessions end, and what
        they may have opened untold counts as used.
        """
        ...

    def remove(self, lock_id: LockId, now: Instant) -> None:
        """Issue for it no more; its sessions are revoked, and what they may have opened untold
        counts as used. Raises NotKept if it is not known.
        """
        ...

    def get(self, lock_id: LockId) -> EnrolledLock | None:
        """That lock, a removed one too."""
        ...

    def all(self) -> list[EnrolledLock]:
        """Those that are not removed, by name."""
        ...

    def epoch(self, lock_id: LockId) -> bytes | None:
        """The epoch of its last boot that is known; None before its first HELLO."""
        ...

    def greet(self, lock_id: LockId, epoch: bytes, last_seq: int, now: Instant) -> bool:
        """Take the epoch of a HELLO that verified; False for one of an earlier boot: a replay.

        `last_seq` is the highest that the lock has seen. Raises NotKept for an unknown lock.
        """
        ...

    def reserve(self, lock_id: LockId, count: int) -> range | None:
        """`count` sequence numbers of the current epoch that nobody was ever given, nor will be.

        None before the first HELLO.
        """
        ...


class GuestRecords(Protocol):
    """Invites, and the guests that came by them."""

    def invite(
        self,
        person: str,
        keys: Sequence[InviteKey],
        grant: Grant,
        expires: Instant,
        now: Instant,
    ) -> None:
        """Expect a guest, who may use one of `keys`; wrong tries of either count for both.

        `person` is a name in its one form (access.person_name).
        """
        ...

    def invites(self, now: Instant) -> list[OpenInvite]:
        """Those that are good and not used, each with one of its keys."""
        ...

    def open_invite(self, invite_id: bytes, now: Instant) -> OpenInvite | None:
        """The invite that has a key of that id, if it is good."""
        ...

    def wrong_try(self, invite_id: bytes, now: Instant) -> int:
        """Count a try that did not prove it; how many are left. None left: it is void."""
        ...

    def withdraw(self, person: str, now: Instant) -> int:
        """Void the invites of that person that nobody has used; how many there were."""
        ...

    def enrol(self, invite_id: bytes, key: GuestSigningPublic, label: str, now: Instant) -> Guest:
        """The guest, active, and the invite used. A key that had enrolled before starts afresh.

        Raises NotKept if the invite is not good for that key, or its guest is suspended: an invite
        does what `resume` is for only after a removal.
        """
        ...

    def get(self, guest_id: GuestId) -> Guest | None:
        """That guest, a suspended or removed one too."""
        ...

    def all(self, person: str | None = None) -> list[Guest]:
        """All guests, or those of a person; by name, then by age."""
        ...

    def suspend(self, guest_id: GuestId, now: Instant) -> bool:
        """Refuse it from now on, and revoke its sessions; False if it was suspended already.

        Raises NotKept for a guest that is unknown or removed; so does `resume`.
        """
        ...

    def resume(self, guest_id: GuestId, now: Instant) -> bool:
        """Let it ask again; what was revoked stays so. False if it was active already."""
        ...

    def remove(self, guest_id: GuestId, now: Instant) -> None:
        """Never know it again; its sessions are revoked. Raises NotKept if it is not known."""
        ...

    def openings(self, person: str, guest_id: GuestId | None = None) -> Mapping[str, int]:
        """How often the person has opened a door, by rule; under "" by the grant of that guest."""
        ...


class SessionRecords(Protocol):
    """Sessions and their revocations."""

    def open(self, session: SessionForLock, rule: str, now: Instant) -> None:
        """Keep a session before anybody is told of it. `rule` is what allowed it.

        Raises NotKept unless its guest is active and its lock known: then nobody may have it.
        """
        ...

    def delivered(self, session_id: SessionId, now: Instant) -> None:
        """The lock has acknowledged it. Only the first time counts."""
        ...

    def revoke(self, session_id: SessionId, reason: str, now: Instant) -> bool:
        """End it before its time; False if it has ended."""
        ...

    def call_in(self, guest: Guest, rule: str, reason: str, now: Instant) -> set[SessionId]:
        """Revoke the sessions whose openings count against the same limit of uses, and whose lock
        has not told that they are over, the ended ones too; which they are.

        By the grant they are that guest's; by a rule those of the person, whosever the device is
        today. A lock that was removed is not asked.
        """
        ...

    def are_told(self, session_ids: Collection[SessionId]) -> bool:
        """Whether each lock has told that these are over, and so every opening of theirs."""
        ...

    def get(self, session_id: SessionId) -> SessionRecord | None:
        """That session, while it is kept."""
        ...

    def live(self, lock_id: LockId, now: Instant) -> list[SessionForLock]:
        """What a SYNC names: `max_uses` is what is left, sessions with none left are left out.

        So are those of which more than 2 s after `now` something was kept: the clock went back, and
        their tokens come again.
        """
        ...

    def lives_of(self, guest_id: GuestId, now: Instant) -> list[SessionRecord]:
        """The sessions of a guest that are neither over nor revoked."""
        ...

    def pending(self, lock_id: LockId | None = None) -> list[PendingRevocation]:
        """The revocations that this lock, or any, has not acknowledged; the oldest first."""
        ...

    def settle(self, numbers: Sequence[int], now: Instant) -> None:
        """The lock has acknowledged these, by ACK or by a SYNC that came after them."""
        ...

    def expire(self, now: Instant) -> int:
        """Erase the keys of what is over: sessions, invites, and revocations that are moot.

        How many were erased.
        """
        ...


class DoorRecords(Protocol):
    """The locks' own events."""

    def take(self, lock_id: LockId, event: DoorEvent, message_id: bytes, now: Instant) -> Taken:
        """Keep what that lock says, once however often it says it, and of any session.

        An event out of turn is not taken: a lock that has those before it tells them first. When it
        has told one in MISSING_WHEN_TOLD messages, those before it are missing; that is kept, too.
        `message_id` is 16 bytes of the hash of what the lock signed, without the signature (which
        has a twin): a broker that plays one message again does not make events go missing.
        """
        ...


class AuditRecords(Protocol):
    """The audit events. docs/audit.md."""

    def record(self, entry: AuditEntry) -> AuditEvent:
        """Keep a decision that changes nothing else: a refusal."""
        ...

    def find(self, wanted: AuditFilter) -> list[AuditEvent]:
        """The events that match, the oldest first."""
        ...

    def get(self, event_id: int) -> AuditEvent | None:
        """That event, if it is kept."""
        ...

    def signed_head(self) -> SignedHead | None:
        """The newest head that the issuer has signed."""
        ...

    @property
    def broken(self) -> Broken | None:
        """Why it is not signed: it is not what this process knows it to be. None if it is."""
        ...

    def sign(self, issuer: IssuerSigningKey, now: Instant) -> SignedHead | None:
        """Sign the last event; None if it is signed already. Takes milliseconds of RSA.

        The first time all of it is read, in seconds where it is large. Raises Broken where it does
        not go on from what was seen and signed before: then it must not be signed.
        """
        ...

    def prune(self, before: Instant, now: Instant) -> int:
        """Let go of what happened before then, as far as it is signed; how many events."""
        ...
