"""HELLO, so that the issuer tells time and sessions, and STATUS, so that it knows how the lock is.

HELLO goes out whenever the lock arrives at the broker, again and again where no TIME answers, and
well before the lease of the last one is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from blelockd.protocol.v2.down import HELLO_NONCE_BYTES
from blelockd.protocol.v2.gate import Gate
from blelockd.protocol.v2.reports import Hello, LockStatus
from blelockd.services.backoff import Backoff
from blelockd.services.lock.timekeeping import Timekeeper
from blelockd.services.lock.voice import Voice
from blelockd.services.pause import pause
from blelockd.services.ports import Clock, Entropy

_ANSWER_SECONDS: Final = 2.0
_FIRST_RETRY_SECONDS: Final = 2.0
_LONGEST_RETRY_SECONDS: Final = 10.0
_GREETINGS_A_LEASE: Final = 3
_STATUS_SECONDS: Final = 60
_REPORT_SECONDS: Final = 5
_MOST_TOLD: Final = 0xFFFF

Counts = Callable[[], tuple[int, int]]
"""How many sessions live, and how many events wait to be acknowledged."""


class Greeting:
    """Of one boot, to one issuer."""

    def __init__(
        self,
        gate: Gate,
        time: Timekeeper,
        voice: Voice,
        counts: Counts,
        entropy: Entropy,
        clock: Clock,
    ) -> None:
        self._gate = gate
        self._time = time
        self._voice = voice
        self._counts = counts
        self._entropy = entropy
        self._clock = clock
        self._arrived = asyncio.Event()

    def arrive(self) -> None:
        """The link to the broker is up: greet at once."""
        self._arrived.set()

    async def greet(self) -> None:
        """Say HELLO, and keep the time confirmed, until cancelled."""
        backoff = Backoff(_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS)
        while True:
            self._arrived.clear()
            self._time.confirmed.clear()
            await self._hello()
            await pause(self._clock, _ANSWER_SECONDS, self._time.confirmed, self._arrived)
            if self._time.confirmed.is_set():
                backoff.reset()
                wait_seconds = self._time.lease_seconds / _GREETINGS_A_LEASE
            elif self._arrived.is_set():
                continue
            else:
                self._time.report()
                wait_seconds = backoff.next_seconds()
            await pause(self._clock, wait_seconds, self._arrived)

    async def tell_status(self) -> None:
        """Say STATUS once a minute, and as soon as somebody takes it, until cancelled."""
        while True:
            said = await self._voice.say(self._status())
            for _ in range(_STATUS_SECONDS // _REPORT_SECONDS if said else 1):
                self._time.report_again()
                await self._clock.sleep(_REPORT_SECONDS)

    async def _hello(self) -> None:
        nonce = self._entropy(HELLO_NONCE_BYTES)
        self._time.greet(nonce)
        gate = self._gate
        await self._voice.say(Hello(gate.epoch, nonce, gate.last_seq, self._time.state))

    def _status(self) -> LockStatus:
        sessions, waiting = self._counts()
        return LockStatus(
            self._gate.epoch,
            self._gate.last_seq,
            self._time.state,
            min(sessions, _MOST_TOLD),
            waiting,
            self._time.uptime_seconds,
        )
