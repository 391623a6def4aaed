"""`python -m tests.attack.spy OUT DIRECTORY BUS...`: a local user without rights, who looks at all.

Started by root, it becomes nobody and then reads whatever it may, again and again, until its
standard input ends: the buses, what /proc tells of every process, and the files below DIRECTORY.
OUT has all that was seen, once; how much it was comes as JSON on standard output.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

NOBODY: Final = 65534
_MOST_BYTES: Final = 4 << 20
_PAUSE_SECONDS: Final = 0.2
_OF_A_PROCESS: Final = (
    "cmdline", "environ", "comm", "status", "stat", "maps", "mem", "auxv", "io", "stack",
    "syscall", "wchan", "mountinfo", "limits", "fd", "map_files",
)  # fmt: skip


class Spy:
    """What one user has seen. `counts` are the reads that were allowed, and those that were not."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._seen: set[bytes] = set()
        self._heard: dict[int, bytearray] = {}
        self.counts = Counter[str]()

    def note(self, where: str, what: bytes) -> None:
        """Keep it, unless it was seen before."""
        known = hashlib.sha256(what).digest()
        if known not in self._seen:
            self._seen.add(known)
            self._out.write(f"\n--- {where}\n".encode() + what)

    def listen(self, number: int, address: str) -> subprocess.Popen[bytes]:
        """Record all that a bus lets this user hear."""
        monitor = subprocess.Popen(
            ["dbus-monitor", "--address", address, "--binary"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert monitor.stdout is not None
        pipe, heard = monitor.stdout.fileno(), self._heard.setdefault(number, bytearray())

        def record() -> None:
            while more := os.read(pipe, 1 << 16):
                self.counts[f"bytes of bus {number}"] += len(more)
                heard.extend(more)

        threading.Thread(target=record, daemon=True).start()
        return monitor

    def write_down_what_was_heard(self) -> None:
        """At the end: a message may be cut between two reads."""
        for number, heard in self._heard.items():
            self.note(f"bus {number}", bytes(heard))

    def look(self, directory: Path) -> None:
        """One round through the processes and the files."""
        for path in (*_of_processes(), *_below(directory, self.counts)):
            self._read(path)

    def _read(self, path: Path) -> None:
        kind = "proc" if path.is_relative_to("/proc") else "file"
        try:
            if path.is_dir():
                what = "\n".join(os.listdir(path)).encode()
            else:
                with path.open("rb") as file:
                    what = file.read(_MOST_BYTES)
        except OSError:
            self.counts[f"{kind} denied"] += 1
            return
        self.counts[f"{kind} read"] += 1
        self.note(str(path), what)


def _of_processes() -> Iterator[Path]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            yield from (process / name for name in _OF_A_PROCESS)


def _below(directory: Path, counts: Counter[str]) -> Iterator[Path]:
    def denied(_: OSError) -> None:
        counts["directory denied"] += 1

    for folder, _, names in os.walk(directory, onerror=denied):
        for name in names:
            path = Path(folder, name)
            if path.is_file():
                yield path


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def main(out: str, directory: str, *buses: str) -> None:
    """Look until standard input ends."""
    with open(out, "wb") as file:
        _become_nobody()
        spy = Spy(file)
        monitors = [spy.listen(number, address) for number, address in enumerate(buses)]
        print("ready", flush=True)
        while not select.select([sys.stdin], [], [], _PAUSE_SECONDS)[0]:
            spy.look(Path(directory))
        spy.look(Path(directory))
        for monitor in monitors:
            monitor.terminate()
            monitor.wait()
        spy.write_down_what_was_heard()
    print(json.dumps(spy.counts), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
