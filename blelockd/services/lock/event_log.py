"""What happened at the door, for the issuer: on disk first, and kept until it is acknowledged.

The counters of an epoch have no gap, whatever fails. What there is no room for gets no counter, is
told in the journal, and told to the issuer as one event when there is room again.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Final

from blelockd.protocol.ids import SessionId
from blelockd.protocol.instants import THE_EPOCH, Instant, Slot
from blelockd.protocol.v2.down import EPOCH_BYTES
from blelockd.protocol.v2.reports import Event as LockEvent
from blelockd.protocol.v2.reports import EventType
from blelockd.protocol.verdict import RSSI_UNAVAILABLE_DBM
from blelockd.services.backoff import Backoff
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.liveness import Part
from blelockd.services.pause import pause
from blelockd.services.ports import (
    Clock,
    Entropy,
    EventSpool,
    Journal,
    SpoolDamaged,
    SpoolFailed,
)

MOST_UNSAVED: Final = 1000
"""So many events wait in memory for a disk that fails."""
LONGEST_WAIT_SECONDS: Final = 0.25
"""So long does the door wait for the disk."""

_MOST_AT_ONCE: Final = 100
_MOST_ACKNOWLEDGED: Final = 64
_FIRST_RETRY_SECONDS: Final = 1.0
_LONGEST_RETRY_SECONDS: Final = 8.0
_REPORT_SECONDS: Final = 5.0
_QUIET_SECONDS: Final = 60.0
_FIRST_REFUSAL: Final = EventType.NO_RSSI
_OF_NO_SESSION: Final = SessionId(bytes(16))


class EventLog:
    """The events of this `epoch`, and those that earlier ones have left in `spool`.

    At most `most_events` in all; of that the last tenth is kept from refusals. `now` is the time
    that an event bears, None where the lock does not know it. Where the disk loses what it had,
    `entropy` draws another epoch for what follows.
    """

    def __init__(
        self,
        spool: EventSpool,
        epoch: bytes,
        entropy: Entropy,
        now: Callable[[], Instant | None],
        part: Part,
        journal: Journal,
        clock: Clock,
        *,
        most_events: int,
    ) -> None:
        self._spool = spool
        self._epoch = epoch
        self._entropy = entropy
        self._now = now
        self._part = part
        self._journal = journal
        self._clock = clock
        self._most_events = most_events
        self._counter = 0
        self._unsaved: deque[LockEvent] = deque()
        self._on_disk = 0
        self._acknowledged: dict[bytes, int] = {}
        """Up to which counter of an epoch, where the disk did not let go of it yet."""
        self._lost = 0
        self._tell_loss_seconds = -math.inf
        self._added = asyncio.Event()
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._failing = False
        self._is_behind = False
        self._was_unreadable = False
        self.on_readable: Callable[[], None] = lambda: None
        """Called when the disk answers again, after `openings` did not know."""
        self.news = asyncio.Event()
        """Set when there may be more to send; for whoever sends to clear."""

    @property
    def waiting(self) -> int:
        """How many events are kept and not acknowledged."""
        return self._on_disk + len(self._unsaved)

    def has_room_for_opening(self) -> bool:
        """Whether an opening that happens now is likely to be counted, also after a power cut.

        Whether it was, `is_kept` says once it is settled.
        """
        has_room = self._has_room_for(EventType.OPENED)
        return has_room and not self._failing and not self._is_behind

    def add(
        self,
        kind: EventType,
        session_id: SessionId = _OF_NO_SESSION,
        slot: Slot = Slot(0),  # noqa: B008 - a number
        rssi_dbm: int = RSSI_UNAVAILABLE_DBM,
    ) -> None:
        """It has happened."""
        if not self._has_room_for(kind):
            self._lose()
            return
        lost, self._lost = self._lost, 0
        if lost:
            self._queue(EventType.EVENTS_LOST, _OF_NO_SESSION, Slot(lost), RSSI_UNAVAILABLE_DBM)
        self._queue(kind, session_id, slot, rssi_dbm)

    async def settle(self) -> None:
        """Return once all that was added is on the disk; at once where the disk fails, and soon
        in any case.
        """
        if not self._at_rest.is_set():
            await pause(self._clock, LONGEST_WAIT_SECONDS, self._at_rest)
            self._is_behind = not self._at_rest.is_set()

    def is_kept(self, session_id: SessionId) -> bool:
        """Whether no opening of that session is in memory alone: the disk has it, or the issuer."""
        return not any(
            event.kind is EventType.OPENED and event.session_id == session_id
            for event in self._unsaved
        )

    async def openings(self, session_id: SessionId) -> int | None:
        """How often the door has opened for that session, as far as nobody has acknowledged it;
        None where the disk does not say.
        """
        kinds = [event.kind for event in self._unsaved if event.session_id == session_id]
        opened = kinds.count(EventType.OPENED) - kinds.count(EventType.STRIKE_FAILED)
        try:
            return opened + await asyncio.to_thread(self._spool.openings, session_id)
        except SpoolFailed as failed:
            self._fail(failed)
            self._was_unreadable = True
            return None

    async def oldest(self, at_most: int) -> list[LockEvent]:
        """The oldest events that are not acknowledged, without a gap.

        Events that a failing disk did not take are among them, but only behind all that it has.
        """
        found: list[LockEvent] = []
        last: LockEvent | None = None
        at_end = False
        try:
            while not found and not at_end:
                rows = await asyncio.to_thread(self._spool.read, last, at_most)
                at_end = len(rows) < at_most
                found = [event for event in rows if not self._is_acknowledged(event)]
                last = rows[-1] if rows else None
        except SpoolFailed as failed:
            self._fail(failed)
            return []
        if at_end and self._failing:
            found += islice(self._unsaved, at_most - len(found))
        return found

    async def forget(self, epoch: bytes, counter: int) -> None:
        """The issuer has that event of that epoch, and all before it."""
        if epoch == self._epoch:
            self._let_go_of_unsaved(counter)
        self._acknowledged[epoch] = max(counter, self._acknowledged.get(epoch, 0))
        if len(self._acknowledged) > _MOST_ACKNOWLEDGED:
            del self._acknowledged[next(iter(self._acknowledged))]
        try:
            await self._forget_on_disk()
        except SpoolFailed as failed:
            self._fail(failed)

    async def run(self) -> None:
        """Write to the disk until cancelled; try again where it fails. The last words, too."""
        backoff = Backoff(_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS)
        try:
            while True:
                if await self._saved():
                    backoff.reset()
                    await self._rest()
                else:
                    await pause(self._clock, backoff.next_seconds())
        finally:
            while self._unsaved and await self._saved():
                pass

    # --- one step each ---------------------------------------------------------------------------

    async def _rest(self) -> None:
        """Until there is more to write, or it is time to say that the disk is well."""
        if not self._unsaved:
            self._at_rest.set()
            self._is_behind = False
            await pause(self._clock, _REPORT_SECONDS, self._added)

    async def _saved(self) -> bool:
        """Whether the disk took what waits, or a good part of it."""
        try:
            await self._save()
        except SpoolFailed as failed:
            self._fail(failed)
            self.news.set()
            return False
        return True

    async def _save(self) -> None:
        self._added.clear()
        batch = list(islice(self._unsaved, _MOST_AT_ONCE))
        if self._failing and not batch:  # the issuer has them from memory: that says nothing of it
            await asyncio.to_thread(self._spool.probe)
        self._on_disk = await asyncio.to_thread(self._spool.append, batch)
        if batch:
            self._let_go_of_unsaved(batch[-1].counter)
            self.news.set()
        await self._forget_on_disk()
        self._failing = False
        self._part.up("kept on disk until the issuer has them")
        if self._was_unreadable:
            self._was_unreadable = False
            self.on_readable()

    async def _forget_on_disk(self) -> None:
        for epoch, counter in list(self._acknowledged.items()):
            self._on_disk = await asyncio.to_thread(self._spool.forget, epoch, counter)
            if self._acknowledged.get(epoch) == counter:
                del self._acknowledged[epoch]

    def _fail(self, failed: SpoolFailed) -> None:
        if isinstance(failed, SpoolDamaged):
            self._begin_anew()
        self._failing = True
        self._at_rest.set()
        self._part.down(f"not kept on disk: {failed.reason}")

    def _begin_anew(self) -> None:
        """What was on disk is lost, and would be a gap: number what follows in another epoch."""
        lost, self._on_disk = self._on_disk, 0
        kept, self._unsaved = self._unsaved, deque()
        self._epoch, self._counter = self._entropy(EPOCH_BYTES), 0
        self._queue(EventType.EVENTS_LOST, _OF_NO_SESSION, Slot(lost), RSSI_UNAVAILABLE_DBM)
        for event in kept:
            self._counter += 1
            self._unsaved.append(replace(event, epoch=self._epoch, counter=self._counter))

    def _let_go_of_unsaved(self, counter: int) -> None:
        while self._unsaved and self._unsaved[0].counter <= counter:
            self._unsaved.popleft()

    def _is_acknowledged(self, event: LockEvent) -> bool:
        return event.counter <= self._acknowledged.get(event.epoch, 0)

    def _queue(self, kind: EventType, session_id: SessionId, slot: Slot, rssi_dbm: int) -> None:
        self._counter += 1
        time = self._now() or THE_EPOCH
        self._unsaved.append(
            LockEvent(self._epoch, self._counter, kind, session_id, slot, rssi_dbm, time)
        )
        self._added.set()
        if self._failing:
            self.news.set()
        else:
            self._at_rest.clear()

    def _has_room_for(self, kind: EventType) -> bool:
        """For it, and for the one that tells of those that were lost before."""
        tenths = 9 if kind >= _FIRST_REFUSAL else 10
        return (
            10 * (self.waiting + 2) <= tenths * self._most_events
            and 10 * (len(self._unsaved) + 2) <= tenths * MOST_UNSAVED
        )

    def _lose(self) -> None:
        self._lost += 1
        now_seconds = self._clock.monotonic_seconds()
        if now_seconds < self._tell_loss_seconds:
            return
        self._tell_loss_seconds = now_seconds + _QUIET_SECONDS
        self._journal.record(
            Event(
                EventKind.EVENTS_LOST,
                f"no room for more events until the issuer acknowledges some: {self.waiting} wait,"
                f" {self._lost} lost so far; see that the issuer runs and is reached",
                Severity.ERROR,
                {"waiting": self.waiting, "lost": self._lost},
            )
        )
