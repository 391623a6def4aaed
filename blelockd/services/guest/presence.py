"""The guest on the air: the token of each session's slot, in turn where there are several.

All advertisements of one adapter share an address, and a receiver merges their manufacturer data,
so several sessions take turns in one advertisement instead of having one each.
"""

from __future__ import annotations

import asyncio

from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import MS_PER_SECOND, Instant, Slot
from blelockd.services.events import Event, EventKind
from blelockd.services.guest.provisioning import Carried
from blelockd.services.pause import pause
from blelockd.services.ports import Broadcaster, Clock, Journal


class Presence:
    """Which sessions the guest carries, and what it advertises now.

    `dwell_seconds` is how long one session's token stays on the air while others wait.
    """

    def __init__(self, journal: Journal, clock: Clock, dwell_seconds: float = 1.0) -> None:
        self._journal = journal
        self._clock = clock
        self._dwell_ms = round(dwell_seconds * MS_PER_SECOND)
        self._sessions: dict[LockId, Carried] = {}
        self._changed = asyncio.Event()
        self.on_air = False
        """Whether a token is being advertised now."""
        self.tokens_broadcast = 0

    def carry(self, carried: Carried) -> None:
        """Advertise that session from now on, in place of an earlier one for the same lock."""
        self._sessions[carried.session.lock_id] = carried
        self._changed.set()

    def drop(self, lock_id: LockId) -> None:
        """Advertise nothing for that lock any more."""
        if self._sessions.pop(lock_id, None) is not None:
            self._changed.set()

    def carried(self) -> list[LockId]:
        """The locks there is a session for."""
        return list(self._sessions)

    async def run(self, broadcaster: Broadcaster) -> None:
        """Advertise until cancelled; raises LinkDown when the radio fails."""
        try:
            while True:
                await self._advertise_next(broadcaster)
        finally:
            self.on_air = False
            await broadcaster.silence()

    async def _advertise_next(self, broadcaster: Broadcaster) -> None:
        self._changed.clear()
        self._end_expired()
        if not self._sessions:
            self.on_air = False
            await broadcaster.silence()
            await self._changed.wait()
            return
        lock_id, carried = next(iter(self._sessions.items()))
        self._sessions[lock_id] = self._sessions.pop(lock_id)  # to the end of the queue
        session, now = carried.session, carried.now()
        slot = session.slot_at(now)
        await broadcaster.broadcast(session.scheme.token(slot).reveal())
        self.on_air = True
        self.tokens_broadcast += 1
        until = min(session.start_of(Slot(slot + 1)), session.not_after)
        if len(self._sessions) > 1:
            until = min(until, Instant(now + self._dwell_ms))
        left_seconds = max(0, until - carried.now()) / MS_PER_SECOND
        await pause(self._clock, left_seconds, self._changed)

    def _end_expired(self) -> None:
        for lock_id, carried in list(self._sessions.items()):
            if carried.left_ms <= 0:
                session = self._sessions.pop(lock_id).session
                self._journal.record(
                    Event(
                        EventKind.SESSION_ENDED,
                        f"session {session.session_id} for {lock_id} ended",
                        fields={
                            "session": session.session_id,
                            "lock": lock_id,
                            "trace": session.session_id,
                        },
                    )
                )
