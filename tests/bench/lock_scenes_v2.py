"""The scenes of lock_scenes, on a lock of version 2: with its time, its events, and an issuer.

The issuer is made of the protocol and works in threads: what it computes is not the lock's work.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from blelockd.config import LockConfig
from blelockd.protocol.v2 import up
from blelockd.protocol.v2.down import DownMessage, EventAck, SessionForLock
from blelockd.protocol.v2.reports import Event, Hello
from blelockd.roles.lock import LockKeys, LockRole
from blelockd.roles.lock_v2 import VersionTwo
from blelockd.services.lock.enrolled import EnrolledLock
from blelockd.services.lock.holdings import HoldingLimits
from tests.bench.lock_scenes import SESSIONS_EACH, SHORT_SLOT_MS, Play, at_work, running
from tests.bench.scenery import LIFETIME_SECONDS, PushedClock
from tests.fakes.enrolled import DOOR, IEK, ISK, ISSUER_CARD, LEK, LOCK_CARD, LSK
from tests.fakes.issuer_v2 import IssuerV2

_LIVES_MS: Final = LIFETIME_SECONDS * 1000
_LEASE_SECONDS: Final = 3600
_PATIENCE_SECONDS: Final = 60.0
_STEP: Final = 1_000_000
"""Between the numbers of messages that were sealed before: what is said meanwhile is lower."""


class _PlayV2(Play):
    def __init__(self, lock: VersionTwo, clock: PushedClock) -> None:
        super().__init__(clock)
        self._lock = lock
        self._turn = asyncio.Lock()
        self._reports: asyncio.Queue[bytes] = asyncio.Queue()
        self._issuer = IssuerV2(ISK, IEK, LOCK_CARD, clock.now)
        self._issuer.lease_seconds = _LEASE_SECONDS
        self._batches = 0
        self._acknowledged = 0

    # --- the issuer ----------------------------------------------------------------------------

    def post(self, report: bytes) -> bool:
        """What the lock says."""
        self._reports.put_nowait(report)
        return True

    async def answer(self) -> None:
        """Hear the lock, all that waits at a time, and answer it; until cancelled."""
        while True:
            reports = [await self._reports.get()]
            while not self._reports.empty():
                reports.append(self._reports.get_nowait())
            for envelope in await asyncio.to_thread(self._answers, reports):
                await self._deliver(envelope)

    def _answers(self, reports: list[bytes]) -> list[bytes]:
        """Nothing that is heard is kept: it would be the collector's, and so the lock's, work."""
        issuer, answers = self._issuer, list[DownMessage]()
        for report in reports:
            message = up.Report.decode(report).open(DOOR, LOCK_CARD.signing_key, IEK)
            if isinstance(message, Hello):
                issuer.view.greet(message)
                answers += issuer.answers_to(message)
            elif isinstance(message, Event) and message.counter == self._acknowledged + 1:
                self._acknowledged += 1
        if issuer.view.epoch is None:
            return []  # it told how it is before it greeted
        answers.append(EventAck(issuer.view.epoch, self._acknowledged))
        envelopes = [issuer.envelope(message) for message in answers]
        issuer.sent.clear()
        return envelopes

    async def _deliver(self, envelope: bytes) -> None:
        async with self._turn:
            await self._lock.ear.on_message(envelope)

    # --- the scenes ----------------------------------------------------------------------------

    def held(self) -> int:
        return len(self._lock.holdings)

    async def sealed(self, count: int) -> list[bytes]:
        self._batches += 1
        first = self._batches * _STEP

        def seal() -> list[bytes]:
            issuer = self._issuer
            made = [self._session(os.urandom(16)) for _ in range(count)]
            sealed = [issuer.envelope(m, _LIVES_MS, seq=first + n) for n, m in enumerate(made)]
            issuer.sent.clear()
            return sealed

        return await asyncio.to_thread(seal)

    def _session(self, guest: bytes) -> SessionForLock:
        made = self._issuer.a_session(guest, _LIVES_MS, slot_ms=SHORT_SLOT_MS)
        del self._issuer.sessions[made.session_id]  # no SYNC is to name it
        return made

    async def receive(self, messages: list[bytes]) -> AsyncIterator[None]:
        for message in messages:
            await self._deliver(message)
            yield
        self._issuer.view.seq = self._lock_seq() + 1

    def _lock_seq(self) -> int:
        return self._lock._greeting._gate.last_seq

    async def learn(self, count: int) -> AsyncIterator[None]:
        for number in range(count):
            guest = (number // SESSIONS_EACH).to_bytes(16, "big")
            await self._lock.holdings.take(self._session(guest))
            yield


@asynccontextmanager
async def version_2(many: int) -> AsyncIterator[Play]:
    """The lock role, with room for twice as many sessions of version 2, and its time confirmed."""
    with tempfile.TemporaryDirectory() as directory, at_work() as (daemon, clock):
        config = LockConfig(lock_id=DOOR, state_directory=Path(directory))
        lock = EnrolledLock(DOOR, LEK, LSK, ISSUER_CARD)
        role: Any = LockRole(config, LockKeys(lock), daemon, Path("unused"))
        version_two: VersionTwo = role._v2
        version_two.holdings.limits = HoldingLimits(2 * many, SESSIONS_EACH)
        play = _PlayV2(version_two, clock)
        role._inbox.post = play.post
        async with running(role, daemon):
            answering = asyncio.create_task(play.answer())
            version_two.arrive()
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await version_two.time.confirmed.wait()
                yield play
            finally:
                answering.cancel()
                await asyncio.wait({answering})
