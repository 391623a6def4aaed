"""`python -m blelockd.virtual.demo`: the command line of the demo, and its orderly end."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from typing import Final

from blelockd.virtual.demo import EXIT_CANNOT_START

NEEDED: Final = {"dbus-daemon": "dbus-daemon", "mosquitto": "mosquitto", "setpriv": "util-linux"}

ABOUT: Final = """\
Plays the whole system live, in scenes: an issuer, a lock and the phones of
two guests, each a real program started through its own command, a real broker,
and an attacker. BlueZ, the radio and the door are simulated. It takes less than
a minute, needs no Bluetooth, touches nothing outside a temporary directory and
the loopback, and leaves nothing behind; after a `kill -9` the next run tidies
up."""

MORE: Final = """\
what is seen:
  seconds since the start, who (operator, issuer, lock, guest, visitor;
  attacker, demo), and what happened. After > stands what the demo does or
  types; all else is what the programs tell by themselves. Each scene ends with
  a verdict, and the play with a table of what happened and what was measured.
  Long lines go on below themselves; nothing is cut off.

exit status:
  0    every scene ended as it should
  1    one did not: what was expected, what came instead, and where the logs
       are, is told
  69   it could not be started
  130  interrupted by Ctrl-C (143 by SIGTERM, 129 by SIGHUP)

examples:
  make demo
  make demo ARGS=--keep
  NO_COLOR=1 make demo | tee demo.txt"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        "python -m blelockd.virtual.demo",
        description=ABOUT,
        epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--keep",
        action="store_true",
        help="after the play leave everything running, and say what to type, until Ctrl-C or "
        "SIGTERM",
    )
    made.add_argument(
        "--passive",
        action="store_true",
        help="let the lock scan passively, as bluetoothd --experimental allows: cheaper, but a "
        "phone that comes nearer is heard once for each token, not all the time",
    )
    return made


def what_is_missing() -> str:
    """What must be installed first, and how; empty if nothing is."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    missing = [name for name in NEEDED if shutil.which(name, path=path) is None]
    if missing:
        packages = " ".join(NEEDED[name] for name in missing)
        return f"{', '.join(missing)} not found: apt install {packages}, or use `make demo`"
    return ""


def main(argv: Sequence[str] | None = None) -> int:
    """Play the demo; returns the exit status."""
    arguments = parser().parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback: nothing is there to clean up yet
    missing = what_is_missing()
    if missing:
        print(f"blelock: the demo cannot start: {missing}", file=sys.stderr)
        return EXIT_CANNOT_START
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    from blelockd.virtual.demo.evening import evening  # half a second, and not for --help

    return asyncio.run(evening(keep=arguments.keep, is_passive=arguments.passive))


if __name__ == "__main__":
    sys.exit(main())
