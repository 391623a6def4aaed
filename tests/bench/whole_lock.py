"""The real lock as a process on a virtual host, with live sessions; adverts are stamped twice."""

from __future__ import annotations

import asyncio
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
from blelockd.adapters.store import Store
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.session import Session
from blelockd.protocol.v1.answer import Grant
from blelockd.protocol.v1.envelope import seal, session_at_lock
from blelockd.roles.issuer import IssuerRole
from blelockd.roles.issuer_v2 import issuer_identity
from blelockd.virtual.host import Host, Place
from blelockd.virtual.hosts import VirtualAir
from blelockd.virtual.settings import Settings
from blelockd.virtual.stage import LOCK_ID, DaemonProcess, Stage, Told, stage
from tests.bench import stamping_bluetoothd, stamping_lock
from tests.bench.front_door import introduce, issuer_at_work, lock_card
from tests.bench.intake import sealed, session_for_lock
from tests.bench.issuing import connected_outlet
from tests.bench.scenery import NONCE, SLOT_MS
from tests.checkout import ROOT

HOST: Final = "lock"
_LIFETIME_SECONDS: Final = 3600
_RECEIVED_SECONDS: Final = 30.0
_LOCK_ID: Final = LockId(LOCK_ID)
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
async def whole_lock(sessions: int, version: int) -> AsyncIterator[WholeLock]:
    """A lock that scans passively and holds that many sessions of that version."""
    async with stage() as scenery:
        await introduce(scenery)
        bus_stamps, lock_stamps = (scenery.directory / f"{end}.stamps" for end in ("bus", "lock"))
        with _environment({stamping_bluetoothd.STAMPS: str(bus_stamps)}):
            host = await _host(scenery.air)
        settings: dict[str, Any] = {
            **scenery.settings("lock", compat_v1=version == 1),
            "journal": {"summary_seconds": 60},
        }
        lock = scenery.daemon("lock", host, settings)
        lock.words = (sys.executable, "-m", stamping_lock.__name__)
        async with issuer_at_work(scenery) as (role, store):
            await lock.start(PYTHONPATH=str(ROOT), **{stamping_lock.STAMPS: str(lock_stamps)})
            await lock.told("link-up", part="scan")
            if version == 1:
                held = await _deliver(scenery, lock, sessions)
            else:
                held = await _deliver_v2(scenery, lock, role, store, sessions)
            yield WholeLock(scenery.air, lock.pid, held, bus_stamps, lock_stamps)


async def _deliver_v2(
    scenery: Stage, lock: DaemonProcess, role: IssuerRole, store: Store, count: int
) -> list[Session]:
    """As _deliver, once the lock has the time."""
    await lock.told("link-up", _RECEIVED_SECONDS, part="time")
    epoch = await asyncio.to_thread(store.locks.epoch, _LOCK_ID)
    assert epoch is not None, "the lock has not greeted"
    made = [session_for_lock(_LIFETIME_SECONDS, SLOT_MS // MS_PER_SECOND) for _ in range(count)]
    identity = issuer_identity(Keyring(scenery.keys("issuer")))
    for envelope in sealed(made, identity, lock_card(scenery), epoch):
        await role._outlet.post(_LOCK_ID, envelope, expiry_seconds=_LIFETIME_SECONDS)
    await _all_received(lock, count)
    return [message.session() for message in made]


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
    sessions = []
    async with connected_outlet(scenery.broker, SystemClock()) as outlet:
        for _ in range(count):
            key = SessionKey(system_entropy(SessionKey.SIZE))
            grant = Grant(key, expiry, NONCE, None, None)
            await outlet.deliver(_LOCK_ID, seal(_LOCK_ID, grant, lock_key, issuer_key))
            sessions.append(session_at_lock(_LOCK_ID, grant, SLOT_MS))

    await _all_received(lock, count)
    return sessions


async def _all_received(lock: DaemonProcess, count: int) -> None:
    def received(events: Sequence[Told]) -> bool | None:
        return sum(event.kind == "session-received" for event in events) == count or None

    await lock.until(received, _RECEIVED_SECONDS, f"{count} sessions received")


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
