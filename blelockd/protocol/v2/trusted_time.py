"""The lock's time: the issuer's word in answer to the lock's nonce, carried by CLOCK_BOOTTIME.

No wall clock and no disk has a part in it. `boottime_ms` is a reading of CLOCK_BOOTTIME, which
goes on while the machine sleeps.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.v2.down import Time

LONGEST_ROUND_TRIP_MS: Final = 2000


class ClockState(IntEnum):
    """How much the lock's time is worth."""

    NONE = 0
    CONFIRMED = 1
    LAPSED = 2
    """It goes on, but nobody has confirmed it for longer than its lease."""


class TrustedTime:
    """What time it is, since the issuer last said so."""

    def __init__(self) -> None:
        self._nonce: bytes | None = None
        self._asked_ms = 0
        self._ahead_ms: int | None = None
        self._lease_until_ms = 0
        self._offer: tuple[bytes, int] | None = None
        """The nonce of the last TIME that was taken, and until when its lease would be."""

    def hello(self, nonce: bytes, boottime_ms: int) -> None:
        """A HELLO goes out with `nonce`, 16 fresh random bytes; only its answer counts from now."""
        self._nonce = nonce
        self._asked_ms = boottime_ms

    def answers_hello(self, nonce: bytes) -> bool:
        """Whether `nonce` is that of the last HELLO, answered or not."""
        return nonce == self._nonce

    def accept(self, time: Time, boottime_ms: int) -> bool:
        """Take the issuer's time, if it answers the last HELLO within 2 s; whether it was taken.

        The issuer wrote it between the HELLO and now: the middle is at most 1 s off. Its lease
        counts from `extend_lease` on.
        """
        waited_ms = boottime_ms - self._asked_ms
        if not self.answers_hello(time.hello_nonce) or not 0 <= waited_ms <= LONGEST_ROUND_TRIP_MS:
            return False
        self._ahead_ms = time.now + waited_ms // 2 - boottime_ms
        until_ms = boottime_ms + time.lease_seconds * MS_PER_SECOND
        self._offer = time.hello_nonce, until_ms
        return True

    def extend_lease(self, nonce: bytes) -> bool:
        """All that lives was named in answer to the HELLO with `nonce`: whether the lease of the
        TIME that answered it, too, counts now. Without that a broker that passes TIME alone would
        keep alive what was revoked.
        """
        if self._offer is None or self._offer[0] != nonce:
            return False
        self._lease_until_ms = self._offer[1]
        return True

    def now(self, boottime_ms: int) -> Instant | None:
        """The time, confirmed or lapsed; None before the issuer has said any."""
        return None if self._ahead_ms is None else Instant(boottime_ms + self._ahead_ms)

    def lease_until(self) -> Instant | None:
        """From when on sessions that need a lease rest (`Verifier.lease_until`)."""
        if self._ahead_ms is None:
            return None
        return Instant(self._lease_until_ms + self._ahead_ms)

    def state(self, boottime_ms: int) -> ClockState:
        """What HELLO and STATUS say of it."""
        if self._ahead_ms is None:
            return ClockState.NONE
        lapsed = boottime_ms >= self._lease_until_ms
        return ClockState.LAPSED if lapsed else ClockState.CONFIRMED
