"""The audit's upkeep: its head is signed, and told to the journal; what is old enough goes.

Who later changes or cuts what was signed has to forge a signature, and who brings back an older
head with an older chain contradicts the journal. What does not go on from what was seen of it is
not signed. docs/audit.md.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import Final

from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.v2.rsa_keys import IssuerSigningKey
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.issuer.audit import SignedHead
from blelockd.services.issuer.audit_check import NOT_SIGNED_REMEDY, Broken
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
        self._last: SignedHead | None = None
        self._refused_seconds = -math.inf
        self._is_in_order = False

    async def run(self) -> None:
        """Go on until cancelled; then the last event is signed and told."""
        try:
            while True:
                try:
                    await asyncio.to_thread(self._sign)
                    await self._prune()
                except StoreFailed as error:
                    self._trouble.tell(error)
                except Broken as broken:
                    self._refuse(broken)
                self._tell(TELL_SECONDS)
                await self._clock.sleep(SIGN_SECONDS)
        finally:
            if self._is_in_order:  # else all of it would be read now
                with suppress(StoreFailed, Broken):
                    self._sign()
            self._tell(0)

    def _sign(self) -> None:
        signed = self._audit.sign(self._issuer, self._clock.now())
        self._is_in_order = True
        if signed is not None:
            self._untold = self._last = signed

    def _refuse(self, broken: Broken) -> None:
        """Tell why nothing is signed, once when it begins and then each hour."""
        now_seconds = self._clock.monotonic_seconds()
        is_new, self._is_in_order = self._is_in_order, False
        if not is_new and now_seconds - self._refused_seconds < TELL_SECONDS:
            return
        self._refused_seconds = now_seconds
        last = "" if self._last is None else f"; the last head that was signed: {self._last.head}"
        self._journal.record(
            Event(
                EventKind.AUDIT_NOT_SIGNED,
                f"the audit is not signed: {broken.reason}{last}; {NOT_SIGNED_REMEDY}",
                Severity.ERROR,
                {"reason": broken.reason, "head": "" if self._last is None else self._last.head},
            )
        )

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
