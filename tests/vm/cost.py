"""What the daemons of the house cost, each started alone: for the README's table."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.vm.daemons import ON_THE_HOUSE, figures, restart, shown
from tests.vm.steps import Steps
from tests.vm.town import Town

_REST_SECONDS: Final = 10.0


async def is_taken(town: Town, steps: Steps) -> None:
    """Time to READY, memory at rest, computing time at rest. Times are an emulated machine's, so
    the time that Python needs for nothing is told beside them.
    """
    house = town.house
    empty = "time for i in 1 2 3 4 5; do python3 -I -c pass; done"
    took = await house.run(f"TIMEFORMAT=%R; {empty}")
    steps.note(f"python3 -c pass takes {float(took) / 5:.2f} s")
    for role in ON_THE_HOUSE:
        async with steps(f"blelock-{role} is started alone and left alone", seconds=120):
            await restart(house, role)
            await asyncio.sleep(3)  # what READY set off is done
            before_ns = int(await shown(house, role, "CPUUsageNSec"))
            await asyncio.sleep(_REST_SECONDS)
            used_ns = int(await shown(house, role, "CPUUsageNSec")) - before_ns
        idle = f"{used_ns / _REST_SECONDS / 1e7:.1f} % of one emulated processor at rest"
        steps.figures(role, f"{await figures(house, role)}, {idle}")
