"""The lock's time and the issuer's view of the lock: bound to a question, and to a boot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.down import (
    Time,
)
from blelockd.protocol.v2.envelope import Address
from blelockd.protocol.v2.lock_view import MOST_RETIRED, LockView
from blelockd.protocol.v2.reports import (
    Hello,
)
from blelockd.protocol.v2.trusted_time import ClockState, TrustedTime
from tests.fakes.clock import NOON

NONCE, OTHER = b"n" * 16, b"o" * 16


def a_time(nonce: bytes = NONCE, lease_seconds: int = 900) -> Time:
    return Time(NOON, nonce, lease_seconds)


def a_clock(waited_ms: int = 0) -> TrustedTime:
    """A clock that asked at 5 s after boot, and was answered so much later, by TIME and SYNC."""
    clock = TrustedTime()
    clock.hello(NONCE, 5000)
    assert clock.accept(a_time(), 5000 + waited_ms)
    assert clock.extend_lease(NONCE)
    return clock


def test_before_the_issuer_has_said_it_there_is_no_time() -> None:
    clock = TrustedTime()
    assert clock.now(10**9) is None
    assert clock.lease_until() is None
    assert clock.state(10**9) is ClockState.NONE
    assert not clock.accept(a_time(), 0)


@pytest.mark.parametrize(
    ("waited_ms", "good"), [(0, True), (2000, True), (2001, False), (-1, False)]
)
def test_the_time_is_taken_within_two_seconds_of_the_question(waited_ms: int, good: bool) -> None:
    clock = TrustedTime()
    clock.hello(NONCE, 5000)
    assert clock.accept(a_time(), 5000 + waited_ms) is good
    assert (clock.now(5000 + waited_ms) == NOON + waited_ms // 2) is good


def test_only_the_last_question_is_answered() -> None:
    clock = TrustedTime()
    clock.hello(OTHER, 0)
    clock.hello(NONCE, 100)
    assert not clock.accept(a_time(OTHER), 200)
    assert clock.now(200) is None
    assert clock.answers_hello(NONCE)
    assert not clock.answers_hello(OTHER)
    assert clock.accept(a_time(), 200)


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 10**9))
def test_the_time_is_off_by_a_second_at_most_however_the_broker_delays(
    there_ms: int, back_ms: int, later_ms: int
) -> None:
    """The issuer wrote its time `there_ms` after the question; it came `back_ms` after that."""
    clock = TrustedTime()
    clock.hello(NONCE, 0)
    if clock.accept(a_time(), there_ms + back_ms):
        now = clock.now(there_ms + later_ms + back_ms)
        assert now is not None
        assert abs(now - (NOON + back_ms + later_ms)) <= 1000
    else:
        assert there_ms + back_ms > 2000


def test_the_time_goes_on_and_lapses_with_its_lease() -> None:
    clock = a_clock()
    assert clock.now(5000 + 899_999) == NOON + 899_999
    assert clock.state(5000 + 899_999) is ClockState.CONFIRMED
    assert clock.state(5000 + 900_000) is ClockState.LAPSED
    assert clock.now(5000 + 10**9) == NOON + 10**9
    assert clock.lease_until() == NOON + 900_000
    clock.hello(OTHER, 2_000_000)
    assert clock.accept(Time(Instant(NOON + 2_000_000), OTHER, 60), 2_000_000)
    assert clock.extend_lease(OTHER)
    assert clock.state(2_000_000) is ClockState.CONFIRMED
    assert clock.lease_until() == NOON + 2_060_000


def test_a_lease_counts_when_all_that_lives_was_named_in_answer_to_the_same_question() -> None:
    clock = TrustedTime()
    assert not clock.extend_lease(NONCE)
    clock.hello(NONCE, 5000)
    assert not clock.extend_lease(NONCE)
    assert clock.accept(a_time(), 5000)
    assert clock.state(5000) is ClockState.LAPSED
    assert not clock.extend_lease(OTHER)
    assert clock.state(5000) is ClockState.LAPSED
    assert clock.extend_lease(NONCE)
    assert clock.state(5000) is ClockState.CONFIRMED
    clock.hello(OTHER, 600_000)
    assert clock.accept(a_time(OTHER), 600_000)
    assert not clock.extend_lease(NONCE)
    assert clock.state(905_000) is ClockState.LAPSED


def test_a_refused_time_changes_nothing() -> None:
    clock = a_clock()
    clock.hello(OTHER, 10_000)
    assert not clock.accept(Time(Instant(0), NONCE, 1), 10_000)
    assert not clock.accept(Time(Instant(0), OTHER, 1), 12_001)
    assert clock.now(12_001) == NOON + 7001
    assert clock.lease_until() == NOON + 900_000


def hello(epoch: bytes, last_seq: int = 0) -> Hello:
    return Hello(epoch, NONCE, last_seq, ClockState.NONE)


def test_the_issuer_counts_on_from_where_the_lock_is() -> None:
    view = LockView(bytes(8), b"l" * 8)
    assert view.address(NOON, 1000) is None
    assert view.greet(hello(b"1" * 16))
    first = view.address(NOON, 1000)
    assert first == down_address(1)
    assert view.greet(hello(b"1" * 16, last_seq=41))
    assert view.address(NOON, 1000) == down_address(42)
    assert view.greet(hello(b"1" * 16, last_seq=7))  # a late HELLO of this boot turns nothing back
    assert view.address(NOON, 1000) == down_address(43)


def down_address(seq: int) -> object:
    return Address(bytes(8), b"l" * 8, b"1" * 16, seq, NOON, Instant(NOON + 1000))


def test_a_hello_of_an_earlier_boot_does_not_turn_the_issuer_back() -> None:
    view = LockView(bytes(8), bytes(8))
    assert view.greet(hello(b"1" * 16, 9))
    assert view.greet(hello(b"2" * 16))
    assert view.seq == 0
    assert not view.greet(hello(b"1" * 16, 9))
    assert view.epoch == b"2" * 16
    for number in range(MOST_RETIRED + 5):
        assert view.greet(hello(number.to_bytes(16, "big")))
    assert len(view._retired) == MOST_RETIRED
