"""The store is kept whole: a copy of it is renewed, and what was damaged is recovered from it.

Nobody has to come for that. What was lost by it is told: in the audit, in the journal, and by the
store's part of STATUS for as long as the damaged file is there.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Protocol

from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.rsa_keys import IssuerSigningPublic
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.issuer.audit import NOTHING_BEFORE, Head
from blelockd.services.issuer.audit_check import Broken
from blelockd.services.issuer.records import Recovered, StoreDamaged, StoreFailed
from blelockd.services.issuer.trouble import StoreTrouble
from blelockd.services.ports import Clock, Journal

COPY_SECONDS: Final = 60.0
"""What was decided is in the copy after so long; who guests and locks are, after a few seconds."""

_LOOK_SECONDS: Final = 2.0
_AGAIN_SECONDS: Final = 60.0
_SHARE: Final = 50
"""Of the time, copying takes one part in so many; a twentieth where members have changed."""
_SHARE_OF_MEMBERS: Final = 20
_MEMBERS_SECONDS: Final = 5.0


class SafeRecords(Protocol):
    """The whole of the store, as a file that may be damaged."""

    @property
    def is_suspect(self) -> bool:
        """Whether damage was met since `check` found all whole, or that was never asked."""
        ...

    def check(self) -> None:
        """Read all of it once; raises StoreDamaged, StoreFailed."""
        ...

    def recover(self, issuer: IssuerSigningPublic, now: Instant) -> Recovered:
        """Make it whole again. Raises StoreFailed; StoreDamaged for what cannot be."""
        ...

    def set_aside(self) -> list[str]:
        """The names of damaged files that are kept."""
        ...

    def keep_copy(self, issuer: IssuerSigningPublic) -> Head:
        """Renew the copy; its head. Raises StoreFailed, Broken."""
        ...

    def news(self, since: Head) -> tuple[bool, bool]:
        """Whether anything was decided since, and whether about members. Raises StoreFailed."""
        ...


class Safekeeping:
    """Of one store, whose audit `issuer` signs."""

    def __init__(
        self, records: SafeRecords, issuer: IssuerSigningPublic, journal: Journal, clock: Clock
    ) -> None:
        self._records = records
        self._issuer = issuer
        self._journal = journal
        self._clock = clock
        self._trouble = StoreTrouble(journal, clock)
        self._whole = asyncio.Event()
        self.standing = "in order"
        """What is to be said of a store that works."""

    async def make_whole(self) -> bool:
        """See that the store is whole where that is in doubt; whether it was recovered just now.

        Raises StoreDamaged where a human is needed, StoreFailed.
        """
        if not self._records.is_suspect:
            return False
        self._whole.clear()
        recovered = None
        try:
            await asyncio.to_thread(self._records.check)
        except StoreDamaged:
            now = self._clock.now()
            recovered = await asyncio.to_thread(self._records.recover, self._issuer, now)
            self._journal.record(_restored(recovered))
            await asyncio.to_thread(self._records.check)
        aside = self._records.set_aside()
        if aside:
            self.standing = f"in order; it was damaged and restored, {aside[-1]} is what it was"
        self._whole.set()
        return recovered is not None

    async def run(self) -> None:
        """Keep a copy, until cancelled; the last words, too."""
        try:
            await self._keep_copies()
        finally:
            with suppress(StoreFailed, Broken):
                if not self._records.is_suspect:
                    self._records.keep_copy(self._issuer)

    async def _keep_copies(self) -> None:
        copied, at_seconds, took_seconds = Head(0, NOTHING_BEFORE), -COPY_SECONDS, 0.0
        while True:
            await self._whole.wait()
            began = self._clock.monotonic_seconds()
            try:
                anything, members = await asyncio.to_thread(self._records.news, copied)
                rest = max(COPY_SECONDS, _SHARE * took_seconds)
                if members:
                    rest = min(_SHARE_OF_MEMBERS * took_seconds, _MEMBERS_SECONDS)
                if anything and began - at_seconds >= rest:
                    copied = await asyncio.to_thread(self._records.keep_copy, self._issuer)
                    at_seconds = self._clock.monotonic_seconds()
                    took_seconds = at_seconds - began
            except StoreFailed as error:
                self._trouble.tell(error)
                await self._clock.sleep(_AGAIN_SECONDS)
            except Broken as broken:
                self._trouble.tell(_not_copied(broken))
                await self._clock.sleep(_AGAIN_SECONDS)
            await self._clock.sleep(_LOOK_SECONDS)


def _restored(recovered: Recovered) -> Event:
    return Event(
        EventKind.STORE_RESTORED,
        f"{recovered.reason}; {recovered.guests} guests and {recovered.locks} locks are there, "
        f"all sessions are revoked; the damaged file is {recovered.kept_as}",
        Severity.ERROR,
        {
            "kept_as": recovered.kept_as,
            "copy": recovered.copy or "",
            "id": recovered.event_id,
            "guests": recovered.guests,
            "locks": recovered.locks,
        },
    )


def _not_copied(broken: Broken) -> StoreFailed:
    return StoreFailed(
        f"no copy of the store is kept: its audit is not what was written: {broken.reason}",
        "see `blelock-issuer audit verify` and docs/audit.md; the copy of before stays",
    )
