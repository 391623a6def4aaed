"""A broker's log played again: in order, backwards, shuffled, after a reboot, at any time: nothing.

BLELOCK_ATTACK=full plays 1,000 messages 100 times over; else a tenth of each.
"""

from __future__ import annotations

import os
import random
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.down import EventAck
from blelockd.protocol.v2.gate import Dropped, Gate, GateKeys, Taken, Why
from blelockd.protocol.v2.reports import Result
from tests.fakes import enrolled as cast
from tests.fakes.clock import NOON

FULL: Final = os.environ.get("BLELOCK_ATTACK") == "full"
MESSAGES, TIMES = (1000, 100) if FULL else (100, 10)
HOUR, DAY, YEAR = 3_600_000, 86_400_000, 31_536_000_000
LOG: Final = [
    cast.an_envelope(EventAck(cast.EPOCH, seq), seq=seq) for seq in range(1, MESSAGES + 1)
]


def effects(gate: Gate, log: list[bytes], now: Instant | None = NOON) -> list[int]:
    """The sequence numbers of what the gate let through."""
    let_through = []
    for raw in log:
        taken = gate.take(raw, now)
        if isinstance(taken, Taken):
            gate.settle(taken, Result.APPLIED)
            let_through.append(taken.seq)
    return let_through


def shuffles() -> list[list[bytes]]:
    """The log in order, backwards, and in orders that are the same on every run."""
    order = random.Random(9180)
    shuffled = [order.sample(LOG, len(LOG)) for _ in range(TIMES)]
    return [LOG, LOG[::-1], *shuffled]


@pytest.mark.timeout(1200 if FULL else 60)
def test_what_was_taken_once_has_no_effect_again() -> None:
    gate = cast.a_gate()
    assert effects(gate, LOG) == [*range(1, MESSAGES + 1)]
    for log in shuffles():
        assert effects(gate, log) == []


@pytest.mark.timeout(1200 if FULL else 60)
def test_after_a_reboot_nothing_has_an_effect_whatever_the_clock_says() -> None:
    gate = Gate(GateKeys(cast.DOOR, cast.LEK, cast.ISK_PUBLIC), cast.fresh(16))
    off = [0, *(sign * by for by in (HOUR, DAY, YEAR) for sign in (1, -1))]
    for number, log in enumerate(shuffles()):
        now = Instant(NOON + off[number % len(off)])
        assert effects(gate, log, now) == []
        assert effects(gate, log[:10], None) == []
    assert gate.last_seq == 0


def test_a_log_that_is_delivered_for_the_first_time_much_later_has_no_effect() -> None:
    gate = cast.a_gate()
    for off in (HOUR, DAY, YEAR):
        assert effects(gate, LOG[:10], Instant(NOON + off)) == []


@settings(max_examples=40)
@given(st.lists(st.integers(0, min(MESSAGES, 12) - 1), max_size=30))
def test_in_whatever_order_they_come_each_has_one_effect_at_most_and_none_after_a_later(
    order: list[int],
) -> None:
    gate, results = cast.a_gate(), dict[int, Result]()
    highest = 0
    for at in order:
        verdict = gate.take(LOG[at], NOON)
        assert isinstance(verdict, Taken) is (at + 1 > highest)
        if isinstance(verdict, Taken):
            results[at] = gate.settle(verdict, Result.APPLIED).result
        else:
            assert isinstance(verdict, Dropped)
            assert verdict.why is Why.SEEN
            assert verdict.ack is not None
            assert verdict.ack.result is results.get(at, Result.TOO_LATE)
        highest = max(highest, at + 1)
        assert gate.last_seq == highest
