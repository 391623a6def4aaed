"""The lock's events on their way to the issuer: in order, and again until it acknowledges them."""

from __future__ import annotations

import asyncio
from itertools import takewhile
from typing import Final

from blelockd.protocol.v2.down import EventAck
from blelockd.protocol.v2.reports import Event as LockEvent
from blelockd.services.backoff import Backoff
from blelockd.services.lock.event_log import EventLog
from blelockd.services.lock.voice import Voice
from blelockd.services.pause import pause
from blelockd.services.ports import Clock

_MOST_AT_ONCE: Final = 64
_ANSWER_SECONDS: Final = 5.0
_FIRST_RETRY_SECONDS: Final = 2.0
_LONGEST_RETRY_SECONDS: Final = 60.0


class EventDelivery:
    """One batch at a time. While the issuer is silent, one event asks whether it is back."""

    def __init__(self, log: EventLog, voice: Voice, clock: Clock) -> None:
        self._log = log
        self._voice = voice
        self._clock = clock
        self._arrived = asyncio.Event()
        self._answered = asyncio.Event()
        self._last: LockEvent | None = None

    def arrive(self) -> None:
        """The link to the broker is up, or the issuer was heard: try again at once."""
        self._arrived.set()

    async def acknowledged(self, ack: EventAck) -> None:
        """The issuer has events."""
        await self._log.forget(ack.epoch, ack.counter)
        last = self._last
        if last is not None and ack.epoch == last.epoch and ack.counter >= last.counter:
            self._answered.set()

    async def run(self) -> None:
        """Send what waits until cancelled."""
        backoff = Backoff(_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS)
        at_most = _MOST_AT_ONCE
        while True:
            self._arrived.clear()
            self._log.news.clear()
            batch = _of_one_epoch(await self._log.oldest(at_most))
            if not batch:
                await pause(self._clock, _LONGEST_RETRY_SECONDS, self._log.news)
            elif await self._deliver(batch):
                backoff.reset()
                at_most = _MOST_AT_ONCE
            else:
                at_most = 1
                await pause(self._clock, backoff.next_seconds(), self._arrived)

    async def _deliver(self, batch: list[LockEvent]) -> bool:
        """Whether the issuer has acknowledged all of it."""
        self._last = batch[-1]
        self._answered.clear()
        for event in batch:
            if not await self._voice.say(event):
                return False
        await pause(self._clock, _ANSWER_SECONDS, self._answered, self._arrived)
        return self._answered.is_set()


def _of_one_epoch(events: list[LockEvent]) -> list[LockEvent]:
    """Those of the first one's: an issuer that has one of a later epoch has all of this."""
    return list(takewhile(lambda event: event.epoch == events[0].epoch, events))
