"""What people type on the stage: the project's own commands, and what these tell."""

from __future__ import annotations

import asyncio
import os
import re
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blelockd.virtual.host import Host
from blelockd.virtual.stage import command

COMMAND_SECONDS: Final = 60.0
TYPED_CODE: Final = re.compile(r"\b(?:[0-9A-Z]{4}-){3}[0-9A-Z]{4}\b")


class CommandFailed(AssertionError):
    """A command did not end well; the text has what it told."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and what it remarked on standard error."""

    printed: str
    remarks: str


async def run(role: str, *argv: str | Path, host: Host | None = None, answers: str = "") -> Said:
    """`blelock-ROLE ARGV`, with `answers` on standard input; gone if this is cancelled.

    `host` is whose Bluetooth it may use. Raises CommandFailed.
    """
    words = [command(role), *map(str, argv)]
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--", *words),
        env=dict(os.environ) if host is None else host.environment(),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(COMMAND_SECONDS):
            printed, remarks = await process.communicate(answers.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said = Said(printed.decode(errors="replace"), remarks.decode(errors="replace"))
    if process.returncode:
        told = said.printed + said.remarks
        raise CommandFailed(f"{' '.join(words)} ended with {process.returncode}:\n{told}")
    return said


async def type_in(role: str, *argv: str | Path, host: Host | None = None, answers: str = "") -> str:
    """As run; what it prints."""
    return (await run(role, *argv, host=host, answers=answers)).printed


async def introduce(issuer: Path, lock: Path) -> None:
    """Make the keys of issuer and lock, whose configurations these are, and have each take the
    other's card, its fingerprint compared.
    """
    await type_in("issuer", "keygen", "--bits", "2048", "--config", issuer)
    await type_in("lock", "keygen", "--bits", "2048", "--config", lock)
    for owner, owners, taker, takers, verb in (
        ("lock", lock, "issuer", issuer, ("lock", "add")),
        ("issuer", issuer, "lock", lock, ("trust",)),
    ):
        card = await type_in(owner, "card", "--config", owners)
        fingerprint = await type_in(owner, "card", "--fingerprint", "--config", owners)
        confirmed = ("--fingerprint", fingerprint.strip(), "--config", takers)
        await type_in(taker, *verb, "-", *confirmed, answers=card)


async def invite(issuer: Path, person: str, *grant: str) -> str:
    """The code to type of a fresh invite for that person."""
    return code_in(await type_in("issuer", "guest", "invite", person, *grant, "--config", issuer))


def code_in(told: str) -> str:
    """The code to type in what `guest invite` told; raises CommandFailed."""
    found = TYPED_CODE.search(told)
    if found is None:
        raise CommandFailed(f"no code to type in:\n{told}")
    return found[0]


async def enrol(guest: Path, host: Host, code: str) -> str:
    """Enrol the guest with that configuration, on that host; what it tells."""
    await type_in("guest", "keygen", "--bits", "2048", "--config", guest)
    return await type_in("guest", "enrol", "--config", guest, host=host, answers=f"{code}\n")
