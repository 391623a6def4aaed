"""What a machine says of the daemons on it: their units, processes and parts."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.vm.machine import Machine
from tests.vm.town import ON_THE_HOUSE, Entry, cursor, event

RADIO: Final = {"issuer": "beacon", "lock": "scan"}
"""The part of each daemon that hangs on Bluetooth."""

_FIGURES: Final = (
    "show() {{ systemctl show blelock-{role} --property $1 --value; }}; "
    "show ExecMainStartTimestampMonotonic; show ActiveEnterTimestampMonotonic; "
    "awk '/^(Rss|Pss):/ {{print $2}}' /proc/$(show MainPID)/smaps_rollup; "
    "cat /sys/fs/cgroup/system.slice/blelock-{role}.service/memory.{{peak,max}}"
)


async def shown(machine: Machine, role: str, name: str) -> str:
    """A property of the role's unit."""
    told = await machine.run(f"systemctl show blelock-{role} --property {name} --value")
    return told.strip()


async def version(machine: Machine, role: str) -> str:
    """The version of the role's package."""
    return await machine.run(f"dpkg-query --show --showformat '${{Version}}' blelock-{role}")


async def fingerprints(machine: Machine, *roles: str) -> str:
    """Those of the roles' own keys."""
    commands = [f"blelock-{role} show-key --fingerprint" for role in roles]
    return await machine.run(" && ".join(commands), seconds=60)


async def on_the_air(machine: Machine, after: str, *, first: bool, seconds: float = 60) -> None:
    """Return when issuer and lock have told that their radio is up: for the first time since
    their start, or again.
    """
    kind = "link-up" if first else "link-regained"
    await _both(machine, kind, after, seconds)


async def off_the_air(machine: Machine, after: str, *, seconds: float = 60) -> list[str]:
    """Return when issuer and lock have told that their radio is lost, with the causes."""
    return [entry["MESSAGE"] for entry in await _both(machine, "link-lost", after, seconds)]


async def _both(machine: Machine, kind: str, after: str, seconds: float) -> list[Entry]:
    return await asyncio.gather(
        *(
            event(machine, role, kind, after, seconds=seconds, part=RADIO[role])
            for role in ON_THE_HOUSE
        )
    )


async def figures(machine: Machine, role: str) -> str:
    """How long the daemon took to READY when it was last started, and its memory now."""
    told = (await machine.run(_FIGURES.format(role=role))).split()
    began_us, ready_us, rss_kib, pss_kib, peak, most = map(int, told)
    return (
        f"READY after {(ready_us - began_us) / 1e6:.1f} s, RSS {rss_kib / 1024:.1f} MiB,"
        f" PSS {pss_kib / 1024:.1f} MiB, at most {peak / 2**20:.1f} of {most / 2**20:.0f} MiB"
    )


async def restart(machine: Machine, role: str) -> None:
    """In order; returns when it is READY."""
    before = await cursor(machine)
    await machine.run(f"systemctl restart blelock-{role}", seconds=60)
    if role in RADIO:
        await event(machine, role, "link-up", before, part=RADIO[role])
