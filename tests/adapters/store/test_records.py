"""Locks and sessions on disk: what is decided is there after a restart, and told once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blelockd.adapters.store import Store
from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.cards import LockCard
from blelockd.protocol.v2.down import Revoke
from blelockd.services.issuer import store as ports
from blelockd.services.issuer.audit import AuditKind
from blelockd.services.issuer.records import NotKept
from tests.adapters.store.household import (
    ADA,
    OTHER_CARD,
    Household,
    a_session,
    another,
    later,
    said,
)
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR, LOCK_CARD, OTHER_DOOR, OTHER_LEK

NOWHERE = LockId("nowhere")
NOBODY = GuestId(bytes(16))


def test_the_store_fulfils_the_ports(store: Store) -> None:
    locks: ports.LockRecords = store.locks
    guests: ports.GuestRecords = store.guests
    sessions: ports.SessionRecords = store.sessions
    doors: ports.DoorRecords = store.doors
    audit: ports.AuditRecords = store.audit
    assert all((locks, guests, sessions, doors, audit))


# --- locks ---------------------------------------------------------------------------------------


def test_a_lock_is_known_by_its_card_from_the_operators_yes_on(store: Store) -> None:
    assert store.locks.get(DOOR) is None
    assert store.locks.add(LOCK_CARD, NOON)
    assert not store.locks.add(LOCK_CARD, later(9))
    with another(store) as other:
        (lock,) = other.locks.all()
    assert (lock.card, lock.lock_id, lock.added) == (LOCK_CARD, DOOR, NOON)


def test_a_removed_lock_gets_no_session_and_can_come_back(house: Household) -> None:
    guest = house.guest()
    house.opened(a_session(guest))
    house.store.locks.remove(DOOR, later(1))
    assert [lock.lock_id for lock in house.store.locks.all()] == [OTHER_DOOR]
    removed = house.store.locks.get(DOOR)
    assert removed is not None
    assert removed.removed == later(1)
    with pytest.raises(NotKept, match="there is no lock front-door-01"):
        house.store.sessions.open(a_session(guest, 2), "", later(2))
    (pending,) = house.store.sessions.pending()
    assert (pending.lock_id, pending.revoke) == (DOOR, Revoke(None))
    with pytest.raises(NotKept):
        house.store.locks.remove(DOOR, later(3))
    assert house.store.locks.add(LOCK_CARD, later(4))
    house.store.sessions.open(a_session(guest, 2), "", later(5))


def test_another_card_is_another_lock_and_owes_nothing(house: Household) -> None:
    house.store.locks.greet(DOOR, b"first epoch.....", 41, NOON)
    house.opened(a_session(house.guest()))
    another_machine = LockCard(DOOR, OTHER_LEK.public_key, LOCK_CARD.signing_key)
    assert house.store.locks.add(another_machine, later(1))
    assert house.store.locks.epoch(DOOR) is None
    assert house.store.sessions.live(DOOR, later(1)) == []
    assert house.store.sessions.pending() == []
    assert len(house.told(AuditKind.LOCK_ADDED)) == 3


def test_what_a_removed_lock_has_not_told_counts_as_used(house: Household) -> None:
    session = house.opened(a_session(house.guest(), max_uses=2), "family")
    house.tell(DOOR, said(1), NOON)
    house.store.locks.remove(DOOR, later(1))
    assert house.store.guests.openings(ADA) == {"family": 2}
    (removed,) = house.told(AuditKind.LOCK_REMOVED)
    assert removed.reason == "limited uses of 1 sessions count as used"
    over = session.terms.not_after
    house.store.audit.prune(Instant(over + 1), Instant(over + 2))
    assert house.store.guests.openings(ADA) == {"family": 2}
    house.store.locks.add(LOCK_CARD, over)
    house.tell(DOOR, said(2), over)  # it comes after all
    assert house.store.guests.openings(ADA) == {"family": 2}


def test_what_another_machine_of_that_name_has_not_told_counts_as_used(house: Household) -> None:
    guest = house.guest()
    house.opened(a_session(guest, 1, max_uses=1), "once")
    house.opened(a_session(guest, 2, OTHER_DOOR, max_uses=1), "elsewhere")
    another_machine = LockCard(DOOR, OTHER_LEK.public_key, LOCK_CARD.signing_key)
    assert house.store.locks.add(another_machine, later(1))
    assert house.store.guests.openings(ADA) == {"once": 1}
    assert house.told(AuditKind.LOCK_ADDED)[-1].reason.endswith(
        "; limited uses of 1 sessions count as used"
    )
    # nor is the new machine asked for what it cannot know
    assert house.store.sessions.are_told([SessionId((1).to_bytes(16, "big"))])


def test_an_epoch_that_was_followed_by_another_never_comes_back(house: Household) -> None:
    first, second = b"1" * 16, b"2" * 16
    locks = house.store.locks
    assert locks.epoch(DOOR) is None
    assert locks.reserve(DOOR, 5) is None
    assert locks.greet(DOOR, first, 0, NOON)
    assert locks.greet(DOOR, first, 0, NOON)
    assert locks.greet(DOOR, second, 0, later(1))
    house.store.close()
    assert not locks.greet(DOOR, first, 0, later(2))
    assert locks.epoch(DOOR) == second
    assert locks.greet(OTHER_DOOR, first, 0, later(3))
    assert len(house.told(AuditKind.LOCK_STARTED)) == 3
    with pytest.raises(NotKept):
        locks.greet(NOWHERE, first, 0, NOON)


def test_no_sequence_number_is_given_twice_in_an_epoch(house: Household) -> None:
    locks = house.store.locks
    locks.greet(DOOR, b"1" * 16, 0, NOON)
    assert locks.reserve(DOOR, 10) == range(1, 11)
    house.store.close()
    assert locks.reserve(DOOR, 1) == range(11, 12)
    locks.greet(DOOR, b"1" * 16, 5, NOON)
    assert locks.reserve(DOOR, 1) == range(12, 13)
    locks.greet(DOOR, b"1" * 16, 400, NOON)
    assert locks.reserve(DOOR, 1) == range(401, 402)
    locks.greet(DOOR, b"2" * 16, 0, NOON)
    assert locks.reserve(DOOR, 1) == range(1, 2)
    locks.greet(DOOR, b"2" * 16, (1 << 64) - 1, NOON)
    assert locks.reserve(DOOR, 1) is not None


# --- sessions ------------------------------------------------------------------------------------


def test_a_session_is_kept_whole_until_it_is_over(house: Household) -> None:
    session = house.opened(a_session(house.guest(), max_uses=3), "family")
    sessions = house.store.sessions
    house.store.close()
    assert sessions.live(DOOR, later(299)) == [session]
    assert sessions.live(OTHER_DOOR, NOON) == []
    assert sessions.live(DOOR, later(300)) == []
    sessions.delivered(session.session_id, later(1))
    sessions.delivered(session.session_id, later(9))
    kept = sessions.get(session.session_id)
    assert kept is not None
    assert (kept.person, kept.rule, kept.delivered) == (ADA, "family", later(1))
    assert sessions.lives_of(session.guest_id, NOON) == [kept]
    granted, delivered = house.told(AuditKind.SESSION_GRANTED, AuditKind.SESSION_DELIVERED)
    assert granted.trace == delivered.trace == session.session_id.raw
    assert (granted.person, granted.rule, granted.lock_id) == (ADA, "family", DOOR)


def test_a_sessions_key_leaves_the_disk_when_the_session_is_over(house: Household) -> None:
    session = house.opened(a_session(house.guest()))
    key = session.session_key.reveal()
    house.store.close()
    assert key in house.store.path.read_bytes()
    assert house.store.sessions.expire(later(299)) == 0
    assert house.store.sessions.expire(later(300)) == 1
    assert house.store.sessions.get(session.session_id) is not None
    house.store.close()
    assert key not in house.store.path.read_bytes()


def test_nobody_unknown_gets_a_session(house: Household) -> None:
    guest = house.guest()
    with pytest.raises(NotKept, match="there is no guest"):
        house.opened(replace(a_session(guest), guest_id=NOBODY))
    with pytest.raises(NotKept, match="there is no lock"):
        house.opened(a_session(guest, door=NOWHERE))
    assert house.told(AuditKind.SESSION_GRANTED) == []


def test_a_revocation_is_pending_until_it_is_settled_or_moot(house: Household) -> None:
    guest = house.guest()
    sessions = house.store.sessions
    for number in (1, 2, 3):
        house.opened(a_session(guest, number))
    assert sessions.revoke(SessionId((1).to_bytes(16, "big")), "withdrawn", later(1))
    assert not sessions.revoke(SessionId((1).to_bytes(16, "big")), "withdrawn", later(1))
    assert not sessions.revoke(SessionId((2).to_bytes(16, "big")), "withdrawn", later(300))
    house.store.guests.suspend(guest.guest_id, later(2))
    one, all_of_them = sessions.pending(DOOR)
    assert (one.revoke.whom, all_of_them.revoke.whom) == (
        SessionId((1).to_bytes(16, "big")),
        guest.guest_id,
    )
    sessions.settle([one.number], later(3))
    sessions.settle([one.number], later(4))
    assert sessions.pending() == [all_of_them]
    assert sessions.expire(Instant(all_of_them.until)) == 1
    assert sessions.pending() == []
    settled = house.told(AuditKind.REVOCATION_SETTLED)
    assert [event.reason for event in settled] == [
        "the lock has acknowledged it",
        "all of it has ended",
    ]
    revoked = house.told(AuditKind.SESSION_REVOKED)
    assert [event.reason for event in revoked] == ["withdrawn"] + ["the guest was suspended"] * 2


def test_a_running_store_notices_what_others_change_and_not_what_it_does_itself(
    store: Store,
) -> None:
    assert store.changed()
    assert not store.changed()
    store.locks.add(LOCK_CARD, NOON)
    assert not store.changed()
    with another(store) as other:
        other.locks.add(OTHER_CARD, NOON)
        assert store.changed()
        assert not store.changed()
