"""One door for both versions: the issuer's own parts in this process, the real lock in another.

The issuer has a real store, on the disk of the temporary directory, and a real mosquitto; it lacks
the radio: what guests write goes straight to its services. The lock is the command, on a virtual
host where it scans actively, so that it hears an unchanged advert again; its strike is a program
that notes when it is run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from blelockd.adapters.clock import SystemClock, system_entropy
from blelockd.adapters.keyring import ISSUER_CARD, Keyring, import_public, pin_issuer_card
from blelockd.adapters.store import Store
from blelockd.config import IssuerConfig, LockConfig
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.v2.cards import IssuerCard, LockCard
from blelockd.protocol.v2.ec_keys import GuestSigningKey
from blelockd.protocol.v2.invites import INVITE_SECONDS, LONG_SECRET_BYTES, InviteSecret
from blelockd.roles.daemon import Daemon
from blelockd.roles.issuer import IssuerRole
from blelockd.roles.issuer_v2 import issuer_identity
from blelockd.roles.lock_v2 import enrolled_lock
from blelockd.services.issuer.access import Grant
from blelockd.virtual.stage import DaemonProcess, Stage, stage
from tests.bench.lock_scenes import KEY_BITS, Keys
from tests.bench.scenery import LOCK_ID, unread_journal
from tests.fakes.central import FakePeripheral

HOST: Final = "lock"
SLOT_SECONDS: Final = 1
HOLD_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 30.0
_NEAR_DBM: Final = -50
_NS_PER_SECOND: Final = 1e9


class TimedPeripheral(FakePeripheral):
    """Where guests write. `waited` is how long each waited for its answer, in seconds; `answers`
    are the first frames of these.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []
        self.answers: list[bytes] = []
        self._began: dict[str, float] = {}

    async def write(self, device: str, value: bytes) -> None:
        """The write that completes a request."""
        self._began[device] = time.perf_counter()
        await super().write(device, value)

    async def notify(self, device: str, frames: Sequence[bytes]) -> None:
        """The answer leaves; to nobody, where nobody has connected."""
        self.waited.append(time.perf_counter() - self._began[device])
        self.answers.append(frames[0])
        if device in self.subscribers:
            await super().notify(device, frames)


class FrontDoor:
    """Made by `front_door()`. `v1` and `v2` are the issuer's two services."""

    def __init__(
        self, scenery: Stage, lock: DaemonProcess, role: IssuerRole, store: Store, struck: Path
    ) -> None:
        self.stage = scenery
        self.lock = lock
        self.store = store
        self.keyring = Keyring(scenery.keys("issuer"))
        self.lock_card = lock_card(scenery)
        self.outlet = role._outlet
        self._struck = struck
        self._guests = 0
        self.v1, self.v2 = TimedPeripheral(), TimedPeripheral()
        assert role._v1 is not None
        assert role._v2 is not None
        provider, reception = role._v1._provider, role._v2.office.reception
        self.v1.on_write = lambda write: provider.on_write(self.v1, write)
        self.v2.on_write = lambda write: reception.on_write(self.v2, write)
        self.v2.on_read = reception.info

    @property
    def issuer_card(self) -> IssuerCard:
        """What guests and lock pin."""
        return issuer_identity(self.keyring).card

    def keys_v1(self) -> Keys:
        """The keys of lock and issuer for version 1."""
        lock = Keyring(self.stage.keys(str(LOCK_ID))).private("lock.pem")
        return Keys(lock, self.keyring.private("issuer.pem"))

    def guest(self) -> tuple[str, GuestSigningKey]:
        """A device that has enrolled just now."""
        self._guests += 1
        key = GuestSigningKey.derive(system_entropy(32))
        secret, now = InviteSecret(system_entropy(LONG_SECRET_BYTES)), SystemClock().now()
        expires = Instant(now + INVITE_SECONDS * MS_PER_SECOND)
        self.store.guests.invite("mara", [secret.key()], Grant(None), expires, now)
        self.store.guests.enrol(secret.key().invite_id(), key.public_key, "phone", now)
        return f"device {self._guests}", key

    def shows(self, token: bytes) -> None:
        """Somebody who stands at the door advertises that."""
        address = f"C0:00:00:00:{self._guests >> 8 & 255:02X}:{self._guests & 255:02X}"
        head = b"\x02\x01\x06" + bytes([len(token) + 3]) + b"\xff\xff\xff"
        self.stage.air.inject(address, head + token, _NEAR_DBM, to=HOST)

    def strikes(self) -> list[float]:
        """When the strike's program was run, in Unix seconds."""
        if not self._struck.exists():
            return []
        return [int(line) / _NS_PER_SECOND for line in self._struck.read_text().split()]


