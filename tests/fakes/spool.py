"""A disk for events that does what a test says: full, read-only, dead, damaged, or slow."""

from __future__ import annotations

from collections.abc import Sequence

from blelockd.protocol.ids import SessionId
from blelockd.protocol.v2.reports import Event, EventType
from blelockd.services.ports import SpoolDamaged, SpoolFailed


class FakeSpool:
    """ports.EventSpool in a list. `full`, it takes nothing and lets go of nothing; `dead`, it does
    not even read; `damaged`, it loses all at the next touch.
    """

    def __init__(self) -> None:
        self.kept: list[Event] = []
        self.full = self.dead = self.damaged = False
        self.appended: list[int] = []

    def append(self, events: Sequence[Event]) -> int:
        """Keep them."""
        self._touch(writes=bool(events))
        if events:
            self.appended.append(len(events))
        self.kept += events
        return len(self.kept)

    def probe(self) -> None:
        """Write nothing that stays."""
        self._touch(writes=True)

    def read(self, after: Event | None, at_most: int) -> list[Event]:
        """The oldest."""
        self._touch(writes=False)
        start = self.kept.index(after) + 1 if after in self.kept else 0
        return self.kept[start : start + at_most]

    def forget(self, epoch: bytes, counter: int) -> int:
        """Let go."""
        stay = [e for e in self.kept if e.epoch != epoch or e.counter > counter]
        self._touch(writes=len(stay) < len(self.kept))  # SQLite does not write for nothing
        self.kept = stay
        return len(self.kept)

    def openings(self, session_id: SessionId) -> int:
        """Of that session."""
        self._touch(writes=False)
        kinds = [event.kind for event in self.kept if event.session_id == session_id]
        return kinds.count(EventType.OPENED) - kinds.count(EventType.STRIKE_FAILED)

    def _touch(self, *, writes: bool) -> None:
        if self.damaged:
            self.damaged, self.kept = False, []
            raise SpoolDamaged("events.db: damaged")
        if self.dead or (self.full and writes):
            raise SpoolFailed("events.db: the disk is full; make room there")
