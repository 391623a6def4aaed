"""The lock's time for version 2: the issuer's word, carried by the clock that nobody can set.

No session of version 2 is judged before it is known, and none that needs a lease without one.
"""

from __future__ import annotations

import asyncio
from typing import Final

from blelockd.protocol.instants import MS_PER_SECOND, THE_EPOCH, Instant
from blelockd.protocol.v2.down import Time
from blelockd.protocol.v2.trusted_time import ClockState, TrustedTime
from blelockd.protocol.verifier import Verifier
from blelockd.services.liveness import Part, PartState
from blelockd.services.ports import BootClock

_IN_WORDS: Final = {
    ClockState.NONE: "the issuer has not told the time yet, so nobody's session opens",
    ClockState.CONFIRMED: "confirmed by the issuer",
    ClockState.LAPSED: "the issuer is silent for longer than it allowed: long sessions rest",
}


class Timekeeper:
    """What time it is, told to the `verifier` of version 2 and to `part`.

    Made when the process starts: a token that may have been spent before that opens nothing.
    """

    def __init__(self, verifier: Verifier, clock: BootClock, part: Part) -> None:
        self._verifier = verifier
        self._clock = clock
        self._part = part
        self._time = TrustedTime()
        self._started_ms = clock.boottime_ms()
        self.confirmed = asyncio.Event()
        """Set when a TIME is taken; for whoever waits for it to clear."""
        self.lease_seconds = 0
        verifier.lease_until = THE_EPOCH

    def now(self) -> Instant | None:
        """The time, confirmed or lapsed; None before the issuer has said any."""
        return self._time.now(self._clock.boottime_ms())

    def boottime_ms(self) -> int:
        """For `accept`: when a message came."""
        return self._clock.boottime_ms()

    @property
    def state(self) -> ClockState:
        """What HELLO and STATUS say of it."""
        return self._time.state(self._clock.boottime_ms())

    @property
    def uptime_seconds(self) -> int:
        """Since this process started."""
        return (self._clock.boottime_ms() - self._started_ms) // MS_PER_SECOND

    def greet(self, nonce: bytes) -> None:
        """A HELLO with that nonce goes out next: only its answer counts from now on."""
        self._time.hello(nonce, self._clock.boottime_ms())

    def answers_hello(self, nonce: bytes) -> bool:
        """Whether `nonce` is that of the last HELLO."""
        return self._time.answers_hello(nonce)

    def accept(self, time: Time, arrived_ms: int) -> bool:
        """Take the issuer's time, if it answers the last HELLO soon enough; whether it was."""
        first = self._time.now(arrived_ms) is None
        if not self._time.accept(time, arrived_ms):
            return False
        started = self._time.now(self._started_ms)
        assert started is not None
        if first:
            self._verifier.started = started
        self.lease_seconds = time.lease_seconds
        self.confirmed.set()
        self._tell_lease()
        return True

    def extend_lease(self, nonce: bytes) -> None:
        """All of the SYNC that answers the HELLO with `nonce` was taken."""
        if self._time.extend_lease(nonce):
            self._tell_lease()

    def _tell_lease(self) -> None:
        lease_until = self._time.lease_until()
        assert lease_until is not None
        self._verifier.lease_until = lease_until
        if self.state is ClockState.CONFIRMED:
            self.report()

    def report(self) -> None:
        """Say how the time stands."""
        state = self.state
        tell = self._part.up if state is ClockState.CONFIRMED else self._part.down
        tell(_IN_WORDS[state])

    def report_again(self) -> None:
        """A sign of life; and whether the lease has run out, once it was said how it stands."""
        if self._part.state is PartState.STARTING:
            self._part.repeat()
        else:
            self.report()
