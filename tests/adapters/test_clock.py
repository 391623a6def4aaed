"""The machine's clocks, as the services see them."""

from __future__ import annotations

import time

from blelockd.adapters.clock import SystemClock, system_entropy
from blelockd.services.ports import BootClock, Clock


async def test_the_wall_clock_is_in_milliseconds_and_the_other_one_only_goes_forward() -> None:
    clock: Clock = SystemClock()
    before_ms = int(time.time() * 1000)
    assert before_ms <= clock.now() <= int(time.time() * 1000) + 1
    start = clock.monotonic_seconds()
    await clock.sleep(0.02)
    assert clock.monotonic_seconds() - start >= 0.02


def test_the_time_since_boot_is_the_kernels_and_in_milliseconds() -> None:
    clock: BootClock = SystemClock()
    before_ms = time.clock_gettime(time.CLOCK_BOOTTIME) * 1000
    assert int(before_ms) <= clock.boottime_ms()
    assert clock.boottime_ms() <= time.clock_gettime(time.CLOCK_BOOTTIME) * 1000


def test_chance_gives_as_many_bytes_as_asked_and_never_the_same() -> None:
    drawn = {system_entropy(32) for _ in range(1000)}
    assert len(drawn) == 1000
    assert {len(bytes_) for bytes_ in drawn} == {32}
