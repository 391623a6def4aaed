"""Where is the line between "here the door shall open" and "there it shall not"?

Pure: what was heard near and far goes in, thresholds come out, and what they would have done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from blelockd.protocol.verdict import Reason
from blelockd.services.lock.signals import Signal

FEWEST_SLOTS: Final = 3
"""Heard in fewer slots, a place says nothing."""

_DECILE: Final = 0.1
_WIDE_DB: Final = 6
_HARD_TO_TELL_DB: Final = 6
_LARGEST_MARGIN_DB: Final = 20
_NOT_THE_GUEST: Final = frozenset({Reason.FORGED, Reason.REPLAY, Reason.WRONG_DEVICE})
_Value = Callable[[Signal], int | None]


@dataclass(frozen=True, slots=True)
class Heard:
    """One signal, so many seconds after the beginning."""

    seconds: float
    signal: Signal


@dataclass(frozen=True, slots=True)
class Spread:
    """Of the slots at one place: the best and the worst tenth are beyond `best` and `worst`."""

    best: int
    median: int
    worst: int


@dataclass(frozen=True, slots=True)
class Place:
    """What was heard at one place: how many adverts, and by slots, of each the weakest advert."""

    adverts: int
    slots: tuple[Heard, ...]

    @property
    def rssi_dbm(self) -> Spread:
        """How loud."""
        return _spread([-each.signal.rssi_dbm for each in self.slots], -1)

    @property
    def path_loss_db(self) -> Spread | None:
        """How much was lost on the way; None where a guest does not tell its power."""
        losses = _losses(self)
        return _spread(losses, 1) if losses else None


@dataclass(frozen=True, slots=True)
class Proposal:
    """Thresholds, and what they would have done. None where near and far are too much alike.

    `near_opens` and `far_opens` are shares of the moments at which the door would have opened.
    """

    rssi_threshold_dbm: int | None
    path_loss_max_db: int | None
    leave_margin_db: int
    slots_heard: int
    near_opens: tuple[int, int]
    far_opens: tuple[int, int]

    @property
    def of_slots(self) -> int:
        """Twice as many as must be heard: some are missed."""
        return max(6, 2 * self.slots_heard)


_ALIKE: Final = Proposal(None, None, 0, 0, (0, 0), (0, 0))


def place(heard: Sequence[Heard]) -> Place:
    """What counts of what was heard: as the lock judges it, a slot once, by its weakest advert."""
    weakest: dict[tuple[str, int], Heard] = {}
    guests = [each for each in heard if each.signal.said not in _NOT_THE_GUEST]
    for each in guests:
        key = each.signal.session, each.signal.slot
        kept = weakest.get(key)
        if kept is None or each.signal.rssi_dbm < kept.signal.rssi_dbm:
            weakest[key] = each
    return Place(len(guests), tuple(weakest.values()))


def propose(near: Place, far: Place) -> Proposal | None:
    """The line between the two; None where one of them was heard in too few slots."""
    if len(near.slots) < FEWEST_SLOTS or len(far.slots) < FEWEST_SLOTS:
        return None
    soft = _line([-e.signal.rssi_dbm for e in near.slots], [-e.signal.rssi_dbm for e in far.slots])
    lost = _line(_losses(near), _losses(far))
    if lost is not None and lost.enter_db < 1:
        lost = None  # no limit can be written so: the guest states less power than it has
    line = lost or soft
    if line is None:
        return _ALIKE
    value: _Value = _loss if lost else _softness
    proposal = Proposal(
        None if soft is None else -soft.enter_db - 1,  # must be heard louder than that
        None if lost is None else lost.enter_db,
        line.margin_db,
        line.slots_heard,
        _opens(near, value, line),
        _opens(far, value, line),
    )
    (opened, of_near), (wrongly, of_far) = proposal.near_opens, proposal.far_opens
    return proposal if opened * of_far > wrongly * of_near else _ALIKE


@dataclass(frozen=True, slots=True)
class _Line:
    enter_db: int
    margin_db: int
    slots_heard: int


def _line(near: list[int], far: list[int]) -> _Line | None:
    """Between what is small near by and large far away; None where that is not so."""
    if not near or not far:
        return None
    gap_db = min(far) - max(near)
    worst, best = _quantile(near, 1 - _DECILE), _quantile(far, _DECILE)
    if best - worst >= 2:
        enter_db = worst + (best - worst) // 2
        margin_db = max(1, (best - enter_db) // 2)
        return _Line(enter_db, min(margin_db, _LARGEST_MARGIN_DB), 2 if gap_db >= _WIDE_DB else 3)
    here, there = _quantile(near, 0.5), _quantile(far, 0.5)
    if there - here < _HARD_TO_TELL_DB:
        return None
    enter_db = (here + there) // 2
    return _Line(enter_db, max(1, (there - enter_db) // 2), 5)


def _opens(at: Place, value: _Value, line: _Line) -> tuple[int, int]:
    """At how many of how many slots the median of the last ones would have opened the door."""
    values = [number for each in at.slots if (number := value(each.signal)) is not None]
    last = [
        sorted(values[end - line.slots_heard : end])
        for end in range(line.slots_heard, len(values) + 1)
    ]
    return sum(_worse_middle(each) <= line.enter_db for each in last), len(last)


def _worse_middle(values: list[int]) -> int:
    return values[len(values) // 2]


def _loss(signal: Signal) -> int | None:
    return signal.path_loss_db


def _softness(signal: Signal) -> int | None:
    return -signal.rssi_dbm


def _losses(at: Place) -> list[int]:
    losses = [each.signal.path_loss_db for each in at.slots]
    return [] if None in losses else [loss for loss in losses if loss is not None]


def _spread(values: list[int], sign: int) -> Spread:
    """Of values that are best when small; shown with `sign`."""
    return Spread(*(sign * _quantile(values, part) for part in (_DECILE, 0.5, 1 - _DECILE)))


def _quantile(values: list[int], part: float) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
