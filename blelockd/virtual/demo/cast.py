"""Who plays: an issuer in an office, a lock at a door, a guest's phone, a visitor's, an attacker.

Each of the four has a host of its own on the air; the daemons are the real ones, through their
own commands. What the demo needs of its configuration is said here, and nowhere else.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from blelockd.virtual.demo.eavesdroppers import AirRecorder, BrokerSpy
from blelockd.virtual.propagation import rssi_at
from blelockd.virtual.stage import DaemonProcess, Settings, Stage, stage

SLOT_SECONDS: Final = 2
HOLD_SECONDS: Final = 1.0
REARM_SECONDS: Final = 4.0
THRESHOLD_DBM: Final = -60
LIFETIME_SECONDS: Final = 300
SHORT_LIFETIME_SECONDS: Final = 10

FAR_METRES: Final = 300.0
START_METRES: Final = 20.0

Changes = Mapping[str, Settings]
"""What shall be different in a role's configuration."""

OWN_SETTINGS: Final[Changes] = {
    "issuer": {"session": {"lifetime_seconds": LIFETIME_SECONDS}},
    "lock": {
        "slot_seconds": SLOT_SECONDS,
        "rssi_threshold_dbm": THRESHOLD_DBM,
        "strike": {"hold_seconds": HOLD_SECONDS, "rearm_seconds": REARM_SECONDS},
    },
    "guest": {"slot_seconds": SLOT_SECONDS},
}
Hosts = Mapping[str, Mapping[str, Any]]

# Only with bluetoothd --experimental may an advert choose its interval, and a lock scan passively.
HOSTS: Final[Hosts] = {
    "issuer": {"experimental": True},
    "lock": {},
    "guest": {"experimental": True},
    "visitor": {"experimental": True},
}


@dataclass(slots=True)
class Cast:
    """Everybody, on a stage that is set. Made by `cast()`."""

    stage: Stage
    issuer: DaemonProcess
    lock: DaemonProcess
    guest: DaemonProcess
    visitor: Path
    """The visitor's configuration."""
    recorder: AirRecorder
    spy: BrokerSpy
    settings: dict[str, dict[str, Any]]

    @property
    def daemons(self) -> tuple[DaemonProcess, ...]:
        """The three."""
        return self.issuer, self.lock, self.guest

    def address(self, host: str) -> str:
        """The Bluetooth address of that host."""
        return self.stage.air.hosts[host].address()

    def stand(self, who: str, metres: float) -> int:
        """Put a phone at that distance from the door; returns how it is heard there, in dBm."""
        self.stage.air.set_distance(who, "lock", metres)
        return round(rssi_at(metres))

    def let_sessions_last(self, seconds: int) -> None:
        """Change the issuer's configuration, and have it read again."""
        settings = self.settings["issuer"]
        settings["session"] = {"lifetime_seconds": seconds}
        self.issuer.config.write_text(yaml.safe_dump(settings, sort_keys=False))
        self.issuer.signal(signal.SIGHUP)


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
            await scenery.make_keys(guests=("guest", "visitor"))
            await scenery.air.add_hosts({**HOSTS, "lock": {"experimental": is_passive}})
        except (RuntimeError, OSError) as error:
            raise CannotStart(str(error)) from error
        players = _cast_on(scenery, changes)
        scenery.air.set_distance("issuer", "lock", FAR_METRES)
        players.stand("guest", START_METRES)
        players.stand("visitor", FAR_METRES)
        spying = asyncio.create_task(players.spy.run())
        try:
            yield players
        finally:
            spying.cancel()
            await asyncio.wait({spying})


def _cast_on(scenery: Stage, changes: Changes) -> Cast:
    settings = {
        role: {**scenery.settings(role), **own, **changes.get(role, {})}
        for role, own in OWN_SETTINGS.items()
    }
    hosts = scenery.air.hosts
    daemons = {role: scenery.daemon(role, hosts[role], settings[role]) for role in settings}
    visitor = scenery.directory / "visitor.yaml"
    own_keys = {"keys_directory": str(scenery.keys("visitor"))}
    visitor.write_text(yaml.safe_dump({**settings["guest"], **own_keys}, sort_keys=False))
    recorder, spy = AirRecorder(scenery.air), BrokerSpy(scenery.broker)
    return Cast(scenery, **daemons, visitor=visitor, recorder=recorder, spy=spy, settings=settings)
