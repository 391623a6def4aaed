"""`python -m tests.attack.mutation`: take out each check, and name those that no test misses."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.attack.mutation.equivalent import REASONS
from tests.attack.mutation.mutants import Mutant, mutants_of
from tests.attack.mutation.trial import results
from tests.checkout import ROOT

LOG: Final = ROOT / "build" / "mutation.log"
_ATTACKS: Final = ("tests/attack/test_damage.py", "tests/attack/test_replay.py")
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "blelockd/protocol": ("tests/protocol", *_ATTACKS),
    "blelockd/services/issuer/enrolling.py": ("tests/services/issuer/test_enrolling.py",),
    "blelockd/services/issuer/granting.py": (
        "tests/services/issuer/test_displacing.py",
        "tests/services/issuer/test_granting.py",
        "tests/services/issuer/test_reception_limits.py",
        "tests/services/issuer/test_safekeeping.py",
        "tests/services/issuer/test_uses.py",
    ),
    "blelockd/services/issuer/reception.py": (
        "tests/services/issuer/test_reception.py",
        "tests/services/issuer/test_reception_limits.py",
        "tests/services/issuer/test_enrolling.py",
    ),
    "blelockd/services/lock/correspondence.py": (
        "tests/services/lock/test_correspondence.py",
        "tests/services/lock/test_event_log.py",
        "tests/services/lock/test_holdings.py",
        "tests/services/lock/test_limited_uses.py",
        "tests/services/lock/test_rivalry.py",
    ),
    "blelockd/services/lock/holdings.py": (
        "tests/services/lock/test_holdings.py",
        "tests/services/lock/test_holdings_told.py",
        "tests/services/lock/test_limited_uses.py",
    ),
    "blelockd/services/lock/intake.py": (
        "tests/services/lock/test_intake.py",
        "tests/services/lock/test_intake_limits.py",
    ),
}
"""Where the numbered checks of docs/protocol.md are made, and the tests that must miss each."""

_EPILOG: Final = """\
examples:
  make mutate                                           every check: some minutes
  make mutate ARGS='blelockd/protocol/v2/gate.py'       those of one file
  make mutate ARGS='--list blelockd/protocol/v2/up.py'  what would be taken out

Exit status 1 when a check could be taken out and no test failed.
"""


def parser() -> argparse.ArgumentParser:
    """What `make mutate` understands."""
    made = argparse.ArgumentParser(
        prog="make mutate",
        allow_abbrev=False,
        usage="make mutate ARGS='[--list] [--hasty] [FILE]...'",
        description="Take out every check of the protocol, one at a time: a test must fail.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--list", action="store_true", help="only name the mutants")
    made.add_argument(
        "--hasty",
        action="store_true",
        help="only the quickest tests of each line: names more survivors than there are",
    )
    made.add_argument("files", nargs="*", metavar="FILE", help="files or directories")
    return made


def chosen_mutants(paths: Sequence[str]) -> Iterator[Mutant]:
    """The mutants of those files and directories, in their order."""
    for path in paths:
        whole = ROOT / path
        for file in sorted(whole.rglob("*.py")) if whole.is_dir() else [whole]:
            name = str(file.relative_to(ROOT))
            module = importlib.import_module(name.removesuffix(".py").replace("/", "."))
            yield from mutants_of(name, file.read_text(encoding="utf-8"), vars(module))


def group_of(file: str) -> str:
    """Which of GROUPS that file belongs to."""
    return next(source for source in GROUPS if file.startswith(source))


def tried(
    mutants: Sequence[Mutant], console: Console, *, hasty: bool
) -> tuple[list[Mutant], Counter[str]]:
    """The survivors, and how many mutants were tried of each file."""
    survivors: list[Mutant] = []
    counts = Counter[str]()
    by_tests: dict[tuple[str, ...], list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        by_tests[GROUPS[group_of(mutant.file)]].append(mutant)
    for tests, of_them in by_tests.items():
        console.print(f"{len(of_them)} mutants, tried by {', '.join(tests)} ...")
        for mutant, survives in results(ROOT, tests, of_them, LOG, hasty=hasty):
            counts[mutant.file] += 1
            if survives:
                survivors.append(mutant)
                excused = "equivalent" if mutant.name in REASONS else "SURVIVES"
                console.print(f"{excused} {mutant}", markup=False, highlight=False)
    return survivors, counts


def main(argv: Sequence[str] | None = None) -> int:
    """Run what `argv` asks for; returns the exit status."""
    arguments = parser().parse_args(argv)
    mutants = list(chosen_mutants(arguments.files or [*GROUPS]))
    console = Console(width=160)
    if arguments.list:
        for mutant in mutants:
            console.print(str(mutant), markup=False)
        return 0
    began = time.monotonic()
    survivors, counts = tried(mutants, console, hasty=arguments.hasty)
    alive = [mutant for mutant in survivors if mutant.name not in REASONS]
    table = Table("checks taken out in", "mutants", "equivalent", "survivors")
    for file, count in counts.items():
        of_file = [mutant for mutant in survivors if mutant.file == file]
        excused = sum(mutant not in alive for mutant in of_file)
        table.add_row(file, str(count), str(excused), str(len(of_file) - excused))
    totals = (counts.total(), len(survivors) - len(alive), len(alive))
    table.add_row("all", *map(str, totals), style="bold")
    console.print(table)
    console.print(f"{time.monotonic() - began:.0f} s")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
