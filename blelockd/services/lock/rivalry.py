"""Another start of this lock has the issuer's ear: then this one begins anew, by another epoch.

The issuer never goes back to an epoch that was followed by another. So a second lock with the same
keys, were it there for a second, leaves the first one without sessions and revocations for good.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.down import EPOCH_BYTES
from blelockd.protocol.v2.gate import Gate
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.ports import Clock, Entropy, Journal

RATION_SECONDS: Final = 60.0
"""Two that live must not outdo each other all the time: each begins anew once in so long."""
UNHEARD_SECONDS: Final = 30.0
"""An issuer that is there answers the first HELLO of an epoch well before."""


class Rivalry:
    """Judges envelopes that the issuer signed for another epoch. Not while the gate takes one.

    What is held stays held, spent tokens stay spent: the issuer's SYNC ends what is not to live.
    """

    def __init__(
        self,
        gate: Gate,
        greet: Callable[[], None],
        entropy: Entropy,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._gate = gate
        self._greet = greet
        self._entropy = entropy
        self._journal = journal
        self._clock = clock
        self._answered: Instant | None = None
        self._began_seconds = clock.monotonic_seconds()
        self._begins_again_seconds = -math.inf

    def answered(self, now: Instant) -> None:
        """The issuer has answered a HELLO of this epoch, when its own clock stood so."""
        self._answered = now

    def elsewhere(self, issued: Instant) -> None:
        """The issuer has written to another epoch, when its own clock stood so.

        What is older than its last word to this one was recorded, or under way: it says nothing.
        """
        now_seconds = self._clock.monotonic_seconds()
        if now_seconds < self._begins_again_seconds:
            return
        if self._answered is None:
            is_passed_over = now_seconds - self._began_seconds >= UNHEARD_SECONDS
        else:
            is_passed_over = issued > self._answered
        if is_passed_over:
            self._begins_again_seconds = now_seconds + RATION_SECONDS
            self._begin_anew(now_seconds)

    def _begin_anew(self, now_seconds: float) -> None:
        self._gate.begin_anew(self._entropy(EPOCH_BYTES))
        self._answered, self._began_seconds = None, now_seconds
        message = (
            "another lock with these keys is running, or was: the issuer speaks to it and no more"
            " to this one, which greets anew; see that one machine alone has this lock's keys"
        )
        self._journal.record(Event(EventKind.RIVAL, message, Severity.ERROR))
        self._greet()
