"""The audit's upkeep: its head is signed, and told to the journal; what is old enough goes.

Who later changes or cuts what was signed has to forge a signature, and who brings back an older
head with an older chain contradicts the journal. docs/audit.md.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import Final

from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.v2.rsa_keys import IssuerSigningKey
from blelockd.services.events import Event, EventKind
from blelockd.services.issuer.audit import SignedHead
from blelockd.services.issuer.records import StoreFailed
from blelockd.services.issuer.store import AuditRecords
from blelockd.services.issuer.trouble import StoreTrouble
from blelockd.services.ports import Clock, Journal

SIGN_SECONDS: Final = 60.0
TELL_SECONDS: Final = 3600.0
PRUNE_SECONDS: Final = 86_400.0
_DAY_MS: Final = 86_400 * MS_PER_SECOND


class Archive:
    """Signs once a minute what is new, and prunes once a day. `keep_days` of None keeps all."""

    def __init__(
        self,
        audit: AuditRecords,
        issuer: IssuerSigningKey,
        journal: Journal,
        clock: Clock,
        keep_days: int | None,
    ) -> None:
        self.keep_days = keep_days
        self._audit = audit
        self._issuer = issuer
        self._journal = journal
        self._clock = clock
        self._trouble = StoreTrouble(journal, clock)
        self._told_seconds = -math.inf
        self._pruned_seconds = -math.inf
        self._untold: SignedHead | None = None

    async def run(self) -> None:
        """Go on until cancelled; then the last event is signed and told."""
        try:
            while True:
                try:
                    await asyncio.to_thread(self._sign)
                    await self._prune()
                except StoreFailed as error:
                    self._trouble.tell(error)
                self._tell(TELL_SECONDS)
                await self._clock.sleep(SIGN_SECONDS)
        finally:
            with suppress(StoreFailed):
                self._sign()
            self._tell(0)

    def _sign(self) -> None:
        signed = self._audit.sign(self._issuer, self._clock.now())
        if signed is not None:
            self._untold = signed

    async def _prune(self) -> None:
        now_seconds = self._clock.monotonic_seconds()
        if self.keep_days is None or now_seconds - self._pruned_seconds < PRUNE_SECONDS:
            return
        now = self._clock.now()
        before = Instant(max(0, now - self.keep_days * _DAY_MS))
        await asyncio.to_thread(self._audit.prune, before, now)
        self._pruned_seconds = now_seconds

    def _tell(self, at_most_every_seconds: float) -> None:
        now_seconds, signed = self._clock.monotonic_seconds(), self._untold
        if signed is None or now_seconds - self._told_seconds < at_most_every_seconds:
            return
        self._told_seconds, self._untold = now_seconds, None
        message = f"the audit is signed up to event {signed.head.event_id}: head {signed.head}"
        self._journal.record(Event(EventKind.AUDIT_SIGNED, message, fields={"head": signed.head}))
