"""Issuer, lock and guest of version 2 as processes, introduced by the commands people type."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from blelockd.virtual import typed
from blelockd.virtual.host import Host
from blelockd.virtual.stage import LOCK_ID, DaemonProcess, Stage, Told, stage

PERSON: Final = "Ada"
NEAR_DBM, FAR_DBM = -50, -95
SLOT_SECONDS: Final = 1
REARM_SECONDS: Final = 2.0


class WholeHouse:
    """The guest begins too far from the door; its daemon is started by `come_in`."""

    def __init__(self, scenery: Stage, hosts: Mapping[str, Host], changes: Mapping[str, Any]):
        self.stage = scenery
        self.hosts = hosts
        self.issuer = self._daemon("issuer", changes)
        self.lock = self._daemon("lock", changes)
        self.guest = self._daemon("guest", changes)

    def _daemon(self, role: str, changes: Mapping[str, Any]) -> DaemonProcess:
        settings = self.stage.settings(role)
        if role == "issuer":
            settings["session"] = {"slot_seconds": SLOT_SECONDS}
        elif role == "lock":
            settings["slot_seconds"] = SLOT_SECONDS
            settings["strike"] = {"hold_seconds": 0.2, "rearm_seconds": REARM_SECONDS}
        settings.update(changes.get(role, {}))
        daemon = self.stage.daemon(role, self.hosts[role], settings)
        daemon.words = self.words(role)
        return daemon

    def words(self, role: str) -> Sequence[str]:
        """What starts that role in place of its command, if anything."""
        return ()

    def environment(self, role: str) -> Mapping[str, str]:
        """What more a daemon of that role is started with."""
        return {}

    async def open(self) -> None:
        """Introduce issuer and lock to each other, and start both."""
        await typed.introduce(self.issuer.config, self.lock.config)
        await self.issuer.start(**self.environment("issuer"))
        await self.lock.start(**self.environment("lock"))
        await self.issuer.told("lock-greeted", lock=LOCK_ID)
        await self.lock.told("link-up", part="time")

    async def enrol(self, *grant: str) -> str:
        """The guest enrols by a typed code; what the command tells."""
        code = await typed.invite(self.issuer.config, PERSON, *(grant or ("--locks", LOCK_ID)))
        return await typed.enrol(self.guest.config, self.hosts["guest"], code)

    def walk_up(self) -> None:
        """The guest stands at the door."""
        self.stage.air.set_rssi("guest", "lock", NEAR_DBM)

    def walk_away(self) -> None:
        """The guest is too far away to be let in."""
        self.stage.air.set_rssi("guest", "lock", FAR_DBM)

    async def unlocks(self, since: int = 0) -> Told:
        """The next unlock from event number `since` of the lock on."""
        return await self.lock.told("unlock", since=since)

    async def operator(self, *argv: str) -> str:
        """What `blelock-issuer ARGV` tells."""
        return await typed.type_in("issuer", *argv, "--config", self.issuer.config)


@asynccontextmanager
async def whole_house(
    changes: Mapping[str, Any] | None = None, kind: type[WholeHouse] = WholeHouse
) -> AsyncIterator[WholeHouse]:
    """Issuer and lock run and know each other; nobody has enrolled."""
    async with stage() as scenery:
        made = await scenery.air.add_hosts({role: {} for role in ("issuer", "lock", "guest")})
        house = kind(scenery, {host.name: host for host in made}, changes or {})
        house.walk_away()
        await house.open()
        yield house
