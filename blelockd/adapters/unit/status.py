"""How a unit stands, as `systemctl show` has it, and what its daemon says of its parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from blelockd.adapters.journal.record import clean
from blelockd.adapters.unit.asking import lines_of
from blelockd.services.liveness import PartState

_PROPERTIES: Final = (
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "ExecMainStatus",
    "NRestarts",
    "StatusText",
    "ActiveEnterTimestamp",
    "InvocationID",
    "UnitFileState",
)
_LARGEST_STATUS_BYTES: Final = 1000
_INVOCATION: Final = re.compile(r"[0-9a-f]{32}")
_STATES: Final = "|".join(PartState)
_PART: Final = re.compile(rf"(?:^|; )(?P<name>[A-Za-z][\w -]*) (?P<state>{_STATES})(?=: |; |$)")


@dataclass(frozen=True, slots=True)
class PartStatus:
    """What a daemon last said of one of its parts."""

    name: str
    state: PartState
    detail: str


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """How a unit stands.

    `since` is a date as systemd writes it, empty where it never ran. `invocation` names its last
    run in the journal, empty where there was none. `exit_status` is that of the last run that
    ended, and `result` what systemd makes of it.
    """

    name: str
    loaded: bool
    enabled: bool
    active: bool
    state: str
    result: str
    exit_status: int
    restarts: int
    status: str
    since: str
    invocation: str

    def parts(self) -> list[PartStatus]:
        """The daemon's parts, from its status line (Liveness.status)."""
        found = list(_PART.finditer(self.status))
        ends = [match.start() for match in found[1:]] + [len(self.status)]
        return [
            PartStatus(
                match["name"],
                PartState(match["state"]),
                self.status[match.end() : end].removeprefix(": "),
            )
            for match, end in zip(found, ends, strict=False)
        ]


async def status_of(unit: str) -> UnitStatus:
    """How `unit` stands; raises NoSystemd."""
    properties = ",".join(_PROPERTIES)
    lines = await lines_of("systemctl", "show", f"--property={properties}", "--", unit)
    return _status(unit, dict(line.split("=", 1) for line in lines if "=" in line))


def _status(unit: str, told: Mapping[str, str]) -> UnitStatus:
    invocation = told.get("InvocationID", "")
    return UnitStatus(
        name=unit,
        loaded=told.get("LoadState") == "loaded",
        enabled=told.get("UnitFileState", "").startswith("enabled"),
        active=told.get("ActiveState") in ("active", "reloading"),
        state=f"{told.get('ActiveState', 'unknown')} ({told.get('SubState', 'unknown')})",
        result=told.get("Result", ""),
        exit_status=_number(told.get("ExecMainStatus", "")),
        restarts=_number(told.get("NRestarts", "")),
        status=clean(told.get("StatusText", ""), _LARGEST_STATUS_BYTES),
        since=clean(told.get("ActiveEnterTimestamp", "")),
        invocation=invocation if _INVOCATION.fullmatch(invocation) else "",
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
