"""What is wrong with the store, told once a minute however often it is met."""

from __future__ import annotations

from typing import Final

from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.issuer.records import StoreFailed
from blelockd.services.ports import Clock, Journal

_QUIET_SECONDS: Final = 60.0


class StoreTrouble:
    """Tells the journal of a store that fails."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._told: dict[str, float] = {}

    def tell(self, error: StoreFailed) -> None:
        """It has failed with `error`."""
        now = self._clock.monotonic_seconds()
        if now - self._told.get(error.problem, -_QUIET_SECONDS) < _QUIET_SECONDS:
            return
        self._told = {error.problem: now}
        self._journal.record(
            Event(
                EventKind.STORE_FAILED,
                str(error),
                Severity.ERROR,
                {"problem": error.problem, "remedy": error.remedy},
            )
        )
