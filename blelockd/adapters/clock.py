"""Where time and chance enter: the only place that reads the clocks of the machine."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Final

from blelockd.protocol.instants import Instant
from blelockd.services.ports import Entropy

_NS_PER_MS: Final = 1_000_000


class SystemClock:
    """ports.Clock and ports.BootClock on the machine's own clocks."""

    def now(self) -> Instant:
        """The wall clock, in whole milliseconds since the Unix epoch."""
        return Instant(time.time_ns() // _NS_PER_MS)

    def monotonic_seconds(self) -> float:
        """Seconds from an arbitrary start, never stepped back."""
        return time.monotonic()

    def boottime_ms(self) -> int:
        """Milliseconds since the machine was booted, asleep or awake."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // _NS_PER_MS

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of the monotonic clock."""
        await asyncio.sleep(seconds)


# The kernel's generator; blocks only in the first moments of a boot (getrandom(2)).
system_entropy: Entropy = os.urandom
