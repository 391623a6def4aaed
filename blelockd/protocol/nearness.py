"""Is a guest near enough? Asked of proven tokens only, and last.

Pure: who knows the signal of an advert says how much it has to spare, and the rest is counting. One
loud moment is no proof of nearness, so what counts is the median of several slots; and of one slot
the weakest that was heard, for who is loud in a guest's name cannot make the guest itself louder.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from blelockd.protocol.instants import Instant
from blelockd.protocol.session import Session

MOST_SLOTS: Final = 20
_NO_LIMIT_DB: Final = 1000
_MOST_GUESTS: Final = 4096


@dataclass(frozen=True, slots=True)
class Smoothing:
    """A guest is near when the median of `slots_heard` of the last `of_slots` slots is, and stays
    near until the median is `leave_margin_db` worse than that.

    With `slots_heard` of 1 each advert is judged by itself.
    """

    slots_heard: int = 1
    of_slots: int = 6
    leave_margin_db: int = 6


def loudness_to_spare_db(session: Session, rssi_dbm: int, threshold_dbm: int) -> int:
    """By how much a guest is loud enough, of whom more than `threshold_dbm` is asked."""
    spare_db = rssi_dbm - threshold_dbm - 1
    if session.rssi_min_dbm is None:
        return spare_db
    return min(spare_db, rssi_dbm - session.rssi_min_dbm)


def path_to_spare_db(
    session: Session, rssi_dbm: int, tx_power_dbm: int | None, path_loss_max_db: int
) -> int:
    """By how much less than allowed was lost on the way, of what the lock (0: no limit) and the
    session allow. Who does not tell its power has lost too much.
    """
    limits = [limit for limit in (path_loss_max_db, session.path_loss_max_db) if limit]
    if not limits:
        return _NO_LIMIT_DB
    return -_NO_LIMIT_DB if tx_power_dbm is None else min(limits) - (tx_power_dbm - rssi_dbm)


ONE_BY_ONE: Final = Smoothing()
"""Each advert by itself."""


class Near(Enum):
    """What the adverts so far say."""

    YES = auto()
    NO = auto()
    TOO_FEW_HEARD = auto()
    """They are not enough to tell."""


class _Trail:
    """The slots in which a guest was heard, the newest last: (session, slot, when, to spare)."""

    __slots__ = ("is_near", "slots")

    def __init__(self) -> None:
        self.is_near = False
        self.slots: list[tuple[bytes, int, Instant, int]] = []


class Nearness:
    """What is remembered of each guest, over its sessions; of a bounded number of guests."""

    __slots__ = ("_trails",)

    def __init__(self) -> None:
        self._trails: OrderedDict[bytes, _Trail] = OrderedDict()

    def __len__(self) -> int:
        return len(self._trails)

    def hears(
        self, session: Session, slot: int, to_spare_db: int, rule: Smoothing, now: Instant
    ) -> Near:
        """The guest of `session` was heard in `slot`, so much louder than it had to be."""
        trail = self._trail(session)
        oldest = now - rule.of_slots * session.slot_ms
        trail.slots = [each for each in trail.slots if oldest < each[2] <= now]
        if not trail.slots:
            trail.is_near = False
        _note(trail, session.session_id.raw, slot, to_spare_db, now)
        del trail.slots[: -rule.slots_heard]
        if len(trail.slots) < rule.slots_heard and not trail.is_near:
            return Near.TOO_FEW_HEARD
        enough_db = -rule.leave_margin_db if trail.is_near else 0
        trail.is_near = _median([each[3] for each in trail.slots]) >= enough_db
        return Near.YES if trail.is_near else Near.NO

    def _trail(self, session: Session) -> _Trail:
        guest = session.session_id if session.guest_id is None else session.guest_id
        trail = self._trails.pop(guest.raw, None) or _Trail()
        self._trails[guest.raw] = trail
        if len(self._trails) > _MOST_GUESTS:
            self._trails.popitem(last=False)
        return trail


def _note(trail: _Trail, session: bytes, slot: int, to_spare_db: int, now: Instant) -> None:
    """One slot counts once, by the weakest that was heard in it, and by when it was heard first."""
    for place, (its_session, its_slot, heard, spared_db) in enumerate(trail.slots):
        if (its_session, its_slot) == (session, slot):
            trail.slots[place] = session, slot, heard, min(spared_db, to_spare_db)
            return
    trail.slots.append((session, slot, now, to_spare_db))


def _median(values: list[int]) -> int:
    """The middle one; of an even number the worse of the two."""
    return sorted(values)[(len(values) - 1) // 2]
