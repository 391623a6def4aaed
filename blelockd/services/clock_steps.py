"""Has the wall clock been set? A lock without a battery-backed clock starts years in the past."""

from __future__ import annotations

from typing import Final

from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.services.ports import Clock

LEAST_STEP_MS: Final = 2000
"""Smaller corrections change the fate of no session."""


class ClockSteps:
    """Compares the wall clock with the one that nobody can set."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lead_ms = self._lead()

    def stepped(self) -> bool:
        """Whether the wall clock was set by LEAST_STEP_MS or more since the last step."""
        lead_ms = self._lead()
        if abs(lead_ms - self._lead_ms) < LEAST_STEP_MS:
            return False
        self._lead_ms = lead_ms
        return True

    def _lead(self) -> float:
        return self._clock.now() - self._clock.monotonic_seconds() * MS_PER_SECOND
