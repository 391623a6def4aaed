"""Invites and guests on disk: one invite makes one guest, and what is revoked stays so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blelockd.adapters.store import Store
from blelockd.protocol.ids import GuestId
from blelockd.protocol.v2.down import Revoke
from blelockd.services.issuer.audit import AuditKind
from blelockd.services.issuer.records import GuestState, NotKept
from tests.adapters.store.household import (
    ADA,
    GRANT,
    Household,
    a_session,
    later,
    phone,
    secret,
)
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR, OTHER_DOOR

NOBODY = GuestId(bytes(16))


def test_an_invite_makes_one_guest(store: Store) -> None:
    key = secret().key()
    store.guests.invite(ADA, [key], GRANT, later(600), NOON)
    (waiting,) = store.guests.invites(NOON)
    assert (waiting.person, waiting.key, waiting.grant) == (ADA, key, GRANT)
    store.close()
    guest = store.guests.enrol(key.invite_id(), phone().public_key, "blue phone", later(5))
    assert (guest.person, guest.label, guest.state) == (ADA, "blue phone", GuestState.ACTIVE)
    assert guest.grant == GRANT
    assert guest.key == phone().public_key
    assert store.guests.invites(later(5)) == []
    assert store.guests.get(guest.guest_id) == guest
    with pytest.raises(NotKept, match="not good any more"):
        store.guests.enrol(key.invite_id(), phone("another").public_key, "", later(6))


def test_a_guest_whose_answer_got_lost_may_ask_again_as_long_as_the_invite_lasts(
    house: Household,
) -> None:
    guest = house.guest()
    invite_id = secret("invite of gsk").key().invite_id()
    invite = house.store.guests.open_invite(invite_id, later(1))
    assert invite is not None
    assert invite.used_by == guest.guest_id
    assert house.store.guests.enrol(invite_id, guest.key, "again", later(1)) == guest
    assert len(house.told(AuditKind.GUEST_ENROLLED)) == 1
    house.store.guests.remove(guest.guest_id, later(2))
    with pytest.raises(NotKept, match="removed"):
        house.store.guests.enrol(invite_id, guest.key, "again", later(3))
    with pytest.raises(NotKept, match="not good"):
        house.store.guests.enrol(invite_id, guest.key, "again", later(600))


def test_five_wrong_tries_void_an_invite_and_its_end_does(store: Store, house: Household) -> None:
    key = secret().key()
    store.guests.invite(ADA, [key], GRANT, later(600), NOON)
    invite_id = key.invite_id()
    assert [store.guests.wrong_try(invite_id, NOON) for _ in range(7)] == [4, 3, 2, 1, 0, 0, 0]
    assert store.guests.open_invite(invite_id, NOON) is None
    assert len(house.told(AuditKind.ENROLMENT_REFUSED)) == 5
    assert len(house.told(AuditKind.INVITE_VOIDED)) == 1
    store.guests.invite(ADA, [key], GRANT, later(600), NOON)
    assert store.guests.open_invite(invite_id, later(599)) is not None
    assert store.guests.open_invite(invite_id, later(600)) is None
    assert store.guests.wrong_try(b"unknown.", NOON) == 0


def test_whoever_uses_one_key_of_an_invite_voids_the_other(store: Store, house: Household) -> None:
    scanned, typed = secret().key(), secret("typed").key()
    store.guests.invite(ADA, [scanned, typed], GRANT, later(600), NOON)
    assert [invite.key for invite in store.guests.invites(NOON)] == [scanned]
    assert store.guests.wrong_try(scanned.invite_id(), NOON) == 4
    assert store.guests.wrong_try(typed.invite_id(), NOON) == 3
    guest = store.guests.enrol(typed.invite_id(), phone().public_key, "", later(5))
    assert store.guests.open_invite(scanned.invite_id(), later(5)) is None
    assert store.guests.open_invite(typed.invite_id(), later(5)) is not None
    with pytest.raises(NotKept, match="not good any more"):
        store.guests.enrol(scanned.invite_id(), guest.key, "", later(6))


def test_the_key_of_an_invite_is_erased_with_it(store: Store) -> None:
    key = secret().key()
    store.guests.invite(ADA, [key], GRANT, later(600), NOON)
    assert store.sessions.expire(later(599)) == 0
    assert store.sessions.expire(later(600)) == 1
    store.close()
    assert key.reveal() not in store.path.read_bytes()


def test_a_guest_that_enrols_anew_loses_what_it_had(house: Household) -> None:
    guest = house.guest()
    house.opened(a_session(guest))
    again = secret("again").key()
    house.store.guests.invite("Grace", [again], replace(GRANT, uses=1), later(600), NOON)
    anew = house.store.guests.enrol(again.invite_id(), guest.key, "", later(1))
    assert (anew.person, anew.grant.uses) == ("Grace", 1)
    assert [guest.person for guest in house.store.guests.all()] == ["Grace"]
    assert house.store.guests.all(ADA) == []
    (pending,) = house.store.sessions.pending()
    assert pending.revoke == Revoke(a_session(guest).session_id)
    (gone,) = house.told(AuditKind.GUEST_REMOVED)
    assert (gone.person, gone.guest_id) == (ADA, guest.guest_id)
    assert gone.reason == "the device has enrolled for somebody else"


def test_an_invite_does_not_bring_back_a_suspended_guest(house: Household) -> None:
    guest = house.guest()
    again = secret("again").key()
    house.store.guests.invite(ADA, [again], GRANT, later(600), NOON)
    house.store.guests.suspend(guest.guest_id, later(1))
    with pytest.raises(NotKept, match="suspended"):
        house.store.guests.enrol(again.invite_id(), guest.key, "", later(2))
    known = house.store.guests.get(guest.guest_id)
    assert known is not None
    assert known.state is GuestState.SUSPENDED
    house.store.guests.remove(guest.guest_id, later(3))
    back = house.store.guests.enrol(again.invite_id(), guest.key, "", later(4))
    assert back.state is GuestState.ACTIVE


def test_the_open_invites_of_a_person_are_withdrawn(house: Household) -> None:
    used, first, second, other = (secret(name).key() for name in ("u", "1st", "2nd", "other"))
    guests = house.store.guests
    for person, key in ((ADA, used), (ADA, first), (ADA, second), ("Grace", other)):
        guests.invite(person, [key], GRANT, later(600), NOON)
    guest = guests.enrol(used.invite_id(), phone().public_key, "", later(1))
    assert guests.withdraw(ADA, later(2)) == 2
    assert guests.withdraw(ADA, later(2)) == 0
    assert guests.withdraw("Nobody", later(2)) == 0
    assert [one.person for one in guests.invites(later(2))] == ["Grace"]
    with pytest.raises(NotKept, match="not good"):
        guests.enrol(first.invite_id(), phone("another").public_key, "", later(3))
    assert guests.enrol(used.invite_id(), guest.key, "", later(3)) == guest
    assert [event.person for event in house.told(AuditKind.INVITE_VOIDED)] == [ADA, ADA]


def test_a_suspended_guest_loses_its_sessions_and_can_be_resumed(house: Household) -> None:
    guest, other = house.guest(), house.guest("Grace", "other")
    mine = house.opened(a_session(guest, 1))
    house.opened(a_session(guest, 2, OTHER_DOOR))
    theirs = house.opened(a_session(other, 3))
    guests, sessions = house.store.guests, house.store.sessions
    assert guests.suspend(guest.guest_id, later(1))
    assert not guests.suspend(guest.guest_id, later(1))
    suspended = guests.get(guest.guest_id)
    assert suspended is not None
    assert suspended.state is GuestState.SUSPENDED
    with pytest.raises(NotKept, match="suspended"):
        sessions.open(a_session(guest, 4), "", later(1))
    assert sessions.live(DOOR, later(1)) == [theirs]
    assert {(p.lock_id, p.revoke) for p in sessions.pending()} == {
        (DOOR, Revoke(guest.guest_id)),
        (OTHER_DOOR, Revoke(guest.guest_id)),
    }
    assert guests.resume(guest.guest_id, later(2))
    assert not guests.resume(guest.guest_id, later(2))
    sessions.open(a_session(guest, 5), "", later(3))
    (pending,) = sessions.pending(DOOR)
    assert pending.revoke == Revoke(mine.session_id), "the next session must not be hit"
    assert (pending.since, pending.until) == (later(1), later(300))


def test_a_removed_guest_stays_removed(house: Household) -> None:
    guest = house.guest()
    house.store.guests.remove(guest.guest_id, later(1))
    for change in (
        house.store.guests.suspend,
        house.store.guests.resume,
        house.store.guests.remove,
    ):
        with pytest.raises(NotKept, match="was removed"):
            change(guest.guest_id, later(2))
        with pytest.raises(NotKept, match="there is no guest"):
            change(NOBODY, later(2))
    (removed,) = house.store.guests.all(ADA)
    assert removed.state is GuestState.REMOVED
