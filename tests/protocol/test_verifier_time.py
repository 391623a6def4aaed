"""The lock's decision and time: windows, ends, offsets, starts, and clocks that are set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.verdict import Admit, Reason, Refuse
from tests.fakes import enrolled as cast
from tests.fakes.bare_lock import NEAR, OTHER, PHONE, BareLock, at
from tests.fakes.clock import NOON
from tests.fakes.sessions import SLOT_MS, a_session, token_at


def test_the_last_millisecond_opens_and_the_next_does_not() -> None:
    lock = BareLock()
    session = lock.learn(a_session(lives_seconds=60))
    assert lock.hears(token_at(session, at(60_000)), at(60_000)) is Reason.EXPIRED
    assert isinstance(lock.hears(token_at(session, at(59_999)), at(59_999)), Admit)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (2, Reason.UNKNOWN),
        (1, Reason.EARLY),
        (0, None),
        (-1, None),
        (-2, Reason.LATE),
        (-3, Reason.UNKNOWN),
    ],
)
def test_the_window_is_this_slot_and_the_one_before(shift: int, expected: Reason | None) -> None:
    lock = BareLock()
    session = lock.learn(a_session())
    heard = lock.hears(token_at(session, NOON, shift))
    assert heard is expected if expected else isinstance(heard, Admit)


@pytest.mark.parametrize("now", [NOON, at(1), at(2500), at(SLOT_MS - 1)])
def test_a_guests_clock_may_be_off_by_exactly_the_window(now: Instant) -> None:
    """The sweep: from -35 to +35 s in steps of 0.1 s, what opens is the window and nothing else."""
    accepted = set()
    for tenth in range(-350, 351):
        lock = BareLock()
        session = lock.learn(a_session(), now)
        token = token_at(session, Instant(now + tenth * 100))
        if isinstance(lock.hears(token, now), Admit):
            accepted.add(tenth)
    this_slot = now % SLOT_MS
    assert accepted == {
        tenth
        for tenth in range(-350, 351)
        if -this_slot - SLOT_MS <= tenth * 100 < SLOT_MS - this_slot
    }


@pytest.mark.parametrize("offset_seconds", [-30, -7, 0, 13, 30])
def test_a_known_offset_moves_the_window_with_the_guests_clock(offset_seconds: int) -> None:
    for tenth in range(-350, 351):
        lock = BareLock()
        session = lock.learn(a_session(offset_seconds=offset_seconds))
        guest_now = Instant(NOON + tenth * 100)
        token = session.scheme.token(a_session().slot_at(guest_now)).reveal()
        opens = isinstance(lock.hears(token), Admit)
        theirs = NOON + offset_seconds * 1000
        slot = theirs // SLOT_MS
        assert opens is (guest_now // SLOT_MS in (slot, slot - 1))


def test_after_a_start_the_tokens_that_may_be_spent_open_nothing() -> None:
    lock = BareLock(started=NOON)
    session = lock.learn(a_session(), at(100))
    assert lock.hears(token_at(session, NOON, -1), at(100)) is Reason.JUST_STARTED
    assert lock.hears(token_at(session, NOON), at(200)) is Reason.JUST_STARTED
    assert lock.hears(token_at(session, NOON), at(SLOT_MS)) is Reason.JUST_STARTED
    later = at(SLOT_MS)
    assert isinstance(lock.hears(token_at(session, later), later), Admit)


def test_a_token_spent_after_a_start_is_called_a_replay() -> None:
    lock = BareLock(started=NOON)
    session = lock.learn(a_session())
    later = at(SLOT_MS)
    assert isinstance(lock.hears(token_at(session, later), later), Admit)
    assert lock.hears(token_at(session, later), later) is Reason.REPEAT
    assert lock.hears(token_at(session, later), later, phone=OTHER) is Reason.REPLAY


def test_a_clock_that_was_ahead_at_the_start_locks_nobody_out_once_it_is_right() -> None:
    lock = BareLock(started=at(3_600_000))
    lock.verifier.advance(at(3_600_000), 1000)
    session = lock.learn(a_session())
    assert lock.hears(token_at(session, NOON)) is Reason.JUST_STARTED
    later = at(SLOT_MS)
    assert isinstance(lock.hears(token_at(session, later), later), Admit)


@given(st.lists(st.integers(-100_000, 100_000), max_size=12))
def test_no_step_of_the_clock_makes_a_spent_token_good_again(steps: list[int]) -> None:
    lock = BareLock()
    session = lock.learn(a_session(lives_seconds=3600))
    opened = []
    now = NOON
    for step in [0, *steps, *(-step for step in steps)]:
        now = Instant(now + step)
        for shift in (-1, 0):
            token = token_at(session, now, shift)
            if isinstance(lock.hears(token, now), Admit):
                opened.append(token)
    assert len(opened) == len(set(opened))
    assert opened


def test_a_token_that_is_early_says_from_when_on_it_counts() -> None:
    lock = BareLock()
    session = lock.learn(cast.a_v2_session())
    next_slot = Slot(session.slot_at(NOON) + 1)
    token = cast.advert(session, NOON, 1)
    early = lock.verifier.judge(token, NEAR, str(PHONE), NOON)
    forged = lock.verifier.judge(token[:-1] + bytes([token[-1] ^ 1]), NEAR, str(PHONE), NOON)
    assert isinstance(early, Refuse)
    assert isinstance(forged, Refuse)
    assert (early.reason, early.counts_from) == (Reason.EARLY, session.start_of(next_slot))
    assert (forged.reason, forged.counts_from) == (Reason.EARLY, None)
    assert (early.is_undecided, forged.is_undecided) == (True, False)


def test_who_has_been_learnt_is_known_and_nobody_else() -> None:
    lock = BareLock()
    session, other = lock.learn(cast.a_v2_session(1)), cast.a_v2_session(2)
    assert session.session_id in lock.verifier
    assert other.session_id not in lock.verifier
