"""What falls due when: found without looking at what does not."""

from __future__ import annotations

import heapq


class Deadlines:
    """Keys by when they fall due, on whatever clock the caller keeps to.

    A key may be added several times; it is told for each of them. What a key stood for may be
    gone, or put off, when it is told: that is for the caller to know.
    """

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[float, bytes]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due: float, key: bytes) -> None:
        """`key` falls due at `due`."""
        heapq.heappush(self._heap, (due, key))

    def take(self, now: float, at_most: int) -> list[bytes]:
        """Up to `at_most` keys that are due at `now`, the longest overdue first."""
        taken: list[bytes] = []
        while self._heap and self._heap[0][0] <= now and len(taken) < at_most:
            taken.append(heapq.heappop(self._heap)[1])
        return taken
