"""A guest's answer, of frames that come in any order and among those of answers to others.

Two BlueZ with experimental features open several ATT channels, over which frames overtake each
other, and below 5.80 BlueZ notifies every guest of every answer. A frame tells its place, not whose
it is: what fits together is a message, and its seal tells whether it is the one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from blelockd.protocol.v2.frames import LONGEST_SECONDS, MOST_FRAMES, Frame

MOST_KEPT: Final = 2 * MOST_FRAMES
"""The frames of two messages, however small they are."""

MOST_FITTING: Final = 8
"""So many messages one frame may complete. Over one channel the first that fits is the one."""

_MOST_STEPS: Final = 1024


@dataclass(frozen=True, slots=True)
class Complete:
    """A message, and when its first frame came."""

    message: bytes
    since_seconds: float


@dataclass(frozen=True, slots=True)
class _Kept:
    frame: Frame
    came_seconds: float


class AnswerFrames:
    """Keeps MOST_KEPT frames, each for LONGEST_SECONDS."""

    def __init__(self) -> None:
        self._kept: list[_Kept] = []

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, raw: bytes, now_seconds: float) -> list[Complete]:
        """The messages that `raw` completes; `now_seconds` is monotonic. Raises Malformed."""
        frame = Frame.decode(raw)
        self._kept = [
            kept
            for kept in self._kept[1 - MOST_KEPT :]
            if now_seconds - kept.came_seconds <= LONGEST_SECONDS and kept.frame != frame
        ]
        new = _Kept(frame, now_seconds)
        self._kept.append(new)
        return list(islice(self._fitting(new), MOST_FITTING))

    def _fitting(self, new: _Kept) -> Iterator[Complete]:
        """Messages that have `new` in them, those first whose frames came one after the other."""
        waiting: list[tuple[_Kept, ...]] = [(kept,) for kept in self._kept if kept.frame.starts]
        for _ in range(_MOST_STEPS):
            if not waiting:
                return
            parts = waiting.pop()
            size = sum(len(part.frame.payload) for part in parts)
            if parts[-1].frame.ends:
                if size == parts[0].frame.place and new in parts:
                    message = b"".join(part.frame.payload for part in parts)
                    yield Complete(message, min(part.came_seconds for part in parts))
            elif size < parts[0].frame.place:
                waiting += [(*parts, after) for after in self._after(parts[-1], len(parts), size)]

    def _after(self, last: _Kept, seq: int, place: int) -> list[_Kept]:
        """What may follow there, the likeliest at the end: what came soonest after `last`."""
        at = self._kept.index(last)
        in_turn = [*self._kept[:at], *reversed(self._kept[at + 1 :])]
        return [
            kept
            for kept in in_turn
            if (kept.frame.seq, kept.frame.place) == (seq, place)  # a first frame has seq 0
        ]
