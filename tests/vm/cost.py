"""What the daemons of the house cost, each started alone: for the README's table."""

from __future__ import annotations

import asyncio
import resource
import sys
from typing import Final

from tests.vm.daemons import figures, restart, shown
from tests.vm.machine import Machine
from tests.vm.steps import Steps
from tests.vm.town import ON_THE_HOUSE, Town

_REST_SECONDS: Final = 15.0
_MOST_PERCENT_AT_REST: Final = 1.0
_WORK: Final = "import asyncio, json, ssl"
_TIMES: Final = 5


async def is_taken(town: Town, steps: Steps) -> None:
    """Time to READY, memory and computing time at rest. The machine's processor is emulated, so
    what it computes is compared with what the same work takes on the one that emulates it.
    """
    house = town.house
    for role in ON_THE_HOUSE:
        async with steps(f"blelock-{role} is started alone and left alone", seconds=240):
            await restart(house, role)
            told = await figures(house, role)
            await asyncio.sleep(3)  # what READY set off is done
            slower = await _slower(house)
            before_ns = int(await shown(house, role, "CPUUsageNSec"))
            await asyncio.sleep(_REST_SECONDS)
            used_ns = int(await shown(house, role, "CPUUsageNSec")) - before_ns
            slower = (slower + await _slower(house)) / 2
            percent = used_ns / _REST_SECONDS / 1e7 / slower
            assert percent < _MOST_PERCENT_AT_REST, f"{percent:.2f} % at rest"
        steps.figures(role, f"{told}; at rest {percent:.2f} % of a processor that is not emulated")
        steps.note(f"the emulated one takes {slower:.0f} times as long")


async def _slower(machine: Machine) -> float:
    """How many times the computing time it needs for the same work."""
    each = f"python3 -I -c {_WORK!r}"
    loop = f"TIMEFORMAT='%U %S'; time for i in $(seq {_TIMES}); do {each}; done"
    there = sum(map(float, (await machine.run(loop, seconds=90)).split()))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(_TIMES):
        process = await asyncio.create_subprocess_exec(sys.executable, "-I", "-c", _WORK)
        await process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    here = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return there / here
