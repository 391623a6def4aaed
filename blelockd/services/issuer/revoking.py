"""What was revoked is told to its lock until the lock acknowledges it, whoever revoked it.

The store says what is owed to whom: the operator's commands write there, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from blelockd.protocol.ids import LockId, SessionId
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.v2.cards import LockCard
from blelockd.protocol.v2.down import Revoke
from blelockd.protocol.v2.reports import Result
from blelockd.services.backoff import Backoff
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.issuer.post import Post, Sent
from blelockd.services.issuer.records import PendingRevocation, StoreFailed
from blelockd.services.issuer.store import LockRecords, SessionRecords
from blelockd.services.issuer.trouble import StoreTrouble
from blelockd.services.pause import pause
from blelockd.services.ports import Clock, Journal, LinkDown

_LIVES_MS: Final = 60 * MS_PER_SECOND
_FIRST_RETRY_SECONDS: Final = 1.0
_LONGEST_RETRY_SECONDS: Final = 60.0


@dataclass(slots=True)
class _Attempt:
    """A revocation on its way to a lock. It is tried again from `due_seconds` on."""

    due_seconds: float = 0.0
    backoff: Backoff = field(
        default_factory=lambda: Backoff(_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS)
    )


class Revoking:
    """Sends the revocations that are pending."""

    def __init__(
        self,
        post: Post,
        locks: LockRecords,
        sessions: SessionRecords,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._post = post
        self._locks = locks
        self._sessions = sessions
        self._journal = journal
        self._clock = clock
        self._trouble = StoreTrouble(journal, clock)
        self._attempts: dict[int, _Attempt] = {}
        self._owing = asyncio.Event()
        self._news = asyncio.Event()

    def owe(self) -> None:
        """Something was revoked, or may have been: see what is owed to whom, at once."""
        self._owing.set()

    def hurry(self) -> None:
        """The broker is back: whatever is owed is due now."""
        self._attempts.clear()
        self.owe()

    async def run(self) -> None:
        """Send what is owed, until it is acknowledged; until cancelled."""
        while True:
            self._owing.clear()
            try:
                await self._send_owed()
            except StoreFailed as error:
                self._trouble.tell(error)
            await pause(self._clock, _FIRST_RETRY_SECONDS, self._owing)

    async def told(self, session_ids: Collection[SessionId], within_seconds: float) -> bool:
        """Whether the locks of these sessions, which were called in, tell in time that they are
        over. An acknowledgement is not enough: an opening may still be on its way.

        Raises StoreFailed.
        """
        return await self._comes_true(lambda: self._sessions.are_told(session_ids), within_seconds)

    async def spares_new(self, lock_id: LockId, within_seconds: float) -> bool:
        """Whether a session that is given to that lock now outlives what is owed to it: a REVOKE of
        all that is on its way is waited for, so long at most. Raises StoreFailed.
        """

        def none_is_of_all() -> bool:
            return all(owed.revoke.whom is not None for owed in self._sessions.pending(lock_id))

        return await self._comes_true(none_is_of_all, within_seconds)

    async def _comes_true(self, check: Callable[[], bool], within_seconds: float) -> bool:
        until = self._clock.monotonic_seconds() + within_seconds
        while True:
            news = self._news  # from before the look: what is heard meanwhile is not missed
            if await asyncio.to_thread(check):
                return True
            left = until - self._clock.monotonic_seconds()
            if left <= 0:
                return False
            self.owe()
            await pause(self._clock, left, news)

    def hear(self) -> None:
        """A lock has told that a session is over, or that it has revoked; that is kept."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def acknowledged(
        self, card: LockCard, sent: Sent, revoke: Revoke, result: Result
    ) -> None:
        """The lock has said that `result` became of `sent`, which is `revoke`. Raises
        StoreFailed.
        """
        if isinstance(sent.concerning, int) and result is Result.APPLIED:
            numbers = [sent.concerning]
            await asyncio.to_thread(self._sessions.settle, numbers, self._clock.now())
            self._journal.record(revoked(card, _whom(revoke)))
            self.hear()

    async def _send_owed(self) -> None:
        owed = await asyncio.to_thread(self._sessions.pending)
        self._attempts = {
            pending.number: self._attempts.get(pending.number) or _Attempt() for pending in owed
        }
        now_seconds = self._clock.monotonic_seconds()
        due = [each for each in owed if self._attempts[each.number].due_seconds <= now_seconds]
        by_lock = {each.lock_id: [p for p in due if p.lock_id == each.lock_id] for each in due}
        async with asyncio.TaskGroup() as group:
            for pendings in by_lock.values():
                group.create_task(self._send_safely(pendings))

    async def _send_safely(self, pendings: list[PendingRevocation]) -> None:
        """A store that fails is told, and no reason not to try again."""
        try:
            await self._send(pendings)
        except StoreFailed as error:
            self._trouble.tell(error)

    async def _send(self, pendings: list[PendingRevocation]) -> None:
        """To one lock, the oldest first. If it is out of reach, later. Raises StoreFailed."""
        lock = await asyncio.to_thread(self._locks.get, pendings[0].lock_id)
        for pending in pendings:
            # the broker may have come back meanwhile, and `hurry` have cleared it
            attempt = self._attempts.setdefault(pending.number, _Attempt())
            delay = attempt.backoff.next_seconds()
            attempt.due_seconds = self._clock.monotonic_seconds() + delay
            if lock is None:
                continue
            lives_ms = min(pending.until - self._clock.now(), _LIVES_MS)
            try:
                await self._post.send(lock.card, pending.revoke, lives_ms, pending.number)
            except LinkDown:
                continue
            self._journal.record(_being_revoked(pending))


def _whom(revoke: Revoke) -> str:
    return "all sessions" if revoke.whom is None else str(revoke.whom)


def _being_revoked(pending: PendingRevocation) -> Event:
    whom, named = _whom(pending.revoke), pending.revoke.whom
    return Event(
        EventKind.REVOCATION,
        f"{pending.lock_id} is told to revoke {whom}",
        Severity.NOTICE,
        {
            "lock": pending.lock_id,
            "revoked": whom,
            "state": "sent",
            "since": pending.since // MS_PER_SECOND,
            "trace": named if isinstance(named, SessionId) else "",
        },
    )


def revoked(card: LockCard, what: str) -> Event:
    """What the journal is told when a lock has acknowledged."""
    return Event(
        EventKind.REVOCATION,
        f"{card.lock_id} has revoked {what}",
        Severity.NOTICE,
        {"lock": card.lock_id, "revoked": what, "state": "acknowledged"},
    )
