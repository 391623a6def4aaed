"""A denial: all that is said to whom the issuer does not know, whatever was wrong."""

from __future__ import annotations

import asyncio
from typing import Final

from blelockd.protocol.v2.headers import req_id
from blelockd.services.allowance import Allowance
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.issuer.audit import AuditEntry, AuditKind
from blelockd.services.issuer.records import StoreFailed
from blelockd.services.issuer.store import AuditRecords
from blelockd.services.issuer.trouble import StoreTrouble
from blelockd.services.ports import Clock, Journal
from blelockd.services.tally import Counted, Tally

_TOLD_PER_SECOND: Final = 1 / 30
_TOLD_AT_ONCE: Final = 10


class Denial(Exception):
    """No, without a word why. `reason` is for the issuer's own journal; `audited`: the store has
    entered it already.
    """

    def __init__(self, reason: str, *, audited: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.audited = audited


class OverLimit(Exception):
    """No, for now: all guests together have asked too often."""


class Denials:
    """Keeps the denials of what cost a look under the seal, as many as a stranger may fill pages
    with; the others are counted.
    """

    def __init__(self, audit: AuditRecords, journal: Journal, tally: Tally, clock: Clock) -> None:
        self._audit = audit
        self._journal = journal
        self._tally = tally
        self._clock = clock
        self._trouble = StoreTrouble(journal, clock)
        self._allowance = Allowance(_TOLD_PER_SECOND, _TOLD_AT_ONCE)

    async def keep(self, message: bytes, denial: Denial, kind: EventKind) -> None:
        """`message` was denied; `kind` is SESSION_DENIED or ENROLMENT_DENIED."""
        if not self._allowance.take(self._clock.monotonic_seconds()):
            self._tally.count(Counted.DENIED_REQUEST)
            return
        trace = req_id(message)
        self._journal.record(
            Event(
                kind,
                f"denied: {denial.reason}",
                Severity.WARNING,
                {"trace": trace.hex(), "reason": denial.reason},
            )
        )
        if denial.audited:
            return
        enrols = kind is EventKind.ENROLMENT_DENIED
        audited = AuditKind.ENROLMENT_REFUSED if enrols else AuditKind.REQUEST_DENIED
        entry = AuditEntry(time=self._clock.now(), kind=audited, trace=trace, reason=denial.reason)
        try:
            await asyncio.to_thread(self._audit.record, entry)
        except StoreFailed as error:
            self._trouble.tell(error)
