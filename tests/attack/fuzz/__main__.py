"""`python -m tests.attack.fuzz`: fuzz every target for a while, and count the cases."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.attack.fuzz.targets import TARGETS, Target
from tests.checkout import ROOT

KEPT: Final = ROOT / "build" / "fuzz"
_DONE: Final = re.compile(r"Done (\d+) runs in (\d+) second")
_EXECUTED: Final = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_COVERAGE: Final = re.compile(r"\bcov: (\d+)")
_INPUT: Final = re.compile(r"Test unit written to (\S+)")
_SLOWEST_SECONDS: Final = 20
_SPARE_SECONDS: Final = 120
_MOST_MEGABYTES: Final = 1024

_EPILOG: Final = """\
examples:
  make fuzz                                  20 s for each target
  make fuzz SECONDS=600                      10 min for each
  make fuzz ARGS='--only "key files"'        one of them
  make fuzz ARGS='--replay cards FILE'       one input again, with the traceback

Exit status 1 when anything but a documented error came out; the input is kept below build/fuzz/.
What was found interesting is kept there, too, and the next run begins with it.
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What came of one target. `crash` is the input that did it, or what else went wrong."""

    cases: int
    coverage: int
    crash: str


def parser() -> argparse.ArgumentParser:
    """What `make fuzz` understands."""
    made = argparse.ArgumentParser(
        prog="make fuzz",
        allow_abbrev=False,
        usage="make fuzz [SECONDS=20] ARGS='[--only NAME]... | --replay NAME FILE'",
        description="Feed all that parses hostile bytes with bytes that a fuzzer makes up.\n\n"
        "targets:\n" + "\n".join(f"  {target.name:<18} {target.what}" for target in TARGETS),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [target.name for target in TARGETS]
    made.add_argument("--seconds", type=int, default=20, metavar="N", help="for each target")
    made.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help="fuzz this target alone"
    )
    made.add_argument("--replay", nargs=2, metavar=("NAME", "FILE"), help="one input again")
    return made


def fuzzed(target: Target, seconds: int) -> Found:
    """Run libFuzzer on it for so long."""
    directory = KEPT / target.name.replace(" ", "-").replace("'", "")
    corpus, seeds = directory / "corpus", directory / "seeds"
    for made in (corpus, seeds):
        made.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (seeds / f"{number:03}").write_bytes(seed)
    options = (
        f"-max_total_time={seconds}",
        f"-max_len={target.longest}",
        f"-timeout={_SLOWEST_SECONDS}",
        f"-rss_limit_mb={_MOST_MEGABYTES}",
        f"-artifact_prefix={directory}/",
        "-print_final_stats=1",
    )
    command = [sys.executable, "-m", "tests.attack.fuzz.one", target.name, *options]
    log = directory / "log"
    with log.open("wb") as told:
        done = subprocess.run(
            [*command, str(corpus), str(seeds)],
            cwd=ROOT,
            stdout=told,
            stderr=subprocess.STDOUT,
            timeout=seconds + _SPARE_SECONDS,
            check=False,
        )
    return _found(log.read_text(errors="replace"), done.returncode, log)


def _found(told: str, status: int, log: Path) -> Found:
    executed = _DONE.search(told) or _EXECUTED.search(told)
    coverage = _COVERAGE.findall(told)
    crash = _INPUT.search(told)
    reason = crash[1] if crash else f"exit status {status}: see {log}" if status else ""
    return Found(int(executed[1]) if executed else 0, int(coverage[-1]) if coverage else 0, reason)


def replay(name: str, file: str) -> int:
    """Give one input to a target; what it raises comes out."""
    target = next((target for target in TARGETS if target.name == name), None)
    if target is None:
        print(f"there is no target {name!r}; see --help", file=sys.stderr)
        return 2
    took = target.take(Path(file).read_bytes())
    print("taken" if took else "refused, as documented")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Do what `argv` asks for; returns the exit status."""
    arguments = parser().parse_args(argv)
    if arguments.replay:
        return replay(*arguments.replay)
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: run `make fuzz`, which installs it", file=sys.stderr)
        return 2
    table = Table("target", "what", "cases", "coverage", "undocumented errors")
    for column in table.columns[2:]:
        column.justify = "right"
    cases, crashes = 0, []
    progress = Console(stderr=True)
    for target in TARGETS:
        if arguments.only and target.name not in arguments.only:
            continue
        progress.print(f"{target.name} for {arguments.seconds} s ...", highlight=False)
        found = fuzzed(target, arguments.seconds)
        cases += found.cases
        if found.crash or not found.cases:
            crashes.append((target.name, found.crash or "no case was tried"))
        numbers = f"{found.cases:,}", f"{found.coverage:,}"
        table.add_row(target.name, target.what, *numbers, "1" if found.crash else "0")
    table.add_section()
    table.add_row("all", "", f"{cases:,}", "", str(len(crashes)))
    Console().print(table)
    for name, crash in crashes:
        there = os.path.relpath(crash) if os.path.isabs(crash) else crash
        print(f"{name}: {there}\n  again: make fuzz ARGS='--replay \"{name}\" {there}'")
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
