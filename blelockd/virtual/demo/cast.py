"""Who plays: an issuer in an office, a lock at a door, the phones of two guests, an attacker.

Each of the four has a host of its own on the air; the daemons are the real ones, through their
own commands. What the demo needs of its configuration is said here, and nowhere else.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from blelockd.adapters.mqtt import topics
from blelockd.protocol.ids import LockId
from blelockd.protocol.v2.down import DownType
from blelockd.virtual.demo.eavesdroppers import AirRecorder, BrokerSpy
from blelockd.virtual.middleman import Middleman, middleman
from blelockd.virtual.propagation import rssi_at
from blelockd.virtual.stage import LOCK_ID, DaemonProcess, Settings, Stage, stage

SLOT_SECONDS: Final = 2
HOLD_SECONDS: Final = 1.0
REARM_SECONDS: Final = 4.0
THRESHOLD_DBM: Final = -60
LIFETIME_SECONDS: Final = 300
SHORT_LIFETIME_SECONDS: Final = 12

FAR_METRES: Final = 300.0
START_METRES: Final = 20.0

DOWN: Final = topics.down(LockId(LOCK_ID))
UP: Final = topics.up(LockId(LOCK_ID))

Changes = Mapping[str, Settings]
"""What shall be different in a role's configuration."""

OWN_SETTINGS: Final[Changes] = {
    "issuer": {"session": {"lifetime_seconds": LIFETIME_SECONDS, "slot_seconds": SLOT_SECONDS}},
    "lock": {
        "slot_seconds": SLOT_SECONDS,
        "rssi_threshold_dbm": THRESHOLD_DBM,
        "strike": {"hold_seconds": HOLD_SECONDS, "rearm_seconds": REARM_SECONDS},
    },
    "guest": {},
}
OF_VERSION_1: Final[Changes] = {
    "issuer": {"compat_v1": True, "locks": {LOCK_ID: None}},
    "lock": {"compat_v1": True},
    "guest": {"compat_v1": True, "slot_seconds": SLOT_SECONDS},
}
Hosts = Mapping[str, Mapping[str, Any]]

# Only with bluetoothd --experimental may an advert choose its interval, and a lock scan passively.
HOSTS: Final[Hosts] = {
    "issuer": {"experimental": True},
    "lock": {},
    "guest": {"experimental": True},
    "visitor": {"experimental": True},
}


@dataclass(frozen=True, slots=True)
class Machine:
    """Where somebody types: whose commands, by whose Bluetooth, with which configuration."""

    role: str
    host: str
    config: Path


@dataclass(frozen=True, slots=True)
class Visit:
    """A visitor's session; it has ended by `over_unix_seconds`."""

    session: str
    over_unix_seconds: int

    def seconds_left(self) -> float:
        """How long it may still live."""
        return self.over_unix_seconds - time.time()


