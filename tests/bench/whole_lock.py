"""The real lock as a process on a virtual host, with live sessions; adverts are stamped twice."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from blelockd.adapters.clock import SystemClock, system_entropy
from blelockd.adapters.keyring import Keyring
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.session import Session
from blelockd.protocol.v1.answer import Grant
from blelockd.protocol.v1.envelope import seal, session_at_lock
from blelockd.virtual.host import Host, Place
from blelockd.virtual.hosts import VirtualAir
from blelockd.virtual.settings import Settings
from blelockd.virtual.stage import LOCK_ID, DaemonProcess, Stage, Told, stage
from tests.bench import stamping_bluetoothd, stamping_lock
from tests.bench.issuing import connected_outlet
from tests.bench.scenery import NONCE, SLOT_MS

HOST: Final = "lock"
_ROOT: Final = Path(__file__).parents[2]
_LIFETIME_SECONDS: Final = 3600
_RECEIVED_SECONDS: Final = 30.0
_ISSUER_KEY: Final = "issuer.pem"


class _StampingHost(Host):
    bluetoothd_module = "tests.bench.stamping_bluetoothd"


@dataclass(frozen=True, slots=True)
class WholeLock:
    """The lock, at work. The stamps are files of stamps.read_stamps."""

    air: VirtualAir
    pid: int
    sessions: Sequence[Session]
    bus_stamps: Path
    lock_stamps: Path


@asynccontextmanager
async def whole_lock(sessions: int) -> AsyncIterator[WholeLock]:
    """A lock that scans passively and holds that many sessions."""
    async with stage() as scenery:
        await scenery.make_keys()
        bus_stamps, lock_stamps = (scenery.directory / f"{end}.stamps" for end in ("bus", "lock"))
        with _environment({stamping_bluetoothd.STAMPS: str(bus_stamps)}):
            host = await _host(scenery.air)
        settings: dict[str, Any] = {
            **scenery.settings("lock", compat_v1=True),
            "journal": {"summary_seconds": 60},
        }
        lock = scenery.daemon("lock", host, settings)
        lock.words = (sys.executable, "-m", stamping_lock.__name__)
        await lock.start(PYTHONPATH=str(_ROOT), **{stamping_lock.STAMPS: str(lock_stamps)})
        await lock.told("link-up", part="scan")
        held = await _deliver(scenery, lock, sessions)
        yield WholeLock(scenery.air, lock.pid, held, bus_stamps, lock_stamps)


async def _host(air: VirtualAir) -> Host:
    directory = air._socket.parent
    place = Place(directory, air.air, air._socket)
    host = _StampingHost(HOST, place, [air.new_adapter()], Settings(experimental=True))
    air.hosts[HOST] = host
    await host.start()
    return host


async def _deliver(scenery: Stage, lock: DaemonProcess, count: int) -> list[Session]:
    """Sessions through the broker, as the issuer sends them; returns when all are received."""
    issuer_key = Keyring(scenery.keys("issuer")).private(_ISSUER_KEY)
    lock_key = Keyring(scenery.keys(LOCK_ID)).private("lock.pem").public_key
    expiry = int(time.time()) + _LIFETIME_SECONDS
    lock_id = LockId(LOCK_ID)
    sessions = []
    async with connected_outlet(scenery.broker, SystemClock()) as outlet:
        for _ in range(count):
            key = SessionKey(system_entropy(SessionKey.SIZE))
            grant = Grant(key, expiry, NONCE, None, None)
            await outlet.deliver(lock_id, seal(lock_id, grant, lock_key, issuer_key))
            sessions.append(session_at_lock(lock_id, grant, SLOT_MS))

    def all_received(events: Sequence[Told]) -> bool | None:
        return sum(event.kind == "session-received" for event in events) == count or None

    await lock.until(all_received, _RECEIVED_SECONDS, f"{count} sessions received")
    return sessions


@contextmanager
def _environment(more: dict[str, str]) -> Iterator[None]:
    """What children are started with meanwhile."""
    os.environ.update(more)
    try:
        yield
    finally:
        for name in more:
            del os.environ[name]


SETTLED_SECONDS: Final = 2 * SLOT_MS / MS_PER_SECOND
"""A lock that has just started trusts no token of the slot it was started in."""
