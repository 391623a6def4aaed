"""From a sighting to the door: each decision is told once, a flood of refusals is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blelockd.protocol.nearness import Smoothing
from blelockd.protocol.verdict import Reason
from blelockd.protocol.verifier import Rules
from blelockd.services.events import EventKind, Severity
from blelockd.services.lock import admission
from blelockd.services.lock.admission import _IN_WORDS
from blelockd.services.ports import Sighting
from blelockd.services.tally import Counted
from tests.fakes.clock import FakeTime
from tests.fakes.house import LockSide
from tests.fakes.sessions import SLOT_MS, Mismatched, a_session, token_at

HERE, THERE = "C0:00:00:00:00:01", "C0:00:00:00:00:02"


class Listening:
    """A lock that runs for an hour and knows `sessions` guests."""

    def __init__(self, sessions: int = 1, rules: Rules | None = None) -> None:
        self.time = FakeTime()
        self.lock = LockSide(self.time)
        self.time.jump(3600)
        if rules is not None:
            self.lock.verifier.rules = rules
        now = self.lock.clock.now()
        self.sessions = [a_session(number, at=now) for number in range(1, sessions + 1)]
        for session in self.sessions:
            self.lock.verifier.learn(session, now)

    def token(self, guest: int = 0, slots_later: int = 0) -> bytes:
        """What that guest has on the air now."""
        return token_at(self.sessions[guest], self.lock.clock.now(), slots_later)

    def hears(self, payload: bytes, rssi_dbm: int | None = -50, address: str = HERE) -> None:
        """The lock hears an advert."""
        self.lock.verifier.advance(self.lock.clock.now(), 1_000_000)
        self.lock.hear(Sighting(payload, address, rssi_dbm))

    def counted(self, what: Counted) -> int:
        """How often that was counted."""
        return self.lock.tally._counts[what]


async def test_an_admission_is_one_line_with_every_fact() -> None:
    here = Listening()
    here.hears(here.token())
    (event,) = here.lock.journal.events
    session = here.sessions[0]
    assert (event.kind, event.severity) == (EventKind.UNLOCK, Severity.NOTICE)
    assert event.fields == {
        "lock": session.lock_id,
        "session": session.session_id,
        "trace": session.session_id,
        "slot": session.slot_at(here.lock.clock.now()),
        "rssi_dbm": -50,
        "address": HERE,
    }


async def test_ten_thousand_sightings_of_one_token_are_one_unlock() -> None:
    here = Listening()
    token = here.token()
    for number in range(10_000):
        here.hears(token, address=HERE if number % 2 else THERE)
    assert len(here.lock.journal.of(EventKind.UNLOCK)) == 1
    assert len(here.lock.journal.events) == 2  # and the replay, once
    repeats = here.counted(Counted.REPEATED_ADVERT) + here.counted(Counted.QUIETED_REFUSAL)
    assert repeats == 10_000 - 2


async def test_why_the_door_stays_shut_for_a_new_session_is_told_once() -> None:
    here = Listening(sessions=2)
    here.hears(here.token(0))
    for _ in range(3):
        here.hears(here.token(1))
        await here.lock.clock.pass_(SLOT_MS / 1000)
    (event,) = here.lock.journal.of(EventKind.HELD_BACK)
    assert event.fields["session"] == here.sessions[1].session_id
    assert "when they have been away for 12 s" in event.message


async def test_a_guest_who_stays_is_counted_not_told() -> None:
    here = Listening()
    for _ in range(10):
        here.hears(here.token())
        here.time.jump(SLOT_MS / 1000)
    assert here.lock.journal.kinds() == [EventKind.UNLOCK]
    assert here.counted(Counted.STILL_PRESENT) == 9


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=31), st.integers(-128, 127) | st.none())
def test_any_foreign_advert_is_counted_and_no_line(payload: bytes, rssi_dbm: int | None) -> None:
    here = Listening()
    here.hears(payload, rssi_dbm)
    assert here.lock.journal.events == []
    assert here.counted(Counted.FOREIGN_ADVERT) == 1


async def test_a_refusal_is_told_with_its_reason_once_a_minute() -> None:
    here = Listening()
    for _ in range(100):
        here.hears(here.token(), rssi_dbm=-90)
    (event,) = here.lock.journal.events
    assert (event.kind, event.severity) == (EventKind.REFUSAL, Severity.WARNING)
    assert event.fields["reason"] == Reason.TOO_FAR
    assert event.fields["rssi_dbm"] == -90
    assert "too far" in event.message
    assert here.counted(Counted.QUIETED_REFUSAL) == 99
    here.time.jump(60)
    here.hears(here.token(), rssi_dbm=-90)
    assert len(here.lock.journal.events) == 2


async def test_another_reason_or_another_guest_is_told_all_the_same() -> None:
    here = Listening(sessions=2)
    here.hears(here.token(0), rssi_dbm=-90)
    here.hears(here.token(0), rssi_dbm=None)
    here.hears(here.token(1), rssi_dbm=-90)
    assert here.lock.journal.reasons() == [Reason.TOO_FAR, Reason.NO_RSSI, Reason.TOO_FAR]


async def test_a_token_heard_again_from_its_own_phone_is_no_line() -> None:
    here = Listening()
    for _ in range(5):
        here.hears(here.token())
    assert here.lock.journal.kinds() == [EventKind.UNLOCK]
    assert here.counted(Counted.REPEATED_ADVERT) == 4


async def test_a_replay_from_elsewhere_is_told() -> None:
    here = Listening()
    here.hears(here.token())
    here.hears(here.token(), address=THERE)
    assert here.lock.journal.reasons() == [Reason.REPLAY]
    assert here.lock.journal.events[-1].fields["address"] == THERE


async def test_what_was_told_is_remembered_for_a_bounded_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "_MOST_QUIETED", 10)
    here = Listening(sessions=50)
    for guest in range(50):
        here.hears(here.token(guest), rssi_dbm=-90)
    assert len(here.lock.journal.events) == 50
    assert len(here.lock.admission._told) == 10


async def test_a_token_that_came_too_early_opens_when_its_slot_begins() -> None:
    here = Listening()
    for _ in range(3):
        here.hears(here.token(slots_later=1))
    assert here.lock.admission.look_again(10) == 0
    assert here.lock.journal.reasons(EventKind.WAITING) == [Reason.EARLY]
    assert here.counted(Counted.WAITING) == 2
    here.time.jump(SLOT_MS / 1000)
    assert here.lock.admission.look_again(10) == 1
    assert here.lock.journal.kinds() == [EventKind.WAITING, EventKind.UNLOCK]
    assert here.lock.admission.look_again(10) == 0


async def test_of_a_guest_who_was_let_in_and_stays_no_early_token_is_told() -> None:
    here = Listening()
    here.hears(here.token())
    here.hears(here.token(slots_later=1))
    assert here.lock.journal.kinds() == [EventKind.UNLOCK]
    here.time.jump(SLOT_MS / 1000)
    assert here.lock.admission.look_again(10) == 1
    assert here.counted(Counted.STILL_PRESENT) == 2


async def test_an_early_token_is_judged_once_more_by_all_the_rules() -> None:
    here = Listening(sessions=2)
    here.hears(here.token(0, slots_later=1))
    here.hears(here.token(1, slots_later=1))
    here.lock.verifier.forget(here.sessions[0].session_id)
    here.lock.verifier.rules = Rules(rssi_threshold_dbm=-40)
    here.time.jump(SLOT_MS / 1000)
    assert here.lock.admission.look_again(10) == 2
    assert here.lock.journal.reasons(EventKind.WAITING) == [Reason.EARLY] * 2
    assert here.lock.journal.reasons() == [Reason.TOO_FAR]


async def test_an_early_token_that_is_heard_in_its_slot_too_is_one_unlock() -> None:
    here = Listening()
    here.hears(here.token(slots_later=1))
    here.time.jump(SLOT_MS / 1000)
    here.hears(here.token())
    here.lock.admission.look_again(10)
    assert here.lock.journal.kinds() == [EventKind.WAITING, EventKind.UNLOCK]


async def test_an_early_token_that_does_not_verify_is_refused_and_takes_no_guests_place() -> None:
    here = Listening()
    genuine = here.token(slots_later=1)
    here.hears(genuine)
    entry = here.lock.verifier._entries[here.sessions[0].session_id.raw]
    entry.session = replace(entry.session, scheme=Mismatched(entry.session))
    here.hears(genuine)
    assert here.lock.journal.kinds() == [EventKind.WAITING, EventKind.REFUSAL]
    assert here.lock.journal.reasons() == [Reason.EARLY]


async def test_a_guest_of_whom_more_must_be_heard_waits_and_then_opens() -> None:
    here = Listening(rules=Rules(smoothing=Smoothing(3)))
    for _ in range(4):
        here.hears(here.token())
        await here.lock.clock.pass_(SLOT_MS / 1000)
    assert here.lock.journal.kinds()[:2] == [EventKind.WAITING, EventKind.UNLOCK]
    assert here.lock.journal.reasons(EventKind.WAITING) == [Reason.NOT_NEAR]
    assert here.lock.journal.reasons() == []


async def test_a_guest_who_stays_far_is_told_as_waiting_and_then_as_not_near() -> None:
    here = Listening(rules=Rules(smoothing=Smoothing(3)))
    for _ in range(6):
        here.hears(here.token(), rssi_dbm=-90)
        await here.lock.clock.pass_(SLOT_MS / 1000)
    assert here.lock.journal.kinds() == [EventKind.WAITING, EventKind.REFUSAL]
    assert here.lock.journal.reasons() == [Reason.NOT_NEAR]
    assert here.lock.journal.events[-1].severity is Severity.INFO


async def test_early_tokens_are_kept_for_a_bounded_number_and_judged_in_pieces() -> None:
    here = Listening(sessions=1500)
    for guest in range(1500):
        here.hears(here.token(guest, slots_later=1))
    here.time.jump(SLOT_MS / 1000)
    here.lock.verifier.advance(here.lock.clock.now(), 1_000_000)
    while here.lock.admission.look_again(32) == 32:
        pass
    let_in = here.lock.journal.of(EventKind.UNLOCK) + here.lock.journal.of(EventKind.HELD_BACK)
    assert len(let_in) == 1024
    told = here.lock.journal.reasons()
    assert set(told) == {Reason.EARLY}
    assert len(told) + here.counted(Counted.UNTOLD_REFUSAL) == 1500 - 1024


def test_every_reason_has_words() -> None:
    assert set(_IN_WORDS) == set(Reason)


async def test_no_token_reaches_the_journal() -> None:
    here = Listening()
    token = here.token()
    here.hears(token)
    here.hears(token, address=THERE)
    here.hears(here.token(slots_later=1))
    assert token.hex() not in here.lock.journal.text()
    sighting = Sighting(token, HERE, -50)
    assert token.hex() not in repr(sighting)
    assert repr(token) not in repr(sighting)
