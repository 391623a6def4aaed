"""`doctor`: what is wrong with all that the daemon depends on, each cause with its remedy."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
from collections import Counter
from pathlib import Path

from blelockd.cli.configuration import C, Role
from blelockd.cli.exits import Exit, naming
from blelockd.cli.frame import Command, say
from blelockd.cli.listing import Entry, Listing
from blelockd.cli.unit import add_unit, unit_of
from blelockd.services.diagnosis import Finding, Grade, worst


def doctor(role: Role[C]) -> Command:
    """The verb that finds out why the daemon does not do what it should."""

    def add_arguments(to: argparse.ArgumentParser) -> None:
        add_unit(role, to)
        to.add_argument("--json", action="store_true", help="print one JSON object")

    def run(arguments: argparse.Namespace) -> int:
        return asyncio.run(_examine(role, arguments))

    return Command(
        name="doctor",
        summary="find out what is wrong, and what to do about it",
        about=f"Look at all that the {role.name} depends on: configuration, keys, Bluetooth, "
        "clock, its unit with what it says of itself"
        f"{'' if role.name == 'guest' else ', and the broker'}. Each thing is fine, doubtful (it "
        "works, or cannot be seen from here) or broken, with its cause and what to do. Changes "
        f"nothing. Ends with {Exit.NO.value} if anything is broken. Run it as root: the keys are "
        "root's.",
        example=f"sudo {role.command} doctor",
        run=run,
        add_arguments=add_arguments,
    )


async def _examine(role: Role[C], arguments: argparse.Namespace) -> int:
    from blelockd.roles.doctor import Patient, diagnose

    path: Path = arguments.config
    patient = Patient(role.of, path, unit_of(role, arguments))
    listing = None if arguments.json else Listing()
    found: list[Finding] = []
    async for finding in diagnose(patient):
        named = _naming(role, finding)
        found.append(named)
        if listing is not None:
            entry = Entry(named.grade.name.lower(), named.check, named.told, named.remedy)
            listing.show(entry)
    if listing is None:
        say(json.dumps(_object(patient.unit, path, found), ensure_ascii=False))
    else:
        listing.title(_summary(found))
    return Exit.NO if worst(found) is Grade.BROKEN else Exit.OK


def _naming(role: Role[C], finding: Finding) -> Finding:
    remedy = naming(role.command, finding.remedy, "keygen", "import-key")
    return dataclasses.replace(finding, remedy=remedy)


def _summary(found: list[Finding]) -> str:
    counts = Counter(finding.grade for finding in found)
    return ", ".join(f"{counts[grade]} {grade.name.lower()}" for grade in reversed(Grade))


def _object(unit: str | None, path: Path, found: list[Finding]) -> dict[str, object]:
    return {
        "config": str(path),
        "unit": unit,
        "worst": worst(found).name.lower(),
        "findings": [
            {**dataclasses.asdict(finding), "grade": finding.grade.name.lower()}
            for finding in found
        ],
    }
