"""Who was enrolled before the damage is there afterwards, and who was let in no more is not."""

from __future__ import annotations

import pytest

from blelockd.services.issuer.access import Grant
from blelockd.services.issuer.records import GuestState
from tests.adapters.store.damaging import lived_in, pages_of, recovered, spoil
from tests.adapters.store.household import ADA, GRANT, Household, later, phone
from tests.fakes.enrolled import DOOR, ISK_PUBLIC


@pytest.mark.parametrize("table", ["guest", "all"])
def test_who_was_suspended_after_the_copy_stays_so(house: Household, table: str) -> None:
    """Of a guest whose own row is lost, the audit still says what became of it."""
    lived_in(house, 3)
    other = house.guest(key="other phone")
    house.store.keep_copy(ISK_PUBLIC)
    house.store.guests.suspend(phone().public_key.guest_id, later(1))
    house.store.guests.remove(other.guest_id, later(2))
    house.store.close()
    lost = pages_of(house.store.path, "guest", "sqlite_autoindex_guest_1")
    spoil(house.store.path, *(lost if table == "guest" else {min(lost)}))
    recovered(house)
    states = {guest.guest_id: guest.state for guest in house.store.guests.all()}
    assert states[phone().public_key.guest_id] is GuestState.SUSPENDED
    assert states[other.guest_id] is GuestState.REMOVED


def test_who_was_forgotten_after_the_copy_does_not_come_back(house: Household) -> None:
    lived_in(house, 3)
    house.store.keep_copy(ISK_PUBLIC)
    house.store.audit.forget(ADA, later(1))
    house.store.close()
    spoil(house.store.path, *pages_of(house.store.path, "guest", "sqlite_autoindex_guest_1"))
    recovered(house)
    assert house.store.guests.all() == []
    assert all(event.person is None for event in house.told())


def test_a_guest_whose_grant_is_lost_is_not_guessed_at(house: Household) -> None:
    lived_in(house, 3)
    house.store.keep_copy(ISK_PUBLIC)
    house.guest(key="other phone", grant=Grant(frozenset([DOOR]), uses=1))
    house.store.close()
    spoil(house.store.path, *pages_of(house.store.path, "permit"))
    recovered(house)
    (guest,) = house.store.guests.all()
    assert (guest.guest_id, guest.grant) == (phone().public_key.guest_id, GRANT)
