"""A lock whose events may find no room, no disk and no issuer."""

from __future__ import annotations

from blelockd.protocol.v2.reports import Event, EventType
from tests.fakes.clock import settle
from tests.fakes.lock_v2 import Town
from tests.fakes.spool import FakeSpool


class Place:
    """A town whose lock keeps its events on a disk that may fail."""

    def __init__(self, town: Town, disk: FakeSpool) -> None:
        self.town = town
        self.disk = disk
        self.issuer = town.issuer

    def happens(self, times: int = 1, kind: EventType = EventType.OPENED) -> None:
        """Something happens at the door."""
        for _ in range(times):
            self.town.lock.log.add(kind)

    async def has(self, events: int) -> None:
        """Return when the issuer was told so many times of an event."""
        for _ in range(200):
            if len(self.issuer.said_of(Event)) >= events:
                return
            await settle()
        raise AssertionError(len(self.issuer.said_of(Event)))

    def check_no_gap(self) -> None:
        """What the issuer has is all of each epoch from 1 on, in the order in which it happened."""
        for epoch, events in self.issuer.events.items():
            assert [event.counter for event in events] == list(range(1, len(events) + 1)), epoch
