"""The live sessions of version 2 at the lock: learnt from the issuer, within limits, and ended.

A session that has ended is over for this boot: it would come back with its spent tokens unspent.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from blelockd.protocol.ids import GuestId, SessionId
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.session import Session
from blelockd.protocol.v2.down import Revoke, SessionForLock, Sync
from blelockd.protocol.v2.reports import EventType, Result
from blelockd.protocol.v2.sync_parts import SyncParts
from blelockd.protocol.verifier import Verifier
from blelockd.services.deadlines import Deadlines
from blelockd.services.events import Event, EventKind, Severity, of_session
from blelockd.services.lock.event_log import EventLog
from blelockd.services.ports import Clock, Journal

_MOST_OVER: Final = 10_000
_QUIET_SECONDS: Final = 60.0
_TOLD_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class HoldingLimits:
    """What the lock takes at most. With `one_guest`, a session replaces the one before it."""

    sessions: int = 1000
    sessions_per_guest: int = 4
    longest_lifetime_ms: int = 86_400_000
    one_guest: bool = False
    asks_questions: bool = False
    """Whether a session in challenge mode can ever open this door."""


class Holdings:
    """What the issuer has given this lock to believe. `now` is the time that it confirmed.

    Nothing is learnt while that is None: the gate lets no session in before.
    """

    def __init__(
        self,
        verifier: Verifier,
        limits: HoldingLimits,
        now: Callable[[], Instant | None],
        log: EventLog,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._verifier = verifier
        self.limits = limits
        self._now = now
        self._log = log
        self._journal = journal
        self._clock = clock
        self._live: dict[SessionId, Session] = {}
        self._of_guest: dict[GuestId | None, dict[SessionId, Session]] = {}
        self._ends = Deadlines()
        self._over: OrderedDict[SessionId, None] = OrderedDict()
        self._parts = SyncParts()
        self._learnt_since_sync_began: set[SessionId] = set()
        self._complain_again_seconds = -math.inf

    def __len__(self) -> int:
        return len(self._live)

    async def take(self, message: SessionForLock) -> Result:
        """Learn a session, unless something speaks against it."""
        result = await self._learn(message)
        if result is Result.APPLIED:
            self._learnt_since_sync_began.add(message.session_id)
        return result

    async def take_sync(self, sync: Sync) -> tuple[Result, bool]:
        """Learn what lives; and once all of it was named, end what was not.

        Whether all of it was named is the second value.
        """
        if sync.part == 0:
            self._learnt_since_sync_began.clear()
        named = self._parts.take(sync)
        results = [await self._learn(message) for message in sync.sessions]
        if named is not None:
            live = named | self._learnt_since_sync_began
            await self._revoke(
                [held for held in self._live.values() if held.session_id not in live]
            )
        result = Result.FULL if Result.FULL in results else Result.APPLIED
        return result, named is not None

    async def revoke(self, message: Revoke) -> None:
        """End the session, all of the guest's, or all.

        A session that is named is told revoked in any case: to the issuer that says that all its
        openings are told.
        """
        whom = message.whom
        if isinstance(whom, SessionId) and whom not in self._live:
            self._log.add(EventType.SESSION_REVOKED, whom)
            return
        await self._revoke(
            [held for held in self._live.values() if whom in (None, held.session_id, held.guest_id)]
        )

    def expire(self, at_most: int) -> bool:
        """End up to `at_most` sessions whose time is over; whether there may be more."""
        now = self._now()
        if now is None:
            return False
        over = self._ends.take(now, at_most)
        for raw in over:
            session = self._live.get(SessionId(raw))
            if session is not None:  # else it has made room, or was revoked
                self._end(session)
        return len(over) == at_most

    # --- one session -----------------------------------------------------------------------------

    async def _learn(self, message: SessionForLock) -> Result:
        session, now = message.session(), self._now()
        if now is None:
            return Result.NO_TIME
        if session.session_id in self._live:
            return Result.APPLIED
        if session.session_id in self._over:
            return Result.TOO_LATE
        if session.not_after <= now:
            return Result.EXPIRED
        if session.not_after - now > self.limits.longest_lifetime_ms:
            self._complain(session, "it would live longer than this lock allows")
            return Result.MALFORMED
        if session.challenge_mode and not self.limits.asks_questions:
            self._complain(session, "it wants a challenge, and challenge_seconds is off here")
            return Result.UNABLE
        spent = await self._log.openings(session.session_id) if session.max_uses else 0
        if spent is None:
            self._complain(session, "the disk does not say how often it has opened the door")
            return Result.FULL
        rivals = self._rivals(session.guest_id)
        if len(self._live) - len(rivals) >= self.limits.sessions:
            self._complain(session, f"this lock holds {self.limits.sessions} sessions already")
            return Result.FULL
        for rival in rivals:
            self._end(rival)
        self._keep(session, now, spent)
        return Result.APPLIED

    def _rivals(self, guest_id: GuestId | None) -> list[Session]:
        """The sessions that must go if one more of that guest is to come: the oldest ones."""
        if self.limits.one_guest:
            return list(self._live.values())
        same_guest = list(self._of_guest.get(guest_id, {}).values())
        return same_guest[: max(0, len(same_guest) + 1 - self.limits.sessions_per_guest)]

    def _keep(self, session: Session, now: Instant, spent: int) -> None:
        self._live[session.session_id] = session
        self._of_guest.setdefault(session.guest_id, {})[session.session_id] = session
        self._ends.add(session.not_after, session.session_id.raw)
        self._verifier.learn(session, now)
        for _ in range(min(spent, session.max_uses)):
            self._verifier.count_use(session.session_id)
        self._log.add(EventType.SESSION_LEARNT, session.session_id)
        self._tell(
            session,
            EventKind.SESSION_RECEIVED,
            "received",
            guest=session.guest_id,
            not_after=session.not_after // MS_PER_SECOND,
        )

    def _end(self, session: Session) -> None:
        heard = self._forget(session)
        self._log.add(EventType.SESSION_ENDED, session.session_id)
        words = "ended" if heard else "ended, and no token of it was ever heard"
        self._tell(session, EventKind.SESSION_ENDED, words, heard=heard)

    async def _revoke(self, sessions: Sequence[Session]) -> None:
        """All at once for the door, and told in pieces."""
        for session in sessions:
            self._forget(session)
        for number, session in enumerate(sessions, 1):
            self._log.add(EventType.SESSION_REVOKED, session.session_id)
            self._tell(session, EventKind.SESSION_REVOKED, "revoked", guest=session.guest_id)
            if number % _TOLD_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _forget(self, session: Session) -> bool:
        """Whether any of its tokens was ever heard."""
        del self._live[session.session_id]
        of_guest = self._of_guest[session.guest_id]
        del of_guest[session.session_id]
        if not of_guest:
            del self._of_guest[session.guest_id]
        self._over[session.session_id] = None
        if len(self._over) > _MOST_OVER:
            self._over.popitem(last=False)
        return self._verifier.forget(session.session_id)

    def _tell(self, session: Session, kind: EventKind, words: str, **more: object) -> None:
        fields = of_session(session.session_id, lock=session.lock_id, **more)
        self._journal.record(Event(kind, f"session {session.session_id} {words}", fields=fields))

    def _complain(self, session: Session, why: str) -> None:
        now_seconds = self._clock.monotonic_seconds()
        if now_seconds < self._complain_again_seconds:
            return
        self._complain_again_seconds = now_seconds + _QUIET_SECONDS
        fields = of_session(session.session_id, reason=why)
        message = f"session refused: {why}"
        self._journal.record(Event(EventKind.SESSION_REFUSED, message, Severity.WARNING, fields))
