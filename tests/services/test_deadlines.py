"""Deadlines beside a plain list: the same keys, however many are asked for at a time."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from blelockd.services.deadlines import Deadlines

TIMES = st.lists(st.integers(0, 50), max_size=40)


@given(TIMES, st.integers(0, 60), st.integers(1, 10))
def test_what_is_due_is_told_once_and_the_longest_overdue_first(
    times: list[int], now: int, at_most: int
) -> None:
    deadlines = Deadlines()
    keys = {number.to_bytes(2, "big"): due for number, due in enumerate(times)}
    for key, due in keys.items():
        deadlines.add(due, key)
    told: list[bytes] = []
    while piece := deadlines.take(now, at_most):
        assert len(piece) <= at_most
        told += piece
    assert sorted(told) == sorted(key for key, due in keys.items() if due <= now)
    assert [keys[key] for key in told] == sorted(keys[key] for key in told)
    assert len(deadlines) == len(keys) - len(told)


def test_a_key_that_was_put_off_is_told_at_both_times() -> None:
    deadlines = Deadlines()
    deadlines.add(10, b"session")
    deadlines.add(20, b"session")
    assert deadlines.take(10, 5) == [b"session"]
    assert deadlines.take(19, 5) == []
    assert deadlines.take(20, 5) == [b"session"]
