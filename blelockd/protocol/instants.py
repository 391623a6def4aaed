"""Time as the protocol sees it: always an argument, never read from a clock here."""

from __future__ import annotations

from typing import Final, NewType

Instant = NewType("Instant", int)
"""Milliseconds since the Unix epoch."""

Slot = NewType("Slot", int)
"""A numbered stretch of time during which one token is valid."""

MS_PER_SECOND: Final = 1000

THE_EPOCH: Final = Instant(0)

LATEST: Final = Instant(1 << 46)
"""No message may name a later moment (the year 4199): keeps every sum small."""


def from_unix_seconds(seconds: int) -> Instant:
    """The instant at the start of that Unix second."""
    return Instant(seconds * MS_PER_SECOND)


def slot_at(now: Instant, slot_ms: int) -> Slot:
    """The slot that `now` falls in; slots of `slot_ms` are counted from the epoch."""
    return Slot(now // slot_ms)
