"""Time that a test moves by hand: one true time, and clocks that show it each in its own way.

The wall clock of a machine may be wrong and may be stepped; the monotonic clock never is. A
session of five minutes is played in milliseconds.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from typing import Final

from blelockd.protocol.instants import MS_PER_SECOND, Instant

NOON: Final = Instant(1_700_000_000_000)
_TURNS_TO_SETTLE: Final = 60
_BOOTED_MS: Final = 20_000


class FakeTime:
    """What time it really is, and who sleeps until when."""

    def __init__(self, at: Instant = NOON) -> None:
        self._begun = at
        self._elapsed_ms = 0
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = 0

    @property
    def now(self) -> Instant:
        """The true time."""
        return Instant(self._begun + self._elapsed_ms)

    @property
    def elapsed_ms(self) -> int:
        """How long this test has run, by the true time."""
        return self._elapsed_ms

    @property
    def sleepers(self) -> int:
        """How many sleep now."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Return once `seconds` have been let pass."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._order += 1
        # up, so that who waits for a fraction of a millisecond, however small, gets on
        least_ms = 1 if seconds > 0 else 0
        due_ms = self._elapsed_ms + max(least_ms, math.ceil(round(seconds * MS_PER_SECOND, 3)))
        heapq.heappush(self._sleepers, (due_ms, self._order, future))
        if seconds <= 0:
            future.set_result(None)
        await future

    def jump(self, seconds: float) -> None:
        """Let time pass while nobody looks: who should have woken meanwhile wakes late."""
        self._elapsed_ms += round(seconds * MS_PER_SECOND)

    async def pass_(self, seconds: float) -> None:
        """Let `seconds` pass; everybody wakes when due and gets on as far as possible."""
        end_ms = self._elapsed_ms + round(seconds * MS_PER_SECOND)
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end_ms:
            due_ms, _, future = heapq.heappop(self._sleepers)
            if future.done():
                continue
            self._elapsed_ms = max(due_ms, self._elapsed_ms)
            future.set_result(None)
            await settle()
        self._elapsed_ms = max(end_ms, self._elapsed_ms)
        await settle()


class FakeClock:
    """The clock of one machine: `skew_ms` ahead of the true time."""

    def __init__(self, time: FakeTime | None = None, skew_ms: int = 0) -> None:
        self.time = time or FakeTime()
        self.skew_ms = skew_ms

    def now(self) -> Instant:
        """The wall clock of this machine."""
        return Instant(self.time.now + self.skew_ms)

    def monotonic_seconds(self) -> float:
        """Seconds since the test began, whatever is done to the wall clock."""
        return self.time.elapsed_ms / MS_PER_SECOND

    def boottime_ms(self) -> int:
        """Milliseconds since this machine was booted, which was before the test began."""
        return self.time.elapsed_ms + _BOOTED_MS

    async def sleep(self, seconds: float) -> None:
        """Return once `seconds` of the true time have been let pass."""
        await self.time.sleep(seconds)

    def step(self, milliseconds: int) -> None:
        """Set the wall clock forward, or back."""
        self.skew_ms += milliseconds

    async def pass_(self, seconds: float) -> None:
        """Let `seconds` of the true time pass."""
        await self.time.pass_(seconds)


async def settle() -> None:
    """Let every task go on until it waits for something that does not come by itself."""
    for _ in range(_TURNS_TO_SETTLE):
        await asyncio.sleep(0)