@dataclass(slots=True)
class Cast:
    """Everybody, on a stage that is set. Made by `cast()`."""

    stage: Stage
    issuer: DaemonProcess
    lock: DaemonProcess
    guest: DaemonProcess
    machines: Mapping[str, Machine]
    """By name: issuer, lock, guest, visitor; and `old_phone`, a visitor of version 1."""
    recorder: AirRecorder
    spy: BrokerSpy
    middleman: Middleman
    """Stands between the lock and its broker."""
    backstage: AsyncExitStack
    """What one scene begins and a later one may end."""
    settings: Changes
    speaks_v1: bool = False
    last_visit: Visit | None = None

    @property
    def daemons(self) -> tuple[DaemonProcess, ...]:
        """The three."""
        return self.issuer, self.lock, self.guest

    def card(self, of: str) -> Path:
        """Where the card of issuer or lock is, once it was exported."""
        return self.stage.directory / f"{of}.card"

    def address(self, host: str) -> str:
        """The Bluetooth address of that host."""
        return self.stage.air.hosts[host].address()

    def stand(self, who: str, metres: float) -> int:
        """Put a phone at that distance from the door; returns how it is heard there, in dBm."""
        self.stage.air.set_distance(who, "lock", metres)
        return round(rssi_at(metres))

    def withhold(self, *kinds: DownType) -> None:
        """Keep such envelopes from the lock, but for what the spy itself publishes."""
        wanted = [bytes([kind]) for kind in kinds]
        own = self.spy.published
        self.middleman.withholds = lambda topic, payload: (
            topic == DOWN and payload[3:4] in wanted and payload not in own
        )

    async def restart(self, *daemons: DaemonProcess, how: signal.Signals = signal.SIGTERM) -> None:
        """End them, and start them again at once."""
        await asyncio.gather(*(daemon.stop(how) for daemon in daemons))
        await asyncio.gather(*(daemon.start() for daemon in daemons))

    async def speak_v1(self, speaks: bool) -> None:
        """Change the configuration of issuer and lock, and start both anew."""
        for daemon in (self.issuer, self.lock):
            more = OF_VERSION_1[daemon.role] if speaks else {}
            _write(daemon.config, {**self.settings[daemon.role], **more})
        self.speaks_v1 = speaks
        await self.restart(self.issuer, self.lock)


class CannotStart(Exception):
    """The stage could not be set; the text says why, and what to do."""


@asynccontextmanager
async def cast(changes: Changes, *, is_passive: bool = False) -> AsyncIterator[Cast]:
    """The cast, nobody started yet; all of it is gone at the end. Raises CannotStart.

    The lock scans actively, or where it `is_passive`, passively.
    """
    async with AsyncExitStack() as stack:
        try:
            scenery = await stack.enter_async_context(stage())
            await scenery.make_own_keys(guests=("guest", "visitor"))
            await scenery.air.add_hosts({**HOSTS, "lock": {"experimental": is_passive}})
            between = await stack.enter_async_context(middleman(scenery.broker))
        except (RuntimeError, OSError) as error:
            raise CannotStart(str(error)) from error
        backstage = await stack.enter_async_context(AsyncExitStack())
        scan = "passive" if is_passive else "active"
        players = _cast_on(scenery, between, backstage, {"lock": {"scan": {"mode": scan}}}, changes)
        scenery.air.set_distance("issuer", "lock", FAR_METRES)
        players.stand("guest", START_METRES)
        players.stand("visitor", FAR_METRES)
        spying = asyncio.create_task(players.spy.run())
        try:
            yield players
        finally:
            spying.cancel()
            await asyncio.wait({spying})


def _cast_on(
    scenery: Stage, between: Middleman, backstage: AsyncExitStack, *changes: Changes
) -> Cast:
    settings = {role: dict(scenery.settings(role)) for role in OWN_SETTINGS}
    for each in (OWN_SETTINGS, *changes):
        for role, more in each.items():
            settings[role].update(more)
    settings["lock"]["mqtt"] = {"host": between.host, "port": between.port}
    hosts, directory = scenery.air.hosts, scenery.directory
    daemons = {role: scenery.daemon(role, hosts[role], settings[role]) for role in settings}
    machines = {role: Machine(role, role, daemon.config) for role, daemon in daemons.items()}
    for name, more in (("visitor", {}), ("old_phone", OF_VERSION_1["guest"])):
        machines[name] = Machine("guest", "visitor", directory / f"{name}.yaml")
        keys = {"keys_directory": str(scenery.keys(name))}
        _write(machines[name].config, {**settings["guest"], **keys, **more})
    return Cast(
        scenery,
        issuer=daemons["issuer"],
        lock=daemons["lock"],
        guest=daemons["guest"],
        machines=machines,
        recorder=AirRecorder(scenery.air),
        spy=BrokerSpy(scenery.broker),
        middleman=between,
        backstage=backstage,
        settings=settings,
    )


def _write(config: Path, settings: Settings) -> None:
    config.write_text(yaml.safe_dump(dict(settings), sort_keys=False))
