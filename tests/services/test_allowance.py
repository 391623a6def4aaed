"""Who asks too often waits; nobody's asking costs another his turn, or us our memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from blelockd.services.allowance import Allowance, Allowances


def test_a_burst_is_allowed_and_then_a_steady_rate() -> None:
    allowance = Allowance(per_second=0.5, burst=3)
    assert [allowance.take(0.0) for _ in range(5)] == [True, True, True, False, False]
    assert [allowance.take(now) for now in (1.9, 2.0, 2.1, 4.0)] == [False, True, False, True]


def test_rest_fills_the_bucket_to_the_brim_and_no_further() -> None:
    allowance = Allowance(per_second=1.0, burst=2)
    assert allowance.take(0.0)
    assert [allowance.take(1_000_000.0) for _ in range(3)] == [True, True, False]


@given(
    st.lists(st.floats(0, 30), max_size=100),
    st.floats(0.01, 5),
    st.integers(1, 10),
)
def test_never_more_than_burst_and_rate_together(
    pauses: list[float], per_second: float, burst: int
) -> None:
    allowance = Allowance(per_second, burst)
    now, taken = 100.0, 0
    for pause in pauses:
        now += pause
        taken += allowance.take(now)
        assert taken <= burst + (now - 100.0) * per_second + 0.001


def test_each_peer_has_a_bucket_of_its_own() -> None:
    allowances = Allowances(per_second=0.1, burst=1)
    assert allowances.take("one", 0.0)
    assert not allowances.take("one", 0.0)
    assert allowances.take("other", 0.0)


def test_the_peer_longest_unused_makes_room() -> None:
    allowances = Allowances(per_second=0.001, burst=1, most_peers=2)
    assert allowances.take("a", 0.0)
    assert allowances.take("b", 0.0)
    assert not allowances.take("a", 0.0)  # and is the newest now
    assert allowances.take("c", 0.0)
    assert not allowances.take("a", 0.0)
    assert allowances.take("b", 0.0)  # forgotten, so a stranger again


def test_a_thousand_addresses_are_not_a_thousand_buckets() -> None:
    allowances = Allowances(per_second=1.0, burst=1)
    for number in range(1000):
        assert allowances.take(f"stranger {number}", 0.0)
    assert len(allowances._peers) == 256
