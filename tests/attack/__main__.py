"""`python -m tests.attack`: play the attacks, and show for each how much of it was accepted."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.attack import (
    broker_log,
    crowd,
    damage,
    downgrade,
    key_files,
    local_user,
    reception,
    signatures,
    skew,
)
from tests.attack.attacks import Attack, Effort, Outcome

ATTACKS: Final[tuple[Attack, ...]] = (
    *damage.ATTACKS,
    *reception.ATTACKS,
    *signatures.ATTACKS,
    *downgrade.ATTACKS,
    *crowd.ATTACKS,
    *skew.ATTACKS,
    *key_files.ATTACKS,
    *broker_log.ATTACKS,
    *local_user.ATTACKS,
)
NAMES: Final = tuple(dict.fromkeys(attack.name for attack in ATTACKS))

_EPILOG: Final = """\
examples:
  make attack                              all of it: some minutes
  make attack ARGS='--short'               what `make test` plays of it: seconds
  make attack ARGS='--only "clock skew"'   one of them

Exit status 1 when anything was accepted. What each attack stands for: docs/threat-model.md.
"""


def parser() -> argparse.ArgumentParser:
    """What `make attack` understands."""
    made = argparse.ArgumentParser(
        prog="make attack",
        allow_abbrev=False,
        usage="make attack ARGS='[--only NAME]... [--short] [--json FILE]'",
        description="Attack the protocol, and count what is accepted: it must be nothing.\n\n"
        "attacks:\n" + "\n".join(f"  {name}" for name in NAMES),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--only",
        action="append",
        choices=NAMES,
        metavar="NAME",
        help="play this attack alone; may be given several times",
    )
    made.add_argument("--short", action="store_true", help="seconds instead of minutes")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the table to FILE, too")
    return made


def played(attack: Attack, effort: Effort) -> tuple[Outcome, float]:
    """What came of it, and the processor's seconds that it took."""
    began = time.process_time()
    outcome = attack.play(effort)
    return outcome, time.process_time() - began


def main(argv: Sequence[str] | None = None) -> int:
    """Play what `argv` asks for; returns the exit status."""
    arguments = parser().parse_args(argv)
    console, progress = Console(), Console(stderr=True)
    table = Table("attack", "of what", "cases", "accepted", "seconds")
    for column in table.columns[2:]:
        column.justify = "right"
    document: list[dict[str, Any]] = []
    failed = []
    for attack in ATTACKS:
        if arguments.only and attack.name not in arguments.only:
            continue
        progress.print(f"{attack.name}: {attack.title} ...", highlight=False, end=" ")
        outcome, seconds = played(attack, Effort(whole=not arguments.short))
        accepted = f"{outcome.accepted}" + (f" of {outcome.allowed}" if outcome.allowed else "")
        style = "bold red" if outcome.failed else None
        cells = f"{outcome.cases:,}", accepted, f"{seconds:.1f}"
        table.add_row(attack.name, attack.title, *cells, style=style)
        document.append({"attack": attack.name, "title": attack.title, **asdict(outcome)})
        progress.print(f"{cells[0]} cases, {accepted} accepted, {cells[2]} s", highlight=False)
        if arguments.json is not None:  # so that what was played is kept, if the rest is not
            arguments.json.write_text(json.dumps(document, indent=1) + "\n")
        if outcome.failed:
            failed.append(attack)
    table.add_section()
    table.add_row("all", "", f"{sum(row['cases'] for row in document):,}", "", "")
    console.print(table)
    for attack in failed:
        progress.print(f"NOT WITHSTOOD: {attack.name}, {attack.title}", style="bold red")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
