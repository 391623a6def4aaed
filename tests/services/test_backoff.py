"""Patience grows to a bound, and begins anew after a success."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from blelockd.services.backoff import Backoff


@given(st.floats(0.1, 10), st.floats(1, 100))
def test_each_wait_is_twice_the_one_before_within_jitter_and_bound(
    first: float, factor: float
) -> None:
    longest = first * factor
    backoff = Backoff(first, longest)
    nominal = first
    for _ in range(12):
        assert nominal / 2 <= backoff.next_seconds() <= nominal
        nominal = min(2 * nominal, longest)
    backoff.reset()
    assert first / 2 <= backoff.next_seconds() <= first


def test_clients_that_failed_together_do_not_come_back_together() -> None:
    waits = {Backoff(1.0, 60.0).next_seconds() for _ in range(20)}
    assert len(waits) > 10
