"""A lock without radio and broker: the role's own parts and tasks, on a real loop under a probe."""

from __future__ import annotations

import asyncio
import os
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from blelockd.config import LockConfig
from blelockd.protocol.ids import BluetoothAddress
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.keys import PrivateKey
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.session import Session
from blelockd.protocol.v1.answer import Grant
from blelockd.protocol.v1.envelope import seal
from blelockd.roles import memory
from blelockd.roles.daemon import Daemon
from blelockd.roles.lock import LockKeys, LockRole
from blelockd.services.lock.intake import Intake, IntakeLimits, LockIdentity
from tests.bench.figures import Effort, Tell
from tests.bench.loop_probe import LoopProbe
from tests.bench.scenery import (
    LIFETIME_SECONDS,
    LOCK_ID,
    NONCE,
    PushedClock,
    session_of,
    unread_journal,
)

Scene = tuple[str, LoopProbe]

KEY_BITS: Final = 3072
SESSIONS_EACH: Final = 4
SHORT_SLOT_MS: Final = 1000  # so that many slots roll while we look
_PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Keys:
    """One's own of the lock and of the issuer."""

    lock: PrivateKey
    issuer: PrivateKey

    @classmethod
    def generate(cls) -> Keys:
        """Fresh ones; takes a second or two."""
        lock, issuer = (rsa.generate_private_key(65537, KEY_BITS) for _ in range(2))
        return cls(PrivateKey(lock), PrivateKey(issuer))


class Play(ABC):
    """The scenes, on one lock."""

    def __init__(self, clock: PushedClock) -> None:
        self.clock = clock
        self.scenes: list[Scene] = []

    async def scene(self, name: str, work: AsyncIterator[None]) -> None:
        """Let `work` go on a step for every turn of the loop, and watch."""
        async with LoopProbe().watching() as probe:
            async for _ in work:
                await asyncio.sleep(0)
        self.scenes.append((name, probe))

    async def rest(self, seconds: float) -> AsyncIterator[None]:
        """Nothing comes; time goes on."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield

    async def end_all(self) -> AsyncIterator[None]:
        """All sessions end at the same moment."""
        self.clock.ahead_ms += 2 * LIFETIME_SECONDS * MS_PER_SECOND
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while self.held() and time.monotonic() < give_up:
            yield
        assert not self.held(), "the sessions did not end"

    @abstractmethod
    def held(self) -> int:
        """How many sessions live."""

    @abstractmethod
    async def sealed(self, count: int) -> list[bytes]:
        """Messages as the issuer sends them."""

    @abstractmethod
    def receive(self, messages: list[bytes]) -> AsyncIterator[None]:
        """Messages come from the broker."""

    @abstractmethod
    def learn(self, count: int) -> AsyncIterator[None]:
        """Opened sessions are taken, as many of each guest as one may have."""


class _PlayV1(Play):
    def __init__(self, intake: Intake, clock: PushedClock, keys: Keys) -> None:
        super().__init__(clock)
        self._intake = intake
        self._keys = keys

    def held(self) -> int:
        return len(self._intake)

    async def sealed(self, count: int) -> list[bytes]:
        return await asyncio.to_thread(lambda: [self._message() for _ in range(count)])

    def _message(self) -> bytes:
        expiry = self.clock.now() // MS_PER_SECOND + LIFETIME_SECONDS
        grant = Grant(SessionKey(os.urandom(SessionKey.SIZE)), expiry, NONCE, None, None)
        return seal(LOCK_ID, grant, self._keys.lock.public_key, self._keys.issuer)

    async def receive(self, messages: list[bytes]) -> AsyncIterator[None]:
        for message in messages:
            await self._intake.on_message(message)
            yield

    async def learn(self, count: int) -> AsyncIterator[None]:
        for number in range(count):
            self._intake._take(self._session(number // SESSIONS_EACH))
            yield

    def _session(self, phone: int) -> Session:
        octets = phone.to_bytes(4, "big")
        address = BluetoothAddress("C0:F1" + "".join(f":{octet:02X}" for octet in octets))
        session = session_of(os.urandom(SessionKey.SIZE), self.clock.now())
        return replace(session, slot_ms=SHORT_SLOT_MS, bound_address=address)


Lock = Callable[[int], AbstractAsyncContextManager[Play]]
"""A lock with room for twice as many sessions."""


@asynccontextmanager
async def version_1(many: int) -> AsyncIterator[Play]:
    """The lock role, with room for twice as many sessions of version 1."""
    keys = await asyncio.to_thread(Keys.generate)
    with at_work() as (daemon, clock):
        identity = LockIdentity(LOCK_ID, keys.lock, keys.issuer.public_key)
        config = LockConfig(compat_v1=True, lock_id=LOCK_ID)
        role = LockRole(config, LockKeys(None, identity), daemon, Path("unused"))
        version_one = role._v1
        assert version_one is not None
        limits = IntakeLimits(sessions=2 * many, sessions_per_phone=SESSIONS_EACH)
        version_one.intake.limits = limits
        async with running(role, daemon):
            yield _PlayV1(version_one.intake, clock, keys)


@contextmanager
def at_work() -> Iterator[tuple[Daemon, PushedClock]]:
    """What a lock role needs around it: a clock to push, and a journal that nobody reads."""
    clock = PushedClock()
    with unread_journal(clock) as journal:
        daemon = Daemon("blelock-lock", journal)
        daemon.clock = clock
        yield daemon, clock


@asynccontextmanager
async def running(role: LockRole, daemon: Daemon) -> AsyncIterator[None]:
    """All of the role's tasks but broker and scan, as the daemon runs them."""
    works = [work for name, work in role.work().tasks if name not in ("broker", "scan")]
    tasks = [asyncio.create_task(work()) for work in (*works, daemon.tally.run)]
    memory.settle()
    try:
        with memory.short_pauses():
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def play(lock: Lock, many: int, effort: Effort, tell: Tell) -> list[Scene]:
    """All scenes with `many` sessions; the first is the machine at rest."""
    tell("a lock and its keys")
    async with lock(many) as stage:
        first, second = [await stage.sealed(effort.pick(500, 50)) for _ in range(2)]
        for name, work in (
            ("nothing", stage.rest(effort.pick(5.0, 0.5))),
            ("sessions come from the broker", stage.receive(first)),
            ("sessions are learnt", stage.learn(many)),
            ("slots roll", stage.rest(effort.pick(6.0, 2.0))),
            ("sessions replace those of the same guest", stage.learn(many)),
            ("slots roll, messages come", stage.receive(second)),
            ("all sessions end", stage.end_all()),
        ):
            tell(name)
            await stage.scene(name, work)
    return stage.scenes
