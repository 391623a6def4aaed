"""Who asked for what, and what was answered: rationed by guest, told to the journal, audited."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.v2.answer import RefusalCode
from blelockd.protocol.v2.down import SessionForLock
from blelockd.protocol.v2.headers import req_id
from blelockd.protocol.v2.request import Request
from blelockd.services.allowance import Allowance, Allowances
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.issuer.audit import AuditEntry, AuditKind
from blelockd.services.issuer.permission import Refusal
from blelockd.services.issuer.provider import ProviderLimits
from blelockd.services.issuer.records import Guest, StoreFailed
from blelockd.services.issuer.store import AuditRecords
from blelockd.services.issuer.trouble import StoreTrouble
from blelockd.services.ports import Clock, Journal
from blelockd.services.tally import Counted, Tally

_BUSY_SHARE: Final = 0.25
"""So much, of what all guests together are answered, goes to tell some that they ask too often."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that its guest has signed. `message` is the whole of it, as it came."""

    message: bytes
    request: Request
    guest: Guest

    @property
    def trace(self) -> bytes:
        """By what it is known as long as there is no session."""
        return req_id(self.message)


class Register:
    """Enters every answer. A guest that asks too often is answered, and counted only."""

    def __init__(
        self,
        audit: AuditRecords,
        limits: ProviderLimits,
        journal: Journal,
        tally: Tally,
        clock: Clock,
    ) -> None:
        self.journal = journal
        self._audit = audit
        self._tally = tally
        self._clock = clock
        self._trouble = StoreTrouble(journal, clock)
        self._limits: ProviderLimits | None = None
        self.limit(limits)

    def limit(self, limits: ProviderLimits) -> None:
        """Heed `limits` from now on; where they differ, what was counted is forgotten."""
        if limits == self._limits:
            return
        self._limits = limits
        minute, hour = limits.requests_per_guest_per_minute, limits.requests_per_guest_per_hour
        self._all = Allowance(limits.requests_per_second, limits.burst)
        self._busy = Allowance(
            limits.requests_per_second * _BUSY_SHARE, max(1, round(limits.burst * _BUSY_SHARE))
        )
        self._each_minute = Allowances(minute / 60, minute)
        self._each_hour = Allowances(hour / 3600, hour)

    def has_room(self) -> bool:
        """Whether all guests together may be answered once more now. To be asked for who is allowed
        alone: one guest who asks too often must not use up what all have.
        """
        return self._all.take(self._clock.monotonic_seconds())

    def has_room_for_busy(self) -> bool:
        """Whether one more of those who ask too often may be told so now."""
        return self._busy.take(self._clock.monotonic_seconds())

    def allows(self, guest: Guest) -> bool:
        """Whether that guest may ask once more now."""
        name, now = str(guest.guest_id), self._clock.monotonic_seconds()
        return self._each_minute.take(name, now) and self._each_hour.take(name, now)

    async def enter(self, asked: Asked, said: SessionForLock | Refusal) -> None:
        """This is what is answered. A grant is audited already: with the session."""
        if isinstance(said, SessionForLock):
            self.journal.record(_issued(asked, said))
        elif said.code is RefusalCode.BUSY:
            self._tally.count(Counted.LIMITED_REQUEST)
        else:
            self.journal.record(_refused(asked, said))
            await self._keep(asked, said)

    async def _keep(self, asked: Asked, said: Refusal) -> None:
        entry = AuditEntry(
            time=self._clock.now(),
            kind=AuditKind.SESSION_REFUSED,
            person=asked.guest.person,
            guest_id=asked.guest.guest_id,
            lock_id=asked.request.lock_id,
            trace=asked.trace,
            rule=said.rule,
            reason=_words(said.code),
        )
        try:
            await asyncio.to_thread(self._audit.record, entry)
        except StoreFailed as error:
            self._trouble.tell(error)


def _words(code: RefusalCode) -> str:
    return code.name.lower().replace("_", "-")


def _issued(asked: Asked, session: SessionForLock) -> Event:
    return Event(
        EventKind.SESSION_ISSUED,
        f"session {session.session_id} for {asked.guest.person} at {session.terms.lock_id} issued",
        Severity.NOTICE,
        {
            "session": session.session_id,
            "trace": session.session_id,
            "request": asked.trace.hex(),
            "lock": session.terms.lock_id,
            "person": asked.guest.person,
            "guest": asked.guest.guest_id,
            "not_after": session.terms.not_after // MS_PER_SECOND,
            "lock_has_it": session.terms.lock_has_it,
        },
    )


def _refused(asked: Asked, refusal: Refusal) -> Event:
    lock_id, person = asked.request.lock_id, asked.guest.person
    return Event(
        EventKind.SESSION_DENIED,
        f"no session for {person} at {lock_id}: {_words(refusal.code)}",
        Severity.WARNING,
        {
            "trace": asked.trace.hex(),
            "lock": lock_id,
            "person": person,
            "guest": asked.guest.guest_id,
            "reason": _words(refusal.code),
            "rule": refusal.rule or "",
        },
    )
