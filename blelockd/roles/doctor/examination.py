"""Which checks a daemon gets: by its role, and by what its configuration asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from blelockd.config import ConfigErrors, IssuerConfig, LockConfig, RoleConfig
from blelockd.roles.doctor.keys import keys
from blelockd.roles.doctor.known_locks import known_locks
from blelockd.roles.doctor.radio import radio
from blelockd.roles.doctor.surroundings import broker, clock, strike
from blelockd.roles.doctor.unit import unit
from blelockd.services.diagnosis import Check, Finding, broken, examine, fine


@dataclass(frozen=True, slots=True)
class Patient:
    """Which daemon is examined: its configuration, and the unit that runs it, if one is known.

    `switches` is where the kernel shows rfkill, in place of the usual.
    """

    kind: type[RoleConfig]
    path: Path
    unit: str | None
    switches: Path | None = None


async def diagnose(patient: Patient) -> AsyncIterator[Finding]:
    """What is found, in the order in which it is looked at: a cause comes before what it causes."""
    checks: list[tuple[str, Check]] = []
    config: RoleConfig | None = None
    try:
        config = patient.kind.load(patient.path)
    except ConfigErrors as errors:
        check = f"`blelock-{patient.kind.role()} check-config` says the same; the rest needs it"
        yield broken("configuration", "configuration", str(errors), f"mend it: {check}")
    else:
        yield fine("configuration", f"{patient.path} has no errors")
        checks += _of_configuration(config, patient)
    checks += [("clock", clock), ("unit", partial(unit, patient.kind.role(), patient.unit))]
    if isinstance(config, IssuerConfig):
        checks.append(("locks", partial(known_locks, config)))
    async for finding in examine(checks):
        yield finding


def _of_configuration(config: RoleConfig, patient: Patient) -> list[tuple[str, Check]]:
    checks: list[tuple[str, Check]] = [
        ("keys", partial(keys, config)),
        ("adapter", partial(radio, config, patient.switches)),
    ]
    if isinstance(config, IssuerConfig | LockConfig):
        checks.append(("broker", partial(broker, config, patient.unit)))
    if isinstance(config, LockConfig):
        checks.append(("strike", partial(strike, config, patient.path)))
    return checks
