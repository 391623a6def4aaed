"""`python -m tests.floods`: flood and break what was asked for, show and keep what came of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bench.__main__ import EXIT_MISSED, EXIT_OK, Bench, missed, run
from tests.bench.figures import Effort

FLOODS: Final = tuple(
    Bench(name, title, minutes, "tests.floods")
    for name, title, minutes in (
        ("air", "10,000 adverts/s, new addresses and a replayed token among them", "2 min"),
        ("gatt", "10,000 GATT connections that bring garbage", "5 min"),
        ("junk", "1,000 messages/s of 4 kB of junk on the topics of lock and issuer", "3 min"),
        ("faults", "broker, disks and databases that fail, 100 times each", "2 h"),
    )
)

_EPILOG: Final = """\
examples:
  make floods                               everything, shown as tables
  make floods ARGS='--only air'             one of them
  make floods ARGS='--quick --json out.json'  small and rough, and a file for programs

BLELOCK_FAULT_ROUNDS is how often each fault is played (100), BLELOCK_FAULTS a word in the names of
those that are. A bound that is broken is marked MISSED, and the exit status is 1.
docs/threat-model.md has what was measured last, and on what.
"""


def parser() -> argparse.ArgumentParser:
    """What `make floods` understands."""
    made = argparse.ArgumentParser(
        prog="make floods",
        allow_abbrev=False,
        usage="make floods ARGS='[--only NAME]... [--quick] [--json FILE]'",
        description="Flood the daemons, and break what they depend on.\n\nfloods and faults:\n"
        + "\n".join(f"  {b.name:<9} {b.title} ({b.minutes})" for b in FLOODS),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [flood.name for flood in FLOODS]
    help_ = "this one alone; may be given several times"
    made.add_argument("--only", action="append", choices=names, metavar="NAME", help=help_)
    made.add_argument("--quick", action="store_true", help="seconds instead of minutes, but rough")
    made.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE, too")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Do what `argv` asks for; returns the exit status."""
    arguments = parser().parse_args(argv)
    chosen = [flood for flood in FLOODS if not arguments.only or flood.name in arguments.only]
    document = run(chosen, Effort(arguments.quick))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return EXIT_MISSED if missed(document) else EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
