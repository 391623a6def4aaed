"""A machine's `systemctl` and `journalctl`: the questions that are asked of them, answered alike.

Real programs on a path of their own; units and entries are what a test puts there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from blelockd.services.events import EventKind

INVOCATION: Final = "0123456789abcdef0123456789abcdef"
_NOT_FOUND: Final = {
    "LoadState": "not-found",
    "ActiveState": "inactive",
    "SubState": "dead",
    "Result": "success",
    "ExecMainStatus": "0",
    "NRestarts": "0",
    "StatusText": "",
    "ActiveEnterTimestamp": "",
    "InvocationID": "",
    "UnitFileState": "",
}
_RUNS: Final = {
    **_NOT_FOUND,
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "ActiveEnterTimestamp": "Tue 2026-11-24 10:00:00 UTC",
    "InvocationID": INVOCATION,
    "UnitFileState": "enabled",
}

_SYSTEMCTL: Final = f"""#!{sys.executable} -IS
import json, pathlib, sys
show, properties, dashes, unit = sys.argv[1:]
assert show == "show" and dashes == "--" and properties.startswith("--property=")
known = json.loads(pathlib.Path(__file__).with_name("units.json").read_text())
if "refusal" in known:
    sys.exit(known["refusal"])
told = known["units"].get(unit, known["none"])
for name in properties.removeprefix("--property=").split(","):
    print(f"{{name}}={{told[name]}}")
"""

_JOURNALCTL: Final = f"""#!{sys.executable} -IS
import json, pathlib, sys
options = [word for word in sys.argv[1:] if word.startswith("--")]
matches = dict()
for word in sys.argv[1:]:
    if not word.startswith("--"):
        field, _, value = word.partition("=")
        matches.setdefault(field, set()).add(value)
lines = int(next(o for o in options if o.startswith("--lines=")).removeprefix("--lines="))
fields = next(o for o in options if o.startswith("--output-fields=")).partition("=")[2].split(",")
assert "--output=json" in options
journal = pathlib.Path(__file__).with_name("journal.jsonl")
entries = map(json.loads, journal.read_text().splitlines() if journal.exists() else ())
found = [e for e in entries if all(e.get(f) in values for f, values in matches.items())]
for entry in found[-lines:]:
    print(json.dumps({{f: v for f, v in entry.items() if f.startswith("__") or f in fields}}))
"""


class ServiceManager:
    """What is put here is what the commands in `directory` say."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._units: dict[str, dict[str, str]] = {}
        directory.mkdir(exist_ok=True)
        for name, program in (("systemctl", _SYSTEMCTL), ("journalctl", _JOURNALCTL)):
            (directory / name).write_text(program)
            (directory / name).chmod(0o755)
        self._write({})

    @property
    def path(self) -> str:
        """The PATH on which these commands come first."""
        return f"{self.directory}{os.pathsep}{os.environ.get('PATH', os.defpath)}"

    def runs(self, unit: str, status: str, **properties: str) -> None:
        """`unit` runs and says `status` of itself; `properties` are as systemd names them."""
        self._units[unit] = {**_RUNS, "StatusText": status, **properties}
        self._write({})

    def has(self, unit: str, **properties: str) -> None:
        """`unit` is installed, and was never started."""
        self._units[unit] = {**_NOT_FOUND, "LoadState": "loaded", **properties}
        self._write({})

    def refuses(self, words: str) -> None:
        """There is no service manager behind these commands, and they say so."""
        self._write({"refusal": words})

    def told(
        self,
        kind: EventKind,
        message: str = "",
        at_seconds: float | None = None,
        invocation: str = INVOCATION,
        **fields: object,
    ) -> None:
        """The journal has one more entry."""
        at = time.time() if at_seconds is None else at_seconds
        self.wrote(
            {
                "__REALTIME_TIMESTAMP": str(round(at * 1_000_000)),
                "_SYSTEMD_INVOCATION_ID": invocation,
                "BLELOCK_EVENT": kind,
                "MESSAGE": message,
                **fields,
            }
        )

    def wrote(self, entry: Mapping[str, object]) -> None:
        """The journal has this entry, whatever it is."""
        with (self.directory / "journal.jsonl").open("a") as journal:
            journal.write(json.dumps(entry) + "\n")

    def _write(self, more: Mapping[str, str]) -> None:
        known = {"units": self._units, "none": _NOT_FOUND, **more}
        (self.directory / "units.json").write_text(json.dumps(known))
