"""`python -m tests.bench`: run the benches that were asked for, show and keep what they found."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from tests.bench import report
from tests.bench.figures import Effort, Findings, Tell

Measure = Callable[[Effort, Tell], Awaitable[Findings]]

EXIT_OK: Final = 0
EXIT_MISSED: Final = 1


@dataclass(frozen=True, slots=True)
class Bench:
    """One bench by name; its module is loaded when it runs, so that none burdens another."""

    name: str
    title: str
    minutes: str
    room: str = "tests.bench"

    def measure(self) -> Measure:
        """What runs it."""
        measure: Measure = importlib.import_module(f"{self.room}.{self.name}").measure
        return measure


BENCHES: Final = (
    Bench("adverts", "what an advert costs, by live sessions, beside the seed's way", "1 min"),
    Bench("loop", "slot rolls, and the longest block of the event loop", "1 min"),
    Bench("issuing", "how long a guest waits for its session, beside the seed's way", "1 min"),
    Bench("sessions", "from request to strike, and sessions at the lock, by v2 and v1", "1 min"),
    Bench(
        "air", "adverts through bleak and the whole lock, and how fast they are decided", "2 min"
    ),
    Bench("daemons", "what each daemon costs when nothing happens", "2 min"),
)

_EPILOG: Final = """\
examples:
  make bench                                  everything, shown as tables
  make bench ARGS='--only adverts'            one bench
  make bench ARGS='--quick --json out.json'   rough figures, and a file for programs
  make bench ARGS='--strict'                  exit status 1 when a target is missed

Ratios are of one run on one machine and travel well; times do not. Other work on the machine
spoils the times: the load is part of what is shown. docs/bench.md says what each figure means,
and what it does not: the air is a virtual one, and no radio is measured.
"""


def parser() -> argparse.ArgumentParser:
    """What `make bench` understands."""
    made = argparse.ArgumentParser(
        prog="make bench",
        allow_abbrev=False,
        usage="make bench ARGS='[--only NAME]... [--quick] [--json FILE] [--strict]'",
        description="Measure what an advert, a session and an idle daemon cost.\n\nbenches:\n"
        + "\n".join(f"  {b.name:<9} {b.title} ({b.minutes})" for b in BENCHES),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--only",
        action="append",
        choices=[bench.name for bench in BENCHES],
        metavar="NAME",
        help="run this bench alone; may be given several times",
    )
    made.add_argument("--quick", action="store_true", help="seconds instead of minutes, but rough")
    made.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE, too")
    made.add_argument("--strict", action="store_true", help="fail when a target is missed")
    return made


@contextmanager
def telling(title: str) -> Iterator[Tell]:
    """Progress on standard error: one changing line at a terminal, else a line for each bench."""
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(f"{title} ...", highlight=False)
        yield lambda _: None
        return
    with console.status(title) as status:
        yield lambda text: status.update(f"{title}: {text}")


def run(chosen: Sequence[Bench], effort: Effort) -> dict[str, Any]:
    """Run the benches one after the other, show each at once; the whole as JSON."""
    output = report.console()
    facts = report.surroundings(effort)
    report.show_surroundings(output, facts)
    found: dict[str, Any] = {}
    for bench in chosen:
        with telling(bench.title) as tell:
            findings = asyncio.run(_measured(bench, effort, tell))
        report.show(output, bench.title, findings)
        found[bench.name] = report.as_json(findings)
    return {"surroundings": facts, "benches": found}


async def _measured(bench: Bench, effort: Effort, tell: Tell) -> Findings:
    return await bench.measure()(effort, tell)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what `argv` asks for; returns the exit status."""
    arguments = parser().parse_args(argv)
    chosen = [b for b in BENCHES if not arguments.only or b.name in arguments.only]
    document = run(chosen, Effort(arguments.quick))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return EXIT_MISSED if missed(document) and arguments.strict else EXIT_OK


def missed(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The targets that `run` has found missed."""
    benches = document["benches"].values()
    return [target for bench in benches for target in bench["targets"] if not target["met"]]


if __name__ == "__main__":
    sys.exit(main())
