"""What was used before the damage is used afterwards, and so is what nobody knows any more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blelockd.protocol.v2.reports import EventType
from blelockd.protocol.v2.terms import MOST_USES
from blelockd.services.issuer.audit import AuditKind
from tests.adapters.store.damaging import pages_of, recovered, spoil
from tests.adapters.store.household import ADA, GRANT, Household, a_session, phone, said, secret
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR, ISK, ISK_PUBLIC

OPENINGS = ("openings", "sqlite_autoindex_openings_1")
SESSIONS = ("session", "sqlite_autoindex_session_1")


def _damaged(house: Household, *tables: str) -> Household:
    """The house, of whose store these tables were lost and the rest came back."""
    house.store.close()
    spoil(house.store.path, *pages_of(house.store.path, *tables))
    recovered(house)
    return house


def _copied(house: Household) -> None:
    house.store.audit.sign(ISK, NOON)
    house.store.keep_copy(ISK_PUBLIC)


@pytest.mark.parametrize("lost", [OPENINGS, (*OPENINGS, *SESSIONS)])
def test_what_the_audit_tells_of_since_the_copy_is_used(
    house: Household, lost: tuple[str, ...]
) -> None:
    house.opened(a_session(house.guest()), "family")
    _copied(house)
    kinds = [EventType.OPENED] * 3 + [EventType.STRIKE_FAILED, EventType.OPENED]
    for counter, kind in enumerate(kinds, 1):
        house.tell(DOOR, said(counter, kind), NOON)
    assert _damaged(house, *lost).store.guests.openings(ADA) == {"family": 3}


def test_a_failure_that_was_told_late_gives_no_use_back_afterwards_either(house: Household) -> None:
    house.opened(a_session(house.guest()), "family")
    _copied(house)
    house.tell(DOOR, said(1), NOON)
    for _ in range(3):
        house.tell(DOOR, said(3), NOON)
    house.tell(DOOR, said(2, EventType.STRIKE_FAILED), NOON)
    assert _damaged(house, *OPENINGS).store.guests.openings(ADA) == {"family": 2}


def test_uses_of_which_the_lock_has_not_told_that_they_are_over_are_used(house: Household) -> None:
    house.opened(a_session(house.guest(), max_uses=5), "once")
    _copied(house)
    house.tell(DOOR, said(1), NOON)
    assert _damaged(house, *OPENINGS).store.guests.openings(ADA) == {"once": 5}
    (restored,) = house.told(AuditKind.RESTORED)
    assert restored.reason.endswith("; limited uses of 1 sessions count as used")


def test_uses_of_a_session_that_its_lock_has_told_over_stay_known(house: Household) -> None:
    session = house.opened(a_session(house.guest(), max_uses=5), "once")
    _copied(house)
    house.tell(DOOR, said(1), NOON)
    over = session.terms.not_after
    house.tell(DOOR, replace(said(2, EventType.SESSION_ENDED), time=over), over)
    assert _damaged(house, *OPENINGS).store.guests.openings(ADA) == {"once": 1}


@pytest.mark.parametrize(("rule", "used"), [("", GRANT.uses), ("once", MOST_USES)])
def test_a_session_of_which_only_the_audit_is_left_has_used_all_that_it_may(
    house: Household, rule: str, used: int
) -> None:
    guest = house.guest()
    _copied(house)
    house.opened(a_session(guest, max_uses=2), rule)
    house.tell(DOOR, said(1), NOON)
    _damaged(house, *OPENINGS, *SESSIONS)
    assert house.store.guests.openings(ADA, guest.guest_id) == {rule: used}


def test_who_has_enrolled_anew_since_the_copy_begins_anew(house: Household) -> None:
    session = house.opened(a_session(house.guest(), max_uses=5))
    _copied(house)
    house.tell(DOOR, said(1), NOON)
    over = session.terms.not_after
    house.tell(DOOR, replace(said(2, EventType.SESSION_ENDED), time=over), over)
    invited = secret("another invite").key()
    house.store.guests.invite(ADA, [invited], GRANT, over, NOON)
    guest = house.store.guests.enrol(invited.invite_id(), phone().public_key, "phone", NOON)
    assert house.store.guests.openings(ADA, guest.guest_id) == {}
    _damaged(house, *OPENINGS)
    assert house.store.guests.openings(ADA, guest.guest_id) == {}
