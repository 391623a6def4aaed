"""`nearness:` in lock.yaml: how near a guest must be, and how sure the lock must be of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from blelockd.config.errors import Conflict
from blelockd.config.kinds import or_off, whole
from blelockd.config.options import option
from blelockd.protocol.nearness import MOST_SLOTS, Smoothing
from blelockd.protocol.v2.terms import MOST_PATH_LOSS_DB


@dataclass(frozen=True, slots=True, kw_only=True)
class NearnessConfig:
    """How near, and how sure of it."""

    path_loss_max_db: int | None = option(
        None,
        or_off(whole(1, MOST_PATH_LOSS_DB, "dB")),
        "How much may be lost on the way from 1 m before the guest to the lock, which is what the "
        "guest says of its power less what the lock hears. Unlike a threshold it is the same for "
        "loud phones and soft ones. Less is nearer: in the open about 0 at 1 m, 10 at 3 m, 20 at "
        "10 m. Guests of version 1 do not tell their power: none is let in where this is set.",
        reloads=True,
        example="12",
    )
    slots_heard: int = option(
        1,
        whole(1, MOST_SLOTS, "slots"),
        "In so many slots a guest must have been heard, and their median must keep this lock's "
        "and the guest's limits of signal and path loss. 1: each advert by itself, the door opens "
        "to the first. 3 is for doors that one strong reflection must not open: a guest then "
        "waits for two slots more.",
        reloads=True,
    )
    of_slots: int = option(
        6,
        whole(1, 2 * MOST_SLOTS, "slots"),
        "What was heard longer ago than so many slots counts no more. At least slots_heard, and "
        "more where the lock does not hear every slot.",
        reloads=True,
    )
    leave_margin_db: int = option(
        6,
        whole(0, 40, "dB"),
        "A guest who has been near stays so until the median is worse than the limits by more "
        "than this: who stands just at the limit does not come and go. Counts with slots_heard "
        "of 2 and more.",
        reloads=True,
    )

    def conflicts(self) -> Iterator[Conflict]:
        """There is room for what must be heard."""
        if self.of_slots < self.slots_heard:
            found = f"{self.of_slots} is less than slots_heard, {self.slots_heard}"
            yield Conflict(("of_slots", "slots_heard"), found, f"at least {self.slots_heard}")

    def smoothing(self) -> Smoothing:
        """As the verifier takes it."""
        return Smoothing(self.slots_heard, self.of_slots, self.leave_margin_db)
