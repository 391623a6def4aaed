"""The three commands, run in this process or as a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from blelockd.cli import guest, issuer, lock
from tests.checkout import ROOT

SECONDS: Final = 50
MAINS: Final[dict[str, Callable[[list[str]], int]]] = {
    "issuer": issuer.main,
    "lock": lock.main,
    "guest": guest.main,
}


NEEDED: Final = {"issuer": "", "lock": "lock_id: front\n", "guest": "locks: [front]\n"}


def config(folder: Path, role: str, text: str = "") -> Path:
    """A configuration in `folder`, whose keys are in its `keys`."""
    file = folder / f"{role}.yaml"
    file.write_text(f"{NEEDED[role]}keys_directory: {folder / 'keys'}\n{text}")
    return file


def status_of(role: str, *argv: str | Path) -> int:
    """The exit status of `blelock-ROLE ARGV`, run here."""
    try:
        return MAINS[role]([str(word) for word in argv])
    except SystemExit as end:  # argparse ends so
        return int(end.code or 0)


def argv_of(role: str, *argv: str | Path) -> list[str]:
    """What to execute for `blelock-ROLE ARGV`, through its entry point."""
    code = f"import sys; from blelockd.cli.{role} import main; sys.exit(main())"
    return [sys.executable, "-c", code, *map(str, argv)]


def environment(**more: str) -> Mapping[str, str]:
    """This process's environment, the project importable, and no bus that is anybody's.

    Streams are buffered as they are on a user's machine, whatever is set here.
    """
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        "PYTHONPATH": str(ROOT),
        "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus",
        **more,
    }


def execute(role: str, *argv: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """`blelock-ROLE ARGV` as a process; standard input is empty."""
    return subprocess.run(
        argv_of(role, *argv),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
    )
