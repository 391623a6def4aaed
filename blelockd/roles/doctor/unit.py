"""The daemon's unit: whether it runs, what it says of its parts, and what of its sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from blelockd.adapters.mqtt.link import REMARK
from blelockd.adapters.unit import (
    Deeds,
    NoSystemd,
    PartStatus,
    UnitStatus,
    deeds_of,
    status_of,
)
from blelockd.services.diagnosis import Finding, broken, doubtful, fine
from blelockd.services.events import EventKind
from blelockd.services.liveness import PartState

_UNIT: Final = "unit"
_IN_A_TERMINAL: Final = "a daemon that runs in a terminal tells there how it stands"
_SESSIONS: Final = "sessions"
_REFUSED: Final = (EventKind.SESSION_REFUSED, EventKind.ENVELOPE_REFUSED)
_ONE_HAS_THE_KEYS: Final = (
    "if a card was copied, make new keys on one of the two: `blelock-lock keygen` after removing "
    "the old ones, and its new card to the issuer"
)
_ELSEWHERE: Final = {
    "time": "`blelock-issuer doctor` says whether the issuer knows this lock's card; ",
}
"""Where the cause of a part that is down may be, if not here."""


async def unit(role: str, name: str | None) -> AsyncIterator[Finding]:
    """How the unit `name` of a daemon of that role stands; None: no unit is known to run it."""
    if name is None:
        told = "no unit is known that runs with this configuration"
        yield doubtful(_UNIT, "no-unit", told, f"name it with --unit; {_IN_A_TERMINAL}")
        return
    try:
        status = await status_of(name)
    except NoSystemd as error:
        told = f"there is no systemd that could be asked: {error}"
        yield doubtful(_UNIT, "no-systemd", told, _IN_A_TERMINAL)
        return
    yield _standing(role, status)
    if not status.active:
        return
    for part in status.parts():
        yield _part(part, status)
    if role == "lock":
        async for finding in _sessions(status):
            yield finding


def _standing(role: str, unit: UnitStatus) -> Finding:
    if not unit.loaded:
        remedy = f"install the package: `apt install ./blelock-{role}.deb`; {_IN_A_TERMINAL}"
        return doubtful(_UNIT, "no-unit", f"there is no unit {unit.name}", remedy)
    journal = f"`journalctl -u {unit.name} -n 20` says why"
    if not unit.active and unit.result not in ("", "success"):
        told = f"{unit.name} is {unit.state}: {unit.result}, exit status {unit.exit_status}"
        remedy = f"{journal}; then `systemctl restart {unit.name}`"
        return broken(_UNIT, "unit-failed", told, remedy)
    if unit.state.startswith("activating"):
        return doubtful(_UNIT, "unit-starting", f"{unit.name} is being started", journal)
    if not unit.active:
        grade = doubtful if role == "guest" else broken  # `unlock` needs no unit
        start = f"start it: `systemctl enable --now {unit.name}`"
        return grade(_UNIT, "unit-stopped", f"{unit.name} is {unit.state}", start)
    if unit.restarts:
        told = f"{unit.name} runs, and systemd had to restart it (times: {unit.restarts})"
        return doubtful(_UNIT, "unit-restarted", told, journal)
    if not unit.enabled:
        told = f"{unit.name} runs, and will not be started at the next boot"
        return doubtful(_UNIT, "unit-not-enabled", told, f"`systemctl enable {unit.name}`")
    return fine(_UNIT, f"{unit.name} runs since {unit.since}")


def _part(part: PartStatus, unit: UnitStatus) -> Finding:
    check = f"its {part.name}"
    if part.state is PartState.DOWN:
        cause = f"{part.name.split()[0]}-down"
        remedy = f"it tries again by itself; {_ELSEWHERE.get(part.name, '')}{_look_at(unit)}"
        return broken(check, cause, part.detail, remedy)
    if part.state is PartState.STARTING:
        told = "it has not said anything yet"
        return doubtful(check, "starting", told, f"ask again in a moment; {_look_at(unit)}")
    if REMARK in part.detail:
        return doubtful(check, f"{part.name.split()[0]}-remark", part.detail, _look_at(unit))
    return fine(check, f"up, {part.detail}")


def _look_at(unit: UnitStatus) -> str:
    return f"see `journalctl -u {unit.name}`"


async def _sessions(unit: UnitStatus) -> AsyncIterator[Finding]:
    """Sessions that the lock takes prove that issuer and lock know each other's keys."""
    try:
        deeds = await deeds_of(unit, (EventKind.SESSION_RECEIVED, EventKind.RIVAL, *_REFUSED))
    except NoSystemd as error:
        yield doubtful(_SESSIONS, "no-journal", str(error), "run this as root: sudo")
        return
    yield _judged(deeds)
    if (rival := deeds.last.get(EventKind.RIVAL)) is not None:
        times = deeds.counts[EventKind.RIVAL]
        told = f"{rival.message} (times since the start: {times})"
        yield doubtful("its issuer's ear", "another-lock", told, _ONE_HAS_THE_KEYS)


def _judged(deeds: Deeds) -> Finding:
    taken = deeds.last.get(EventKind.SESSION_RECEIVED)
    refusals = [deeds.last[kind] for kind in _REFUSED if kind in deeds.last]
    refused = max(refusals, key=lambda event: event.at_seconds, default=None)
    compare = (
        "if it is not the clocks, compare the keys with what the other side has of them: "
        "`blelock-lock card --fingerprint` and `blelock-issuer card --fingerprint`, for version 1 "
        "`show-key` in place of `card`"
    )
    if refused is not None and taken is None:
        return broken(_SESSIONS, "sessions-refused", refused.message, compare)
    if refused is not None and taken is not None and refused.at_seconds > taken.at_seconds:
        return doubtful(_SESSIONS, "session-refused", refused.message, compare)
    if taken is not None:
        times = deeds.counts[EventKind.SESSION_RECEIVED]
        told = f"taken since the start: {times}, so issuer and lock know each other's keys"
        return fine(_SESSIONS, told)
    told = "none has come since the start, so whether the issuer knows this lock cannot be told"
    return fine(_SESSIONS, told)
