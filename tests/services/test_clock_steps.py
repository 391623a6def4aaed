"""The lock notices that its clock was set, and is not disturbed by one that runs."""

from __future__ import annotations

from blelockd.services.clock_steps import LEAST_STEP_MS, ClockSteps
from tests.fakes.clock import FakeClock


def test_a_clock_that_only_runs_was_never_set() -> None:
    clock = FakeClock()
    steps = ClockSteps(clock)
    for _ in range(100):
        clock.time.jump(3600)
        assert not steps.stepped()


def test_each_step_is_noticed_once_in_either_direction() -> None:
    clock = FakeClock()
    steps = ClockSteps(clock)
    for step_ms in (LEAST_STEP_MS, -LEAST_STEP_MS, 10 * 365 * 86_400_000, -86_400_000):
        clock.step(step_ms)
        assert [steps.stepped(), steps.stepped()] == [True, False]


def test_what_small_corrections_add_up_to_is_noticed() -> None:
    clock = FakeClock()
    steps = ClockSteps(clock)
    noticed = 0
    for _ in range(10):
        clock.step(LEAST_STEP_MS // 2)
        noticed += steps.stepped()
    assert noticed == 5
