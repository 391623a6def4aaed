"""What each lock shall have: its sessions; and when it says HELLO, the time and all that lives."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from blelockd.protocol.ids import LockId, SessionId
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.v2.cards import LockCard
from blelockd.protocol.v2.down import SessionForLock, Sync, Time, in_parts
from blelockd.protocol.v2.reports import Hello, Result
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.issuer.post import Post, Sent
from blelockd.services.issuer.records import NotKept
from blelockd.services.issuer.revoking import revoked
from blelockd.services.issuer.store import SessionRecords
from blelockd.services.ports import Clock, Journal

ACKNOWLEDGED_WITHIN_SECONDS: Final = 2.0
_LEASE_SECONDS: Final = 900
_TIME_LIVES_MS: Final = 5 * MS_PER_SECOND
_SYNC_LIVES_MS: Final = 60 * MS_PER_SECOND


@dataclass(slots=True)
class _Round:
    """One SYNC: what it settles once all its parts are applied."""

    parts_left: int = 0
    live: list[SessionForLock] = field(default_factory=list)
    settles: list[int] = field(default_factory=list)


class Delivery:
    """Sends to locks, and keeps what they acknowledge."""

    def __init__(
        self,
        post: Post,
        sessions: SessionRecords,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._post = post
        self._sessions = sessions
        self._journal = journal
        self._clock = clock
        self._delivered: dict[LockId, set[SessionId]] = {}

    # --- sessions ------------------------------------------------------------------------------

    async def session(self, card: LockCard, session: SessionForLock) -> Result | None:
        """Send `session`, which is kept; what its lock says of it within 2 s, None for nothing.

        Raises LinkDown when it cannot be sent, NotKept when it was revoked meanwhile, StoreFailed.
        """

        def write() -> list[SessionForLock]:
            """Read when its turn has come: what revokes it later is sent after it."""
            kept = self._sessions.get(session.session_id)
            if kept is None or kept.revoked is not None:
                raise NotKept("the session was revoked before its lock had it")
            return [session]

        until = self._clock.monotonic_seconds() + ACKNOWLEDGED_WITHIN_SECONDS
        result = None
        while (left := until - self._clock.monotonic_seconds()) > 0:
            lives_ms = session.terms.not_after - self._clock.now()
            (sent,) = await self._post.send_all(card, write, lives_ms)
            result = await self._post.result_of(sent, left)
            if result is not Result.TOO_LATE:
                break
        return result

    # --- HELLO ---------------------------------------------------------------------------------

    async def welcome(self, card: LockCard, hello: Hello) -> None:
        """Answer a HELLO that is the newest: the time, then all that lives.

        Raises LinkDown, StoreFailed.
        """
        nonce = hello.hello_nonce
        time = Time(self._clock.now(), nonce, _LEASE_SECONDS)
        await self._post.send(card, time, _TIME_LIVES_MS)
        sync = _Round()

        def write() -> list[Sync]:
            # in this order: what is revoked between the two is owed until it is acknowledged
            sync.settles = [owed.number for owed in self._sessions.pending(card.lock_id)]
            sync.live = self._sessions.live(card.lock_id, self._clock.now())
            parts = in_parts(nonce, sync.live)
            sync.parts_left = len(parts)
            return parts

        await self._post.send_all(card, write, _SYNC_LIVES_MS, sync)
        live = {session.session_id for session in sync.live}
        self._delivered[card.lock_id] = self._delivered.get(card.lock_id, set()) & live
        told = "1 live session" if len(live) == 1 else f"{len(live)} live sessions"
        self._journal.record(
            Event(
                EventKind.LOCK_GREETED,
                f"{card.lock_id} is there: time and {told} sent",
                fields={"lock": card.lock_id, "sessions": len(live), "epoch": hello.epoch.hex()},
            )
        )

    # --- ACK -----------------------------------------------------------------------------------

    async def acknowledged(self, card: LockCard, sent: Sent, result: Result) -> None:
        """The lock has said that `result` became of `sent`. Raises StoreFailed."""
        message = sent.message
        if isinstance(message, SessionForLock):
            await self._session_acknowledged(card, message, result)
        elif isinstance(message, Sync):
            await self._part_acknowledged(card, sent, message, result)

    async def _session_acknowledged(
        self, card: LockCard, session: SessionForLock, result: Result
    ) -> None:
        if result is Result.APPLIED:
            await asyncio.to_thread(self._keep_delivered, card, [session])
        self._journal.record(
            Event(
                EventKind.SESSION_DELIVERED,
                f"{card.lock_id} says of session {session.session_id}: {_told(result)}",
                Severity.INFO if result is Result.APPLIED else Severity.WARNING,
                {
                    "lock": card.lock_id,
                    "session": session.session_id,
                    "trace": session.session_id,
                    "result": _told(result),
                },
            )
        )

    async def _part_acknowledged(
        self, card: LockCard, sent: Sent, part: Sync, result: Result
    ) -> None:
        sync = sent.concerning
        if not isinstance(sync, _Round) or result is not Result.APPLIED:
            return
        await asyncio.to_thread(self._keep_delivered, card, part.sessions)
        sync.parts_left -= 1
        if sync.parts_left == 0 and sync.settles:
            await asyncio.to_thread(self._sessions.settle, sync.settles, self._clock.now())
            self._journal.record(revoked(card, "all that is not among its live sessions"))

    def _keep_delivered(self, card: LockCard, sessions: Sequence[SessionForLock]) -> None:
        """The lock has these. Each is written once: a SYNC names all of them every few minutes."""
        known = self._delivered.setdefault(card.lock_id, set())
        for session in sessions:
            if session.session_id not in known:
                self._sessions.delivered(session.session_id, self._clock.now())
                known.add(session.session_id)


def _told(result: Result) -> str:
    return result.name.lower().replace("_", "-")
