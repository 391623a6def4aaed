"""What each daemon costs when nothing happens: start-up time, memory, computing time, wake-ups.

Through the real commands, on a virtual air and a real mosquitto, each alone on its host. The
issuer knows its lock, the lock has the issuer's time, the guest a session whose token it rolls.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from blelockd.virtual import typed
from blelockd.virtual.host import Host
from blelockd.virtual.stage import LOCK_ID, DaemonProcess, Stage, stage
from tests.bench import proc
from tests.bench.figures import Cell, Column, Effort, Findings, Table, Tell
from tests.bench.timing import MILLI

_READY_SECONDS: Final = 30.0

_COLUMNS: Final = (
    Column("daemon", "daemon"),
    Column("started_ms", "first word", "ms"),
    Column("ready_ms", "READY", "ms"),
    Column("rss_mib", "RSS", "MiB"),
    Column("pss_mib", "PSS", "MiB"),
    Column("cpu_percent", "CPU at rest", "%"),
    Column("wake_ups_per_second", "wake-ups", "1/s"),
)
_NOTES: Final = (
    "READY: every part has said whether it is up; the median of the starts. The guest's includes "
    "finding the issuer and a session, the lock's a greeting and the issuer's time.",
    "PSS splits a page among all that use it: here the bench and the virtual air do, too.",
)


@dataclass(slots=True)
class _Costs:
    started: list[float] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    memory: proc.Memory = field(default_factory=lambda: proc.Memory(0, 0))
    cpu_percent: float = 0.0
    wake_ups: float = 0.0

    def row(self, name: str) -> tuple[Cell, ...]:
        """One line of the table."""
        return (
            name,
            statistics.median(self.started) * MILLI,
            statistics.median(self.ready) * MILLI,
            self.memory.rss_mib,
            self.memory.pss_mib,
            self.cpu_percent,
            self.wake_ups,
        )


async def measure(effort: Effort, tell: Tell) -> Findings:
    """See the module."""
    starts, rest_seconds = effort.pick(5, 1), effort.pick(10.0, 1.0)
    settle_seconds = effort.pick(3.0, 0.5)
    rows = []
    async with stage() as scenery:
        hosts = await scenery.air.add_hosts({"issuer": {}, "lock": _EXPERIMENTAL, "guest": {}})
        by_name = {host.name: host for host in hosts}
        tell("keys and cards")
        issuer, lock, guest = (scenery.daemon(name, host).config for name, host in by_name.items())
        await typed.introduce(issuer, lock)

        async def row(role: str, settled: _Settled = _at_once) -> DaemonProcess:
            tell(f"{role}: {starts} starts")
            costs, daemon = await _starts(scenery, role, by_name[role], starts)
            await settled(daemon)
            await asyncio.sleep(settle_seconds)
            tell(f"{role}: {rest_seconds:.0f} s at rest")
            await _rest(costs, daemon.pid, rest_seconds)
            rows.append(costs.row(f"blelock-{role}"))
            return daemon

        await row("issuer")
        await row("lock", _with_time)
        tell("a guest enrols")
        code = await typed.invite(issuer, "Ada", "--locks", LOCK_ID)
        await typed.enrol(guest, by_name["guest"], code)
        await row("guest", _with_session)
    return Findings((Table("daemons", "a daemon at rest", _COLUMNS, tuple(rows)),), (), _NOTES)


_EXPERIMENTAL: Final = {"experimental": True}
_Settled = Callable[[DaemonProcess], Awaitable[object]]


async def _at_once(_daemon: DaemonProcess) -> None:
    return


async def _with_time(daemon: DaemonProcess) -> None:
    await daemon.told("link-up", _READY_SECONDS, part="time")


async def _with_session(daemon: DaemonProcess) -> None:
    await daemon.told("session-obtained", _READY_SECONDS)


async def _starts(
    scenery: Stage, role: str, host: Host, count: int
) -> tuple[_Costs, DaemonProcess]:
    """Start it `count` times; the last one goes on running."""
    costs = _Costs()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as notified:
        path = scenery.directory / f"{role}.notify"
        notified.bind(str(path))
        for left in reversed(range(count)):
            daemon = scenery.daemon(role, host)
            begun = loop.time()
            await daemon.start(NOTIFY_SOCKET=str(path))
            async with asyncio.timeout(_READY_SECONDS):
                while b"READY=1" not in await loop.sock_recv(notified, 4096):
                    pass
            costs.ready.append(loop.time() - begun)
            costs.started.append((await daemon.told("started")).at - begun)
            if left:
                await daemon.stop()
        path.unlink()
    return costs, daemon


async def _rest(costs: _Costs, pid: int, seconds: float) -> None:
    """Leave it alone, and see what it does."""
    loop = asyncio.get_running_loop()
    begun, cpu, woken = loop.time(), proc.cpu_seconds(pid), proc.wake_ups(pid)
    await asyncio.sleep(seconds)
    took = loop.time() - begun
    costs.cpu_percent = (proc.cpu_seconds(pid) - cpu) / took * 100
    costs.wake_ups = (proc.wake_ups(pid) - woken) / took
    costs.memory = proc.memory(pid)
