"""How long to wait before trying again: twice as long each time, with jitter, up to a bound."""

from __future__ import annotations

import random


class Backoff:
    """Delays in seconds from `first_seconds`, doubling to `longest_seconds`.

    Each is drawn between half and the whole of its nominal length, so that many clients which
    lost the same peer do not come back in step.
    """

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._nominal_seconds = first_seconds

    def next_seconds(self) -> float:
        """The delay before the next try."""
        nominal = self._nominal_seconds
        self._nominal_seconds = min(2 * nominal, self._longest_seconds)
        return nominal * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin anew after a success."""
        self._nominal_seconds = self._first_seconds
