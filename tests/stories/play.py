"""Three daemons on three hosts, and what can happen to them. Every wait is bounded."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from blelockd.virtual.host import Host
from blelockd.virtual.stage import DaemonProcess, Stage, Told, stage
from tests.fakes.waiting import until

NEAR_DBM: Final = -50
FAR_DBM: Final = -95
SLOT_SECONDS: Final = 2
REARM_SECONDS: Final = 4
REVIVE_SECONDS: Final = 2.0
"""What RestartSec= says in our units: a killed process is back after this long."""

_LATE_SECONDS: Final = 2.0
"""How late the lock may hear the last advert from nearby, where the machine is busy."""

Changes = Mapping[str, Mapping[str, Any]]


class Play:
    """A running system with one lock and one guest, who begins near the door."""

    def __init__(self, scenery: Stage, hosts: Mapping[str, Host], changes: Changes) -> None:
        self.stage = scenery
        self.air = scenery.air
        self.broker = scenery.broker
        self.hosts = hosts
        self.issuer = self._daemon("issuer", changes)
        self.lock = self._daemon("lock", changes)
        self.guest = self._daemon("guest", changes)

    def _daemon(self, role: str, changes: Changes) -> DaemonProcess:
        settings = self.stage.settings(role, compat_v1=True)
        if role != "issuer":
            settings["slot_seconds"] = SLOT_SECONDS
        if role == "lock":
            settings["strike"] = {"hold_seconds": 0.5, "rearm_seconds": REARM_SECONDS}
        settings.update(changes.get(role, {}))
        return self.stage.daemon(role, self.hosts[role], settings)

    async def begin(self) -> None:
        """Start all three."""
        for daemon in (self.issuer, self.lock, self.guest):
            await daemon.start()

    def walk_away(self) -> None:
        """The guest is too far away to be let in."""
        self.air.set_rssi("guest", "lock", FAR_DBM)

    def walk_up(self) -> None:
        """The guest stands at the door."""
        self.air.set_rssi("guest", "lock", NEAR_DBM)

    def unlocks(self) -> list[Told]:
        """Every unlock so far."""
        return [event for event in self.lock.events if event.kind == "unlock"]

    async def opens(self, timeout_seconds: float = 15.0, *, since: int = 0) -> Told:
        """The next unlock from event number `since` of the lock on."""
        return await self.lock.told("unlock", timeout_seconds, since=since)

    async def stays_shut(self, seconds: float) -> None:
        """Fails if the door opens within `seconds`."""
        before = len(self.unlocks())
        await asyncio.sleep(seconds)
        assert len(self.unlocks()) == before, self.unlocks()[before:]

    async def leave_and_return(self, timeout_seconds: float = 15.0) -> Told:
        """The guest goes away for long enough, comes back, and the door opens."""
        self.walk_away()
        await self.stays_shut(REARM_SECONDS + _LATE_SECONDS)
        since = len(self.lock.events)
        self.walk_up()
        return await self.opens(timeout_seconds, since=since)

    async def reload_refused(self, daemon: DaemonProcess) -> Told:
        """SIGHUP; returns the refusal that must follow."""
        since = len(daemon.events)
        daemon.signal(signal.SIGHUP)
        return await daemon.told("reload-refused", since=since)

    async def kill(self, daemon: DaemonProcess) -> None:
        """kill -9, and a new start as systemd would make it."""
        await daemon.stop(signal.SIGKILL)
        await asyncio.sleep(REVIVE_SECONDS)
        await daemon.start()

    async def kill_broker(self) -> None:
        """kill -9 of mosquitto, and a new start."""
        self.broker.kill()
        await asyncio.sleep(REVIVE_SECONDS)
        await asyncio.to_thread(self.broker.start)

    async def kill_bluetoothd(self, host: str) -> None:
        """kill -9 of a host's bluetoothd, and a new start."""
        await self.hosts[host].kill_bluetoothd()
        await asyncio.sleep(REVIVE_SECONDS)
        await self.hosts[host].start_bluetoothd()

    async def everything_up(self) -> None:
        """Return once every part of every daemon has last said that it is up."""
        daemons = (self.issuer, self.lock, self.guest)
        await until(lambda: not any(_parts_down(daemon) for daemon in daemons))

    def last_words(self) -> str:
        """What is down, and what each daemon told last: for the message of a test that fails."""
        daemons = {"issuer": self.issuer, "lock": self.lock, "guest": self.guest}
        return "\n".join(
            f"{role}: down {sorted(_parts_down(daemon))}, told {daemon.events[-8:]}"
            for role, daemon in daemons.items()
        )

    def check_every_unlock_was_earned(self) -> None:
        """Each unlock is of a session that this issuer issued, and no token opened twice."""
        issued = {e.fields["session"] for e in self.issuer.events if e.kind == "session-issued"}
        opened = [(e.fields["session"], e.fields["slot"]) for e in self.unlocks()]
        assert {session for session, _ in opened} <= issued
        assert len(set(opened)) == len(opened)


def _parts_down(daemon: DaemonProcess) -> set[str]:
    """The parts whose last word was that they are down; `daemon` while it does not run."""
    if daemon.returncode is not None:
        return {"daemon"}
    last = {e.fields["part"]: e.kind for e in daemon.events if e.kind.startswith("link-")}
    return {part for part, kind in last.items() if kind == "link-lost"}


@asynccontextmanager
async def playing(
    changes: Changes | None = None, hosts: Mapping[str, Mapping[str, Any]] | None = None
) -> AsyncIterator[Play]:
    """A play that has begun; `changes` are settings by role, `hosts` the words of add_host."""
    async with stage() as scenery:
        await scenery.make_keys()
        words = {role: (hosts or {}).get(role, {}) for role in ("issuer", "lock", "guest")}
        made = await scenery.air.add_hosts(words)
        play = Play(scenery, {host.name: host for host in made}, changes or {})
        play.walk_up()
        await play.begin()
        yield play
        play.check_every_unlock_was_earned()
