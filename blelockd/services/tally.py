"""What is not worth a line each is counted, and summed up at most once per interval."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from enum import StrEnum
from typing import Final

from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.ports import Clock, Journal

_PLURAL: Final = re.compile(r"\b(advert|token|message|envelope|request|answer|refusal|report)s\b")


class Counted(StrEnum):
    """What is counted; the name is the journal field's, the value reads as words."""

    FOREIGN_ADVERT = "foreign adverts"
    REPEATED_ADVERT = "repeated adverts"
    WAITING = "further adverts of guests who wait"
    STILL_PRESENT = "tokens of guests already let in"
    MALFORMED_SESSION = "malformed session messages"
    FORGED_SESSION = "session messages not signed by the issuer"
    MISADDRESSED_SESSION = "session messages for another lock"
    EXPIRED_SESSION = "expired session messages"
    DUPLICATE_SESSION = "session messages received before"
    MALFORMED_ENVELOPE = "malformed envelopes"
    MISADDRESSED_ENVELOPE = "envelopes from another issuer or for another lock's key"
    FORGED_ENVELOPE = "envelopes not signed by the issuer"
    OTHER_EPOCH_ENVELOPE = "envelopes for another start of this lock"
    SEEN_ENVELOPE = "envelopes received before"
    NO_TIME_ENVELOPE = "envelopes that came before the time was known"
    EXPIRED_ENVELOPE = "expired envelopes"
    UNREADABLE_ENVELOPE = "envelopes that did not open"
    NONSENSE_ENVELOPE = "envelopes with a body of no known form"
    WRONG_LOCK_ENVELOPE = "envelopes with a session for another lock"
    DROPPED_MESSAGE = "messages dropped unread"
    MALFORMED_REQUEST = "malformed provisioning requests"
    UNFINISHED_REQUEST = "unfinished provisioning requests"
    LIMITED_REQUEST = "provisioning requests over the limit"
    DENIED_REQUEST = "further requests of strangers denied"
    UNNOTIFIED_ANSWER = "answers that could not be notified"
    QUIETED_REFUSAL = "further refusals of the same kind"
    UNTOLD_REFUSAL = "refusals beyond those that are told"
    HOSTILE_AVAILABILITY = "malformed availability messages"
    HOSTILE_REPORT = "reports that are no lock's"
    REPEATED_REPORT = "reports heard before"
    DROPPED_REPORT = "reports dropped unread, of locks that were not added or that say too much"

    def times(self, number: int) -> str:
        """So many of it: `1 foreign advert`, `2 foreign adverts`."""
        what = _PLURAL.sub(r"\1", self.value, count=1) if number == 1 else self.value
        return f"{number} {what}"


_HARMLESS = {
    Counted.REPEATED_ADVERT,
    Counted.STILL_PRESENT,
    Counted.WAITING,
    Counted.DUPLICATE_SESSION,
    Counted.SEEN_ENVELOPE,
    Counted.QUIETED_REFUSAL,
}


class Tally:
    """Counts by kind. `run()` writes a summary as soon as something worth telling was counted,
    and then no sooner than `interval_seconds` after the last one.
    """

    def __init__(self, journal: Journal, clock: Clock, interval_seconds: float) -> None:
        self._journal = journal
        self._clock = clock
        self.interval_seconds = interval_seconds
        self._counts: Counter[Counted] = Counter()
        self._worth_telling = asyncio.Event()

    def count(self, what: Counted, times: int = 1) -> None:
        """Count `times` of `what`."""
        self._counts[what] += times
        if what not in _HARMLESS:
            self._worth_telling.set()

    async def run(self) -> None:
        """Write summaries until cancelled."""
        while True:
            await self._worth_telling.wait()
            self.sum_up()
            await self._clock.sleep(self.interval_seconds)

    def sum_up(self) -> None:
        """Write the summary now and begin anew."""
        self._worth_telling.clear()
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        words = ", ".join(what.times(number) for what, number in counts.items())
        fields = {what.name.lower(): number for what, number in counts.items()}
        self._journal.record(
            Event(EventKind.SUMMARY, f"since the last summary: {words}", Severity.INFO, fields)
        )
