"""`status`: how the daemon's unit stands, part by part, and what it has done since it started."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from blelockd.adapters.unit import Deeds, NoSystemd, UnitStatus, deeds_of, status_of
from blelockd.cli.configuration import C, Role
from blelockd.cli.exits import Exit, Failure
from blelockd.cli.frame import Command, say
from blelockd.cli.listing import Entry, Listing
from blelockd.cli.unit import add_unit, unit_of
from blelockd.services.events import EventKind
from blelockd.services.liveness import PartState

_COUNTED: Final[dict[str, Mapping[EventKind, str]]] = {
    "issuer": {
        EventKind.SESSION_ISSUED: "sessions issued",
        EventKind.SESSION_DENIED: "sessions denied",
        EventKind.GUEST_ENROLLED: "guests enrolled",
        EventKind.ENROLMENT_DENIED: "enrolments denied",
        EventKind.STORE_FAILED: "store failures",
        EventKind.STORE_RESTORED: "store restored",
        EventKind.AUDIT_NOT_SIGNED: "refusals to sign the audit",
    },
    "lock": {
        EventKind.UNLOCK: "unlocks",
        EventKind.REFUSAL: "refusals",
        EventKind.STRIKE_FAILED: "strike failures",
        EventKind.SESSION_RECEIVED: "sessions received",
        EventKind.SESSION_REFUSED: "sessions refused",
        EventKind.ENVELOPE_REFUSED: "envelopes refused",
        EventKind.EVENTS_LOST: "losses of events",
    },
    "guest": {
        EventKind.SESSION_OBTAINED: "sessions obtained",
        EventKind.SESSION_FAILED: "failed attempts",
    },
}


def status(role: Role[C]) -> Command:
    """The verb that tells how the daemon stands."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        add_unit(role, to)
        to.add_argument("--json", action="store_true", help="print one JSON object")

    def run(arguments: argparse.Namespace) -> int:
        return asyncio.run(_tell(role, arguments))

    return Command(
        name="status",
        summary="show how the daemon stands and what it has done",
        about="Show how the daemon's unit stands, whether each of its parts is up, and how often "
        "what has happened since it was started, and when last, as systemd and the journal know "
        "it. What repeats itself is told once and summed up in the journal: it counts once here. "
        f"Ends with {Exit.NO.value} if it does not run or a part is not up.",
        example=f"sudo {role.command} status",
        run=run,
        add_arguments=add_arguments,
    )


async def _tell(role: Role[C], arguments: argparse.Namespace) -> int:
    unit = await _unit(role, unit_of(role, arguments) or role.command)
    counted = _COUNTED[role.name]
    deeds, untold = await _deeds(unit, counted)
    if arguments.json:
        say(json.dumps(_object(unit, deeds), ensure_ascii=False))
    else:
        _show(role, unit, deeds, untold)
    up = unit.active and all(part.state is PartState.UP for part in unit.parts())
    return Exit.OK if up else Exit.NO


async def _unit(role: Role[C], name: str) -> UnitStatus:
    in_a_terminal = (
        "a daemon that runs in a terminal tells there how it stands, and\n"
        f"`sudo {role.command} doctor` examines all that it needs, with a unit or without"
    )
    try:
        unit = await status_of(name)
    except NoSystemd as error:
        problem = f"there is no systemd here that could be asked: {error}"
        raise Failure(problem, in_a_terminal, Exit.UNAVAILABLE) from error
    if not unit.loaded:
        remedy = (
            f"install the package, `sudo apt install ./{role.command}.deb`, or name another unit "
            f"with --unit;\n{in_a_terminal}"
        )
        raise Failure(f"there is no unit {name}", remedy, Exit.UNAVAILABLE)
    return unit


async def _deeds(unit: UnitStatus, counted: Mapping[EventKind, str]) -> tuple[Deeds, str]:
    """What the unit has done, and why that may not be all; empty where it is."""
    if not unit.invocation:
        return Deeds({}, {}, whole=True), ""
    try:
        deeds = await deeds_of(unit, counted.keys())
    except NoSystemd as error:
        return Deeds({}, {}, whole=False), f"{error}: run this as root (sudo)"
    if deeds.whole:
        return deeds, ""
    return deeds, (
        "it does not go back to the daemon's start: older entries are gone, `journal: {level: ...}`"
        " keeps some out, or this user may not read it (sudo)"
    )


def _show(role: Role[C], unit: UnitStatus, deeds: Deeds, untold: str) -> None:
    listing = Listing()
    listing.title(f"{unit.name}: {_in_words(unit)}")
    if not unit.active:
        listing.show(Entry("down", "daemon", "it does not run", _how_to_start(role, unit)))
    for part in unit.parts():
        listing.show(Entry(part.state, part.name, part.detail))
    for kind, name in _COUNTED[role.name].items():
        if kind in deeds.counts:
            last = deeds.last.get(kind)
            text = f"last {_local(last.at_seconds)}: {last.message}" if last else "none so far"
            listing.show(Entry(str(deeds.counts[kind]), name, text))
    if untold:
        listing.show(Entry("doubtful", "journal", untold))


def _in_words(unit: UnitStatus) -> str:
    since = f" since {unit.since}" if unit.active and unit.since else ""
    failed = "" if unit.result in ("", "success") else f", {unit.result} {unit.exit_status}"
    enabled = "" if unit.enabled else ", not enabled"
    times = "once" if unit.restarts == 1 else f"{unit.restarts} times"
    restarts = f", restarted {times} by systemd" if unit.restarts else ""
    return f"{unit.state}{since}{failed}{enabled}{restarts}"


def _how_to_start(role: Role[C], unit: UnitStatus) -> str:
    if unit.result not in ("", "success"):
        return f"`sudo {role.command} doctor` and `journalctl -u {unit.name} -n 20` say why"
    return f"start it: `sudo systemctl enable --now {unit.name}`"


def _local(at_seconds: float) -> str:
    return datetime.fromtimestamp(at_seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _object(unit: UnitStatus, deeds: Deeds) -> dict[str, Any]:
    shown = dataclasses.asdict(unit)
    del shown["status"], shown["invocation"]
    return {
        **shown,
        "parts": [dataclasses.asdict(part) for part in unit.parts()],
        "counts": deeds.counts,
        "last": {
            kind: {"at_ms": round(event.at_seconds * 1000), "message": event.message}
            for kind, event in deeds.last.items()
        },
        "whole": deeds.whole,
    }
