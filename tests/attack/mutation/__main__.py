"""`python -m tests.attack.mutation`: take out each check, and name those that no test misses."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import hypothesis  # noqa: F401 - in memory before the mutants' processes are forked
import pytest  # noqa: F401
from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: F401
from rich.console import Console
from rich.table import Table

from tests.attack.mutation.coverage_of import RunsOf
from tests.attack.mutation.equivalent import REASONS
from tests.attack.mutation.mutants import Mutant, mutants_of
from tests.attack.mutation.trial import survives

ROOT: Final = Path(__file__).resolve().parents[3]
PACKAGE: Final = "blelockd"
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "blelockd/protocol": ("tests/protocol", "tests/attack"),
    "blelockd/services/issuer/enrolling.py": ("tests/services/issuer",),
    "blelockd/services/issuer/granting.py": ("tests/services/issuer",),
    "blelockd/services/issuer/reception.py": ("tests/services/issuer",),
    "blelockd/services/lock/correspondence.py": ("tests/services/lock", "tests/attack"),
    "blelockd/services/lock/holdings.py": ("tests/services/lock", "tests/attack"),
    "blelockd/services/lock/intake.py": ("tests/services/lock",),
}
"""Where the numbered checks of docs/protocol.md are made, and the tests that must miss each."""

_EPILOG: Final = """\
examples:
  make mutate                                           every check: half an hour
  make mutate ARGS='blelockd/protocol/v2/gate.py'       those of one file
  make mutate ARGS='--list blelockd/protocol/v2/up.py'  what would be taken out

Exit status 1 when a check could be taken out and no test failed.
"""


def parser() -> argparse.ArgumentParser:
    """What `make mutate` understands."""
    made = argparse.ArgumentParser(
        prog="make mutate",
        usage="make mutate ARGS='[--list] [FILE]...'",
        description="Take out every check of the protocol, one at a time: a test must fail.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--list", action="store_true", help="only name the mutants")
    made.add_argument("files", nargs="*", metavar="FILE", help="files or directories")
    return made


def chosen_mutants(paths: Sequence[str]) -> Iterator[Mutant]:
    """The mutants of those files and directories, in their order."""
    for path in paths:
        whole = ROOT / path
        for file in sorted(whole.rglob("*.py")) if whole.is_dir() else [whole]:
            yield from mutants_of(str(file.relative_to(ROOT)), file.read_text(encoding="utf-8"))


@contextmanager
def a_copy() -> Iterator[Path]:
    """The project in a directory of its own: nothing here is changed."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    with tempfile.TemporaryDirectory(prefix="blelock-mutants-") as directory:
        for name in filter(None, told.split("\0")):
            target = Path(directory, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_file():
                shutil.copy2(ROOT / name, target)
        yield Path(directory)


def tests_of(file: str) -> tuple[str, ...]:
    """Where the tests of that file are."""
    return next(tests for source, tests in GROUPS.items() if file.startswith(source))


def tried(mutants: Sequence[Mutant], console: Console) -> tuple[list[Mutant], Counter[str]]:
    """The survivors, and how many mutants were tried of each file."""
    survivors, counts, known = [], Counter[str](), dict[tuple[str, ...], RunsOf]()
    with a_copy() as root:
        for number, mutant in enumerate(mutants, 1):
            of_group = tests_of(mutant.file)
            if of_group not in known:
                console.print(f"which of {', '.join(of_group)} runs which line ...")
                known[of_group] = RunsOf(root, of_group, PACKAGE)
            lines = range(mutant.line, mutant.last_line + 1)
            tests = known[of_group].of(mutant.file, lines)
            counts[mutant.file] += 1
            if survives(mutant, root, tests or of_group):
                survivors.append(mutant)
                excused = "equivalent" if mutant.name in REASONS else "SURVIVES"
                console.print(f"{number}/{len(mutants)} {excused} {mutant}", markup=False)
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
    survivors, counts = tried(mutants, console)
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
