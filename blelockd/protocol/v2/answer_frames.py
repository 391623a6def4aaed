"""A guest's answer, of frames that come in any order and among those of answers to others.

Two BlueZ with experimental features open several ATT channels, over which frames overtake each
other, and below 5.80 BlueZ notifies every guest of every answer. A frame tells its place, not whose
it is: what fits together is a message, and its seal tells whether it is the one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.v2.frames import LONGEST_SECONDS, MOST_FRAMES, Frame

MOST_KEPT: Final = 2 * MOST_FRAMES
"""The frames of two messages, however small they are."""

MOST_FITTING: Final = 8
"""So many messages one frame may complete. Over one channel the first that fits is the one."""

MOST_STEPS: Final = 65_536
"""From frame to frame, in all that is heard. A grant in the smallest frames, after nine grants to
others, needs 50,000; frames that are made to fit each other in many ways soon need more.
"""


class TooManyFit(Malformed):
    """What is heard fits together in so many ways that the answer is looked for no more."""


@dataclass(frozen=True, slots=True)
class Complete:
    """A message, and when its first frame came."""

    message: bytes
    since_seconds: float


@dataclass(frozen=True, slots=True)
class _Kept:
    frame: Frame
    came_seconds: float
    number: int

    @property
    def end(self) -> int:
        """The place behind it."""
        frame = self.frame
        return len(frame.payload) + (0 if frame.starts else frame.place)

    @property
    def next(self) -> tuple[int, int]:
        """By which seq and place the frame after it is known."""
        return self.frame.seq + 1, self.end


class AnswerFrames:
    """Keeps MOST_KEPT frames, each for LONGEST_SECONDS."""

    def __init__(self) -> None:
        self._kept: dict[bytes, _Kept] = {}  # the oldest first
        self._heard = 0
        self._steps = 0

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, raw: bytes, now_seconds: float) -> list[Complete]:
        """The messages that `raw` completes; `now_seconds` is monotonic.

        Raises Malformed where it is no frame, and TooManyFit from MOST_STEPS on.
        """
        frame = Frame.decode(raw)
        if self._steps >= MOST_STEPS:
            raise TooManyFit("its frames fit together in too many ways")
        self._kept.pop(raw, None)
        self._make_room(now_seconds)
        self._heard += 1
        new = self._kept[raw] = _Kept(frame, now_seconds, self._heard)
        search = _Search(new, self._kept.values())
        completed = list(islice(search.messages(), MOST_FITTING))
        self._steps += search.steps
        return completed

    def _make_room(self, now_seconds: float) -> None:
        for raw, kept in list(self._kept.items()):
            if len(self._kept) < MOST_KEPT and now_seconds - kept.came_seconds <= LONGEST_SECONDS:
                return
            del self._kept[raw]


class _Search:
    """For the messages that have `new` in them.

    No way is taken that does not lead to one, so it costs MOST_FRAMES steps for each at most, and
    one more for each frame that is kept.
    """

    def __init__(self, new: _Kept, kept: Iterable[_Kept]) -> None:
        self.steps = 0
        self._new = new
        self._at: defaultdict[tuple[int, int], list[_Kept]] = defaultdict(list)
        self._ends: dict[tuple[int, int], int] = {}
        self._starts: list[_Kept] = []
        seq = new.frame.seq
        for one in kept:
            # Whoever comes as far as `seq` has `new`, then: nothing else of its number is taken,
            # and nothing that ends before it.
            if one is new or one.frame.seq > seq or (one.frame.seq < seq and not one.frame.ends):
                if one.frame.starts:
                    self._starts.append(one)
                else:
                    self._at[one.frame.seq, one.frame.place].append(one)

    def messages(self) -> Iterator[Complete]:
        """Those first whose frames came one after the other."""
        if not self._ends_from(self._new):
            return
        starts = (one for one in self._starts if self._leads(one, one.frame.place))
        waiting: list[tuple[_Kept, ...]] = [(one,) for one in starts]
        while waiting:
            self.steps += 1
            parts = waiting.pop()
            if parts[-1].frame.ends:
                message = b"".join(part.frame.payload for part in parts)
                yield Complete(message, min(part.came_seconds for part in parts))
            else:
                size = parts[0].frame.place
                waiting += [(*parts, one) for one in self._after(parts[-1], size)]

    def _after(self, last: _Kept, size: int) -> list[_Kept]:
        """What may follow there, the likeliest at the end: what came soonest after `last`."""
        fitting = [one for one in self._at.get(last.next, ()) if self._leads(one, size)]
        before = [one for one in fitting if one.number < last.number]
        return [*before, *reversed(fitting[len(before) :])]

    def _leads(self, one: _Kept, size: int) -> bool:
        """Whether a message of that size may go on with it."""
        return bool(self._ends_from(one) >> size & 1)

    def _ends_from(self, one: _Kept) -> int:
        """Where messages that go on with it may end: a bit for each place."""
        if one.frame.ends:
            return 1 << one.end
        ends = self._ends.get(one.next)
        if ends is None:
            ends = 0
            for after in self._at.get(one.next, ()):
                self.steps += 1
                ends |= self._ends_from(after)
            self._ends[one.next] = ends
        return ends
