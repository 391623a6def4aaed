"""The live sessions as they were sent, so that a lock which comes back gets them again.

A lock keeps no session on disk, and a broker may lose its memory: when a lock says that it is
there, what is still valid is delivered once more. The lock drops what it has already.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from blelockd.protocol.ids import LockId, SessionId
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.services.events import Event, EventKind
from blelockd.services.ports import Clock, Journal, LinkDown, SessionOutlet


@dataclass(frozen=True, slots=True)
class _Sent:
    session_id: SessionId
    sealed: bytes
    not_after: int


class Outbox:
    """Sealed sessions by lock: at most `most_per_lock` of the newest, until they end."""

    def __init__(
        self, outlet: SessionOutlet, journal: Journal, clock: Clock, most_per_lock: int = 1000
    ) -> None:
        self._outlet = outlet
        self._journal = journal
        self._clock = clock
        self._most_per_lock = most_per_lock
        self._sent: dict[LockId, deque[_Sent]] = {}
        self._back: set[LockId] = set()
        self._wake = asyncio.Event()

    async def send(
        self, lock_id: LockId, session_id: SessionId, sealed: bytes, not_after: int
    ) -> None:
        """Deliver `sealed` and keep it until `not_after` (Unix ms); raises LinkDown."""
        sent = _Sent(session_id, sealed, not_after)
        # kept first: the lock may come back before we hear that the broker has taken it
        self._sent.setdefault(lock_id, deque(maxlen=self._most_per_lock)).append(sent)
        try:
            await self._deliver(lock_id, sealed, not_after)
        except LinkDown:
            if sent in (kept := self._sent.get(lock_id, deque())):
                kept.remove(sent)
            raise

    async def _deliver(self, lock_id: LockId, sealed: bytes, not_after: int) -> None:
        left_seconds = max(0, not_after - self._clock.now()) // MS_PER_SECOND + 1
        await self._outlet.deliver(lock_id, sealed, expiry_seconds=left_seconds)

    def on_available(self, lock_id: LockId) -> None:
        """A lock says that it is there. Of strangers' claims only those of known locks count."""
        if lock_id in self._sent:
            self._back.add(lock_id)
            self._wake.set()

    async def run(self) -> None:
        """Deliver again to the locks that came back, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            back, self._back = self._back, set()
            for lock_id in back:
                await self._deliver_again(lock_id)
            # a lock that claims to come back all the time costs one round a second
            await self._clock.sleep(1.0)

    def forget_expired(self) -> None:
        """Let go of the sessions that have ended."""
        now = self._clock.now()
        for lock_id, kept in list(self._sent.items()):
            live = [sent for sent in kept if Instant(sent.not_after) > now]
            if live:
                self._sent[lock_id] = deque(live, maxlen=self._most_per_lock)
            else:
                del self._sent[lock_id]

    async def _deliver_again(self, lock_id: LockId) -> None:
        self.forget_expired()
        delivered = 0
        for sent in list(self._sent.get(lock_id, ())):
            try:
                await self._deliver(lock_id, sent.sealed, sent.not_after)
            except LinkDown:
                break  # the lock will say that it is there once more
            delivered += 1
        if delivered:
            sessions = "1 live session" if delivered == 1 else f"{delivered} live sessions"
            self._journal.record(
                Event(
                    EventKind.SESSIONS_REDELIVERED,
                    f"{lock_id} is back: {sessions} delivered again",
                    fields={"lock": lock_id, "sessions": delivered},
                )
            )
