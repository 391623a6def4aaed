"""Plays the scenarios on real machines: `python -m tests.vm --image DIR RELEASE [SCENARIO...]`.

Run by build-aux/vm-test, which makes the image and brings bumble. A failure leaves the journals.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from tests.vm import (
    ailments,
    autopkgtests,
    cost,
    doors,
    kit,
    opening,
    outages,
    power,
    scans,
    setting_up,
    upkeep,
)
from tests.vm.machine import CommandFailed, Image
from tests.vm.steps import StepFailed, Steps
from tests.vm.town import Town, save_journals, town

Scenario = Callable[[Town, Steps], Awaitable[None]]

SCENARIOS: Final[dict[str, Scenario]] = {
    "phone": opening.phones_open,
    "guest": opening.guest_opens,
    "bluetoothd": outages.bluetoothd_dies,
    "adapter": outages.adapters_are_pulled_out,
    "watchdog": outages.daemons_hang,
    "doctor": ailments.are_named,
    "reload": upkeep.reloads,
    "scan": scans.are_tried,
    "cost": cost.is_taken,
    "broker-config": kit.is_taken,
    "doors": doors.are_two,
    "reboot": upkeep.reboots,
    "power": power.is_cut,
    "upgrade": upkeep.upgrades,
    "version-1": opening.version_1,
    "purge": upkeep.purges,
    "autopkgtest": autopkgtests.are_run,
}
"""In the order in which they are played; a later one may need what an earlier one left."""

MOST_FAILURES: Final = 2
_STOPPED: Final = 128 + signal.SIGTERM


async def set_up(there: Town, steps: Steps, names: list[str]) -> None:
    """The house runs; the guest's machine is ready where it is needed."""
    async with asyncio.TaskGroup() as group:
        group.create_task(setting_up.house(there, steps))
        if "guest" in names:
            group.create_task(setting_up.guest(there, steps))


async def play(there: Town, steps: Steps, names: list[str]) -> list[str]:
    """The scenarios, one after the other in the same machines; those that failed. After the second
    that fails the rest would tell nothing new.
    """
    failures: list[str] = []
    for name in names:
        began = time.monotonic()
        try:
            await SCENARIOS[name](there, steps)
        except (AssertionError, CommandFailed, StepFailed) as error:
            steps.note(f"{name}: {error}")
            failures.append(name)
            if len(failures) == MOST_FAILURES:
                break
        steps.note(f"--- scenario {name}: {time.monotonic() - began:.0f} s")
    return failures


async def run(arguments: argparse.Namespace) -> int:
    """Returns the exit status. SIGTERM cancels it: the machines' disks go with it."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    steps = Steps(arguments.release)
    names = [each for each in SCENARIOS if each in arguments.scenarios or not arguments.scenarios]
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="blelock-vm-") as scratch:
        image = Image(arguments.image)
        async with town(image, Path(scratch), arguments.packages) as there:
            try:
                await set_up(there, steps, names)
                failures += await play(there, steps, names)
            except* (CommandFailed, StepFailed) as group:
                failures += [str(error) for error in group.exceptions]
            if failures:
                arguments.journals.mkdir(parents=True, exist_ok=True)
                await save_journals(there, arguments.journals)
    outcome = f"FAILED: {', '.join(failures)}" if failures else f"passed: {' '.join(names)}"
    print(f"vm-test, {arguments.release}: {outcome}", flush=True)
    return 1 if failures else 0


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="tests.vm", allow_abbrev=False)
    parser.add_argument("--image", type=Path, required=True, help="what vm-image made")
    parser.add_argument("--packages", type=Path, default=Path("dist"), help="the .debs")
    parser.add_argument("--journals", type=Path, default=Path("build/vm"), help="after a failure")
    parser.add_argument("release")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    arguments = parser.parse_args()
    unknown = [each for each in arguments.scenarios if each not in SCENARIOS]
    if unknown:
        parser.error(f"there is no scenario {', '.join(unknown)}: there are {', '.join(SCENARIOS)}")
    try:
        return asyncio.run(run(arguments))
    except asyncio.CancelledError:
        return _STOPPED


if __name__ == "__main__":
    sys.exit(main())
