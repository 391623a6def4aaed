"""The issuer's time at the guest: from one exchange and the monotonic clock, from no wall clock."""

from __future__ import annotations

from dataclasses import dataclass

from blelockd.protocol.errors import Malformed
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.answer import Times


@dataclass(frozen=True, slots=True)
class IssuerTime:
    """How far the issuer's clock is ahead of the guest's monotonic one, and how sure that is."""

    ahead_ms: int
    error_ms: int

    @classmethod
    def measured(cls, times: Times, asked_ms: int, answered_ms: int) -> IssuerTime:
        """From the answer's `times`, and when the guest (monotonic) asked and had the answer.

        The offset is ((t_rx - t1) + (t_tx - t4)) / 2. Raises Malformed when the issuer says that
        it kept the request for longer than the guest waited.
        """
        waited_ms = (answered_ms - asked_ms) - (times.sent - times.received)
        if waited_ms < 0:
            raise Malformed("the issuer kept the request for longer than the guest waited")
        ahead_ms = ((times.received - asked_ms) + (times.sent - answered_ms)) // 2
        return cls(ahead_ms, (waited_ms + 1) // 2)

    def at(self, monotonic_ms: int) -> Instant:
        """The issuer's time when the monotonic clock says so."""
        return Instant(monotonic_ms + self.ahead_ms)
