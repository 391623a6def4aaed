"""One session, two clocks: both sides count the same slots and end at the same moment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.instants import Instant, Slot, from_unix_seconds, slot_at
from blelockd.protocol.v1.envelope import session_at_guest
from tests.fakes.clock import NOON
from tests.fakes.keys import LOCK_ID
from tests.fakes.sessions import SLOT_MS, a_grant, a_session

INSTANTS = st.integers(0, 1 << 46).map(Instant)


@given(INSTANTS, st.integers(1000, 60_000))
def test_a_slot_begins_where_the_one_before_it_ends(now: Instant, slot_ms: int) -> None:
    slot = slot_at(now, slot_ms)
    assert slot * slot_ms <= now < (slot + 1) * slot_ms


@given(INSTANTS, st.integers(-30, 30), st.integers(1, 60))
def test_the_lock_counts_the_slots_of_the_guests_clock(
    now: Instant, offset_seconds: int, slot_seconds: int
) -> None:
    session = a_session(slot_ms=slot_seconds * 1000, offset_seconds=offset_seconds)
    slot = session.slot_at(now)
    assert slot == slot_at(Instant(now + offset_seconds * 1000), slot_seconds * 1000)
    assert session.start_of(slot) <= now < session.start_of(Slot(slot + 1))


@given(st.integers(-30, 30), st.integers(-5000, 400_000))
def test_guest_and_lock_agree_on_slot_and_end_whatever_their_clocks_say(
    offset_seconds: int, after_ms: int
) -> None:
    grant = a_grant(offset_seconds=offset_seconds)
    at_lock = a_session(offset_seconds=offset_seconds)
    at_guest = session_at_guest(LOCK_ID, grant, at_lock.slot_ms)
    lock_now = Instant(NOON + after_ms)
    guest_now = Instant(lock_now + offset_seconds * 1000)
    assert at_guest.slot_at(guest_now) == at_lock.slot_at(lock_now)
    assert (guest_now < at_guest.not_after) is (lock_now < at_lock.not_after)
    assert at_guest.session_id == at_lock.session_id


@pytest.mark.parametrize("offset_seconds", [None, -30, 0, 7])
def test_a_guest_ends_the_session_by_its_own_clock(offset_seconds: int | None) -> None:
    at_lock = a_session(offset_seconds=offset_seconds)
    at_guest = session_at_guest(LOCK_ID, a_grant(offset_seconds=offset_seconds), SLOT_MS)
    assert at_guest.not_after - at_lock.not_after == (offset_seconds or 0) * 1000
    assert at_lock.clock_offset_ms == (offset_seconds or 0) * 1000
    assert at_guest.clock_offset_ms == 0


def test_a_session_prints_no_secret() -> None:
    session = a_session(0x5EC2E7)
    assert "5ec2e7" not in f"{session!r} {a_grant(0x5EC2E7)!r}".lower()
    assert "AAAAAAAAAAA=" not in f"{session!r} {a_grant()!r}"


def test_unix_seconds_are_thousands_of_milliseconds() -> None:
    assert from_unix_seconds(1_700_000_000) == NOON