def lock_card(scenery: Stage) -> LockCard:
    """What the lock on that stage shows its issuer's operator."""
    keyring = Keyring(scenery.keys(str(LOCK_ID)))
    lock = enrolled_lock(LockConfig(lock_id=LOCK_ID), keyring)
    return LockCard(LOCK_ID, lock.seal_key.public_key, lock.signing_key.public_key)


@asynccontextmanager
async def front_door() -> AsyncIterator[FrontDoor]:
    """Issuer and lock know each other, by both versions, and the lock has the time."""
    async with stage() as scenery:
        await introduce(scenery)
        host = (await scenery.air.add_hosts({HOST: {}}))[0]
        struck = scenery.directory / "struck"
        lock = scenery.daemon("lock", host, _lock_settings(scenery, struck))
        async with issuer_at_work(scenery) as (role, store):
            await lock.start()
            for part in ("time", "scan", "broker"):
                await lock.told("link-up", _PATIENCE_SECONDS, part=part)
            yield FrontDoor(scenery, lock, role, store, struck)


async def introduce(scenery: Stage) -> None:
    """Issuer and lock have keys of both versions, and trust each other's."""
    await scenery.make_own_keys(guests=(), bits=KEY_BITS)
    issuer, lock = scenery.keys("issuer"), scenery.keys(str(LOCK_ID))
    public = Keyring(lock).private("lock.pem").public_key
    import_public(public, issuer / "locks" / f"{LOCK_ID}.pub")
    import_public(Keyring(issuer).private("issuer.pem").public_key, lock / "issuer.pub")
    pin_issuer_card(issuer_identity(Keyring(issuer)).card, lock / ISSUER_CARD)


def _lock_settings(scenery: Stage, struck: Path) -> dict[str, Any]:
    return {
        **scenery.settings("lock", compat_v1=True),
        "slot_seconds": SLOT_SECONDS,
        "limits": {"sessions": 100_000},
        "strike": {
            "type": "command",
            "command": ["/bin/sh", "-c", f"date +%s%N >> {struck}"],
            "hold_seconds": HOLD_SECONDS,
            "rearm_seconds": 2 * SLOT_SECONDS,
        },
    }


@asynccontextmanager
async def issuer_at_work(scenery: Stage) -> AsyncIterator[tuple[IssuerRole, Store]]:
    """The issuer role with all its tasks but the beacon, as the daemon runs them."""
    without_end = 1000
    settings = {
        **scenery.settings("issuer", compat_v1=True),
        "session": {"slot_seconds": SLOT_SECONDS},
        "limits": {"requests_per_second": without_end, "burst": without_end},
    }
    config = IssuerConfig.from_yaml(yaml.safe_dump(settings), "bench")
    store = Store(config.state_directory)
    with closing(store), unread_journal(SystemClock()) as journal:
        store.locks.add(lock_card(scenery), SystemClock().now())
        daemon = Daemon("blelock-issuer", journal)
        keyring = Keyring(config.keys_directory)
        role = IssuerRole(config, keyring, daemon, Path("unused"))
        assert role._v2 is not None
        with closing(role._v2), _threads_that_end():
            works = [work for name, work in role.work().tasks if name != "beacon"]
            tasks = [asyncio.create_task(work()) for work in (*works, daemon.tally.run)]
            try:
                yield role, store
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)


@contextmanager
def _threads_that_end() -> Iterator[None]:
    """No thread is at work afterwards: a late signature would open the store again."""
    loop = asyncio.get_running_loop()
    try:
        with ThreadPoolExecutor() as threads:
            loop.set_default_executor(threads)
            yield
    finally:
        loop.set_default_executor(ThreadPoolExecutor())
