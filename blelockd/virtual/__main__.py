"""`python -m blelockd.virtual`: an air with hosts in it, to play with until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import stat
import sys
from typing import Final

from blelockd.virtual.console import Console
from blelockd.virtual.hosts import VirtualAir
from blelockd.virtual.processes import StartError
from blelockd.virtual.settings import parse_release

MOST_ADAPTERS: Final = 16

EPILOG: Final = """\
Each host has a D-Bus of its own with an org.bluez of its own, as a machine would have. Any BlueZ
program takes part by the address of its host's bus, without knowing it:

  $ python -m blelockd.virtual issuer lock guest
  issuer     00:1B:DC:00:00:01
    export DBUS_SYSTEM_BUS_ADDRESS=unix:path=...

and in another terminal, with that line pasted:

  $ bluetoothctl scan le              # or bleak, bluez_peripheral, blelock-lock run ...

While it runs, type `help` for what can be done to the air: move hosts apart, lose adverts, pull
adapters out, kill a bluetoothd, inject and capture adverts.
"""


def _host(text: str) -> tuple[str, int]:
    """`NAME` or `NAME:ADAPTERS`; raises ArgumentTypeError with what would be right."""
    name, colon, count = text.partition(":")
    if not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r}: a host's name is letters, digits and _")
    if not colon:
        return name, 1
    if not (
        count.isascii() and count.isdigit() and len(count) <= 2 and int(count) <= MOST_ADAPTERS
    ):
        raise argparse.ArgumentTypeError(
            f"{text!r}: after the colon stands how many adapters the host has, 0 to {MOST_ADAPTERS}"
        )
    return name, int(count)


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m blelockd.virtual",
        description="A Bluetooth Low Energy air without radios, with hosts in it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "hosts",
        nargs="*",
        type=_host,
        default=[("issuer", 1), ("lock", 1), ("guest", 1)],
        metavar="HOST[:ADAPTERS]",
        help="a host, and how many adapters it has (default: issuer lock guest, one each)",
    )
    parser.add_argument(
        "--no-experimental",
        dest="experimental",
        action="store_false",
        help="as bluetoothd without --experimental: no passive scanning, no chosen intervals",
    )
    parser.add_argument(
        "--release", type=parse_release, default=(5, 66), help="behave as BlueZ 5.66 or 5.82"
    )
    parser.add_argument(
        "--interval-ms", type=int, default=100, help="between adverts (BlueZ: 1280; here 100)"
    )
    given = parser.parse_args(argv)
    names = [name for name, _ in given.hosts]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        parser.error(f"two hosts cannot have the same name: {', '.join(sorted(twice))}")
    return given


async def _type_along(console: Console) -> None:
    """Read commands until the input ends. A file or /dev/null has none."""
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or sys.stdin.isatty()):
        return
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(await console.run(line.decode(errors="replace")), flush=True)


async def run(argv: list[str]) -> int:
    """Bring the air up, and stay. Returns the exit code."""
    given = _arguments(argv)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    settings = {
        "experimental": given.experimental,
        "release": given.release,
        "interval_ms": given.interval_ms,
    }
    try:
        async with VirtualAir() as air:
            await air.add_hosts(
                {name: {"adapters": count, **settings} for name, count in given.hosts}
            )
            console = Console(air, lambda line: print(line, flush=True))
            print(await console.run("hosts"), flush=True)
            print("Type `help` for commands; Ctrl-C ends it.", flush=True)
            typing = asyncio.ensure_future(_type_along(console))
            await ended.wait()
            typing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await typing
    except (StartError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(run(sys.argv[1:])))
