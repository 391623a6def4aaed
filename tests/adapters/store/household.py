"""Ada, her phone and her doors, as the issuer's store knows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from blelockd.adapters.store import Store
from blelockd.protocol.ids import LockId, SessionId
from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.v2.cards import LockCard
from blelockd.protocol.v2.down import SessionForLock
from blelockd.protocol.v2.ec_keys import GuestSigningKey
from blelockd.protocol.v2.invites import InviteSecret
from blelockd.protocol.v2.reports import Event, EventType
from blelockd.services.issuer.access import Grant
from blelockd.services.issuer.audit import AuditEvent, AuditFilter, AuditKind
from blelockd.services.issuer.records import Guest, Taken
from tests.fakes.clock import NOON
from tests.fakes.enrolled import (
    DOOR,
    EPOCH,
    FOR_LOCK,
    LOCK_CARD,
    OTHER_DOOR,
    TERMS,
    fresh,
    seed,
)

ADA: Final = "Ada"
GRANT: Final = Grant(frozenset([DOOR, OTHER_DOOR]), NOON, Instant(NOON + 9_000_000), 7, 600)
OTHER_CARD: Final = LockCard(OTHER_DOOR, LOCK_CARD.seal_key, LOCK_CARD.signing_key)


def later(seconds: float) -> Instant:
    """So long after noon."""
    return Instant(NOON + int(seconds * 1000))


def secret(name: str = "invite") -> InviteSecret:
    """An invite's secret of that name."""
    return InviteSecret(seed(name)[:16])


def phone(name: str = "gsk") -> GuestSigningKey:
    """The key of the phone of that name."""
    return GuestSigningKey.derive(seed(name))


def a_session(guest: Guest, number: int = 1, door: LockId = DOOR, **terms: Any) -> SessionForLock:
    """A session of five minutes from noon."""
    return replace(
        FOR_LOCK,
        session_id=SessionId(number.to_bytes(16, "big")),
        guest_id=guest.guest_id,
        not_before=NOON,
        terms=replace(TERMS, lock_id=door, **terms),
    )


def said(counter: int, kind: EventType = EventType.OPENED, session: int = 1) -> Event:
    """What a lock says of session number `session`."""
    session_id = SessionId(session.to_bytes(16, "big"))
    return Event(EPOCH, counter, kind, session_id, Slot(577_015_000 + counter), -58, NOON)


@contextmanager
def another(store: Store) -> Iterator[Store]:
    """The same file in other hands."""
    other = Store(store.path.parent)
    try:
        yield other
    finally:
        other.close()


class Household:
    """Short words for long calls."""

    def __init__(self, store: Store) -> None:
        self.store = store
        store.locks.add(LOCK_CARD, NOON)
        store.locks.add(OTHER_CARD, NOON)

    @property
    def directory(self) -> Path:
        """Where the file is."""
        return self.store.path.parent

    def guest(self, person: str = ADA, key: str = "gsk", grant: Grant = GRANT) -> Guest:
        """Somebody with a phone, invited and enrolled."""
        invited = secret(f"invite of {key}").key()
        self.store.guests.invite(person, [invited], grant, later(600), NOON)
        public = phone(key).public_key
        return self.store.guests.enrol(invited.invite_id(), public, f"phone {key}", NOON)

    def opened(self, session: SessionForLock, rule: str = "") -> SessionForLock:
        """That session, issued."""
        self.store.sessions.open(session, rule, NOON)
        return session

    def told(self, *kinds: AuditKind) -> list[AuditEvent]:
        """The audit events of those kinds, or all."""
        events = self.store.audit.find(AuditFilter())
        return [event for event in events if not kinds or event.kind in kinds]

    def tell(self, lock_id: LockId, event: Event, now: Instant) -> Taken:
        """A lock's event, in a message of its own."""
        return self.store.doors.take(lock_id, event, fresh(16), now)
