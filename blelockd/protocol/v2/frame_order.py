"""Frames in the order of their numbers, for the guest: over EATT notifications overtake each other.

Two BlueZ with experimental features open several ATT channels, and each answers on any of them.
"""

from __future__ import annotations

from blelockd.protocol.v2.frames import LONGEST_PAUSE_SECONDS, MOST_FRAMES, ends, number, starts


class FrameOrder:
    """Holds at most MOST_FRAMES that are early, each for LONGEST_PAUSE_SECONDS."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._early: dict[int, tuple[bytes, float]] = {}

    def __len__(self) -> int:
        return len(self._early)

    def put(self, frame: bytes, now_seconds: float) -> list[bytes]:
        """Those whose turn it is, now that `frame` has come; `now_seconds` is monotonic.

        What cannot be placed is passed on as it is: the Reassembler refuses it.
        """
        seq = number(frame)
        if starts(frame):
            self._next = 0
        elif seq is not None and seq < MOST_FRAMES and (self._next is None or seq > self._next):
            self._early[seq] = frame, now_seconds
            return []
        ready = [frame]
        self._count(frame)
        while self._next is not None and self._next in self._early:
            early, since_seconds = self._early.pop(self._next)
            if now_seconds - since_seconds > LONGEST_PAUSE_SECONDS:
                break
            ready.append(early)
            self._count(early)
        return ready

    def _count(self, frame: bytes) -> None:
        if self._next is not None:
            self._next = None if ends(frame) else self._next + 1
