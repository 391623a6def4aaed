"""What locks tell: kept once, uses counted, and no counter goes by unseen."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from blelockd.protocol.ids import SessionId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.down import EventAck
from blelockd.protocol.v2.reports import EventType
from blelockd.services.issuer.audit import AuditKind
from tests.adapters.store.household import ADA, Household, a_session, later, said
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR, EPOCH, OTHER_DOOR, fresh


def test_an_event_is_kept_once_however_often_it_comes(house: Household) -> None:
    guest = house.guest()
    house.opened(a_session(guest), "family")
    first = house.tell(DOOR, said(1), NOON)
    assert first.ack == EventAck(EPOCH, 1)
    assert first.event is not None
    assert (first.event.person, first.event.guest_id, first.event.rule) == (
        ADA,
        guest.guest_id,
        "family",
    )
    again = house.tell(DOOR, said(1), later(1))
    assert (again.ack, again.event) == (EventAck(EPOCH, 1), None)
    (kept,) = house.told(AuditKind.DOOR)
    assert kept == first.event
    assert kept.door == said(1)
    assert house.store.guests.openings(ADA) == {"family": 1}


def test_a_failed_strike_takes_the_use_back(house: Household) -> None:
    session = house.opened(a_session(house.guest(), max_uses=2), "family")
    for counter, kind in enumerate((EventType.OPENED, EventType.STRIKE_FAILED), 1):
        house.tell(DOOR, said(counter, kind), NOON)
    assert house.store.guests.openings(ADA) == {"family": 0}
    assert house.store.sessions.live(DOOR, NOON) == [session]


def test_a_strike_that_failed_takes_back_no_use_of_another_session(house: Household) -> None:
    """Nor may a lock in wrong hands give uses back that were spent at other doors."""
    guest = house.guest()
    house.opened(a_session(guest, 1), "family")
    house.opened(a_session(guest, 2), "family")
    house.tell(DOOR, said(1, session=1), NOON)
    for counter in (2, 3):
        house.tell(DOOR, said(counter, EventType.STRIKE_FAILED, session=2), NOON)
    assert house.store.guests.openings(ADA) == {"family": 1}
    for counter in (4, 5):
        house.tell(DOOR, said(counter, EventType.STRIKE_FAILED, session=1), NOON)
    assert house.store.guests.openings(ADA) == {"family": 0}


def test_a_failure_that_is_told_late_gives_no_use_back(house: Household) -> None:
    """The opening that came after it is counted already, as far as there was a use to count."""
    house.opened(a_session(house.guest(), max_uses=1), "once")
    house.tell(DOOR, said(1), NOON)
    for _ in range(3):  # opened once more: 2, which is withheld, had given the use back
        house.tell(DOOR, said(3), NOON)
    late = house.tell(DOOR, said(2, EventType.STRIKE_FAILED), NOON)
    assert late.event is not None
    assert house.store.guests.openings(ADA) == {"once": 1}
    assert house.store.sessions.live(DOOR, NOON) == []


def test_what_an_event_that_is_missing_may_have_opened_counts_as_used(house: Household) -> None:
    guest = house.guest()
    house.opened(a_session(guest, 1, max_uses=3), "family")
    house.opened(a_session(guest, 2), "family")
    house.tell(DOOR, said(1, session=1), NOON)
    for _ in range(3):
        house.tell(DOOR, said(3, EventType.SESSION_LEARNT, session=2), NOON)
    (missing,) = house.told(AuditKind.EVENTS_MISSING)
    assert "limited uses of 1 sessions" in missing.reason
    assert house.store.guests.openings(ADA) == {"family": 3}
    house.tell(DOOR, said(2, session=1), NOON)  # it comes after all
    assert house.store.guests.openings(ADA) == {"family": 3}


def test_what_a_lock_had_no_room_to_tell_counts_as_used(house: Household) -> None:
    house.opened(a_session(house.guest(), 1, max_uses=2), "family")
    lost = replace(said(1, EventType.EVENTS_LOST), session_id=SessionId(bytes(16)))
    house.tell(DOOR, lost, NOON)
    assert house.store.guests.openings(ADA) == {"family": 2}


def test_uses_of_a_session_that_its_lock_has_told_over_are_known(house: Household) -> None:
    session = house.opened(a_session(house.guest(), 1, max_uses=2), "family")
    over = session.terms.not_after
    house.tell(DOOR, replace(said(1, EventType.SESSION_ENDED, session=1), time=over), over)
    lost = replace(said(2, EventType.EVENTS_LOST), session_id=SessionId(bytes(16)))
    house.tell(DOOR, lost, over)
    assert house.store.guests.openings(ADA) == {}


def test_what_is_let_go_of_and_was_never_told_over_counts_as_used(house: Household) -> None:
    session = house.opened(a_session(house.guest(), 1, max_uses=2), "family")
    over = session.terms.not_after
    house.store.audit.prune(Instant(over + 1), Instant(over + 2))
    assert house.store.sessions.get(session.session_id) is None
    assert house.store.guests.openings(ADA) == {"family": 2}


def test_a_session_is_synced_with_the_uses_that_are_left_and_not_without(house: Household) -> None:
    session = house.opened(a_session(house.guest(), max_uses=2))
    house.tell(DOOR, said(1), NOON)
    (left,) = house.store.sessions.live(DOOR, NOON)
    assert left == replace(session, terms=replace(session.terms, max_uses=1))
    house.tell(DOOR, said(2), NOON)
    assert house.store.sessions.live(DOOR, NOON) == []


def test_uses_count_for_the_person_by_rule_and_for_the_guest_by_its_grant(
    house: Household,
) -> None:
    phone, watch = house.guest(), house.guest(key="watch")
    for number, (guest, rule) in enumerate(
        ((phone, "family"), (watch, "family"), (phone, ""), (watch, "")), 1
    ):
        house.opened(a_session(guest, number), rule)
        house.tell(DOOR, said(number, session=number), NOON)
    assert house.store.guests.openings(ADA, watch.guest_id) == {"family": 2, "": 1}
    assert house.store.guests.openings(ADA) == {"family": 2}
    assert house.store.guests.openings("Grace") == {}


def test_an_event_of_a_session_that_nobody_knows_is_kept(house: Household) -> None:
    taken = house.tell(DOOR, said(1, session=99), NOON)
    assert taken.event is not None
    assert taken.event.person is None
    assert taken.event.trace == (99).to_bytes(16, "big")
    lost = replace(said(2, EventType.EVENTS_LOST), session_id=SessionId(bytes(16)))
    taken = house.tell(DOOR, lost, NOON)
    assert taken.event is not None
    assert taken.event.trace is None


def test_another_locks_word_on_a_session_is_nobodys(house: Household) -> None:
    house.opened(a_session(house.guest(), max_uses=1))
    taken = house.tell(OTHER_DOOR, said(1), NOON)
    assert taken.event is not None
    assert taken.event.person is None
    assert len(house.store.sessions.live(DOOR, NOON)) == 1


def test_an_event_out_of_turn_waits_for_those_before_it(house: Household) -> None:
    take = house.tell
    assert take(DOOR, said(1), NOON).ack == EventAck(EPOCH, 1)
    for counter in (3, 4):
        taken = take(DOOR, said(counter), NOON)
        assert (taken.ack, taken.event) == (EventAck(EPOCH, 1), None)
    for counter in (2, 3, 4):
        assert take(DOOR, said(counter), NOON).ack == EventAck(EPOCH, counter)
    assert house.told(AuditKind.EVENTS_MISSING) == []


def test_what_the_lock_does_not_have_any_more_is_missing_and_said_to_be(house: Household) -> None:
    take = house.tell
    take(DOOR, said(1), NOON)
    for _ in range(2):
        assert take(DOOR, said(5), NOON).event is None
        house.store.close()
    taken = take(DOOR, said(5), NOON)
    assert taken.event is not None
    assert (taken.ack, taken.missing) == (EventAck(EPOCH, 5), range(2, 5))
    (missing,) = house.told(AuditKind.EVENTS_MISSING)
    assert missing.reason == f"epoch {EPOCH.hex()}: 2 to 4"
    assert house.told()[-1].kind is AuditKind.DOOR


def test_what_was_thought_to_be_missing_is_kept_when_it_comes_after_all(house: Household) -> None:
    take = house.tell
    for _ in range(3):
        take(DOOR, said(7), NOON)
    for counter in (3, 1, 6):
        taken = take(DOOR, said(counter), NOON)
        assert taken.event is not None
        assert (taken.event.reason, taken.ack) == ("late", EventAck(EPOCH, 7))
        assert take(DOOR, said(counter), NOON).event is None
    assert len(house.told(AuditKind.DOOR)) == 4


def test_each_epoch_of_each_lock_counts_for_itself(house: Household) -> None:
    take = house.tell
    assert take(DOOR, said(1), NOON).event is not None
    assert take(OTHER_DOOR, said(1), NOON).event is not None
    assert take(DOOR, replace(said(1), epoch=bytes(16)), NOON).event is not None


@pytest.mark.parametrize("counter", [0, (1 << 64) - 1])
def test_a_counter_that_no_lock_has_is_not_taken(house: Household, counter: int) -> None:
    for _ in range(2):
        taken = house.tell(DOOR, said(counter), NOON)
        assert (taken.ack, taken.event) == (None, None)


def test_a_broker_that_plays_one_message_again_makes_nothing_go_missing(house: Household) -> None:
    first, second = b"message 1.......", b"message 2......."
    for message_id in (first, first, second, first, second) * 3:
        taken = house.store.doors.take(DOOR, said(2), message_id, NOON)
        assert (taken.ack, taken.event) == (None, None)
    assert house.tell(DOOR, said(1), NOON).ack == EventAck(EPOCH, 1)


@pytest.mark.parametrize("chance", range(5))
def test_however_a_broker_loses_and_repeats_nothing_is_lost(house: Household, chance: int) -> None:
    """A lock sends a batch, and then its oldest event alone until that is acknowledged."""
    dice = random.Random(chance)
    next_one, at_once = 1, 8
    heard: list[tuple[int, bytes]] = []
    while next_one <= 40:
        batch = range(next_one, min(next_one + at_once, 41))
        at_once = 1
        for counter in (counter for counter in batch if dice.random() < 0.7):
            heard.append((counter, fresh(16)))
            for told, message_id in [*dice.choices(heard, k=2), heard[-1]]:
                ack = house.store.doors.take(DOOR, said(told), message_id, NOON).ack
            if ack is not None and ack.counter >= next_one:
                next_one, at_once = ack.counter + 1, 8
    kept = [event.door.counter for event in house.told(AuditKind.DOOR) if event.door is not None]
    assert kept == list(range(1, 41))
