"""What a performance of the demo may leave behind: nothing, or the logs of one that was spoilt."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

COLUMNS: Final = 80
PATIENCE_SECONDS: Final = 180


def processes_of(place: Path) -> list[str]:
    """Who runs with that temporary directory, but for this process."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it has just ended, or is another user's
        if f"TMPDIR={place}".encode() in environment and int(process.name) != os.getpid():
            found.append(command)
    return found


def assert_nothing_is_left(place: Path) -> None:
    assert not processes_of(place)
    assert not list(place.iterdir())


def assert_only_logs_are_left(place: Path, told: str) -> None:
    (logs,) = place.iterdir()
    assert [str(logs)] == re.findall(r"every process are in (\S+)", told)
    assert '"event":"unlock"' in (logs / "lock.log").read_text()
    names = {path.stem for path in logs.glob("*.log")}
    assert names >= {"issuer", "lock", "guest", "mosquitto", "bluetoothd-lock"}
    assert not list(logs.rglob("*.pem"))
    assert not processes_of(place)
