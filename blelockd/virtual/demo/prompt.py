"""What people type at their machines: the real commands, told as they are typed, with the answers.

Which configuration is meant is left out, as it is where blelock is installed.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path
from typing import Final

from blelockd.virtual import typed
from blelockd.virtual.demo.cast import Machine
from blelockd.virtual.demo.play import Play, Stumble
from blelockd.virtual.typed import CommandFailed, Said

Word = str | Path

_UNTOLD: Final = re.compile(r"next: |BLELOCK2:|$")
"""What to do next is what is done next; and nobody reads a code that is to be scanned."""

_FINGERPRINT: Final = re.compile(r"fingerprint ((?:[0-9a-f]{4} ?){8})")
_PROGRESS: Final = re.compile(r" *\d+\.\d s  ")


async def types(
    play: Play, who: str, machine: str, *words: Word, into: Path | None = None, code: str = ""
) -> Said:
    """Somebody types `blelock-ROLE WORDS` at that machine; what it says. Raises Stumble.

    `into` is the file that what it prints goes to, in place of the terminal; `code` what is
    entered when the command asks.
    """
    at = play.cast.machines[machine]
    line = _line(at, words)
    redirected = f" > {into.name}" if into else ""
    play.act(who, f"{line}{redirected}{f', and enters {code}' if code else ''}")
    try:
        said = await _run(play, at, words, code)
    except CommandFailed as error:
        raise Stumble(f"`{line}` to succeed", str(error)) from error
    if into is None:
        _tell(play, who, said.printed)
    else:
        await asyncio.to_thread(into.write_text, said.printed)
        _tell(play, who, said.remarks, of=f"{into.name}: ")
    return said


async def types_in_vain(play: Play, who: str, machine: str, *words: Word, because: str) -> None:
    """As types, for a command that must fail, and say why. Raises Stumble."""
    at = play.cast.machines[machine]
    line = _line(at, words)
    play.act(who, line)
    expected = f"`{line}` to fail because {because}"
    try:
        said = await _run(play, at, words)
    except CommandFailed as error:
        _, _, told = str(error).partition("\n")
        if because not in told:
            raise Stumble(expected, told) from error
        _tell(play, who, told)
        return
    raise Stumble(expected, said.printed)


async def exported(play: Play, machine: str, verb: str, file: Path) -> str:
    """What the machine is known by goes to that file; returns the fingerprint."""
    said = await types(play, "operator", machine, verb, into=file)
    found = _FINGERPRINT.search(said.remarks)
    if found is None:
        raise Stumble(f"blelock-{machine} {verb} to tell its fingerprint", said.remarks)
    return found[1].strip()


def _line(at: Machine, words: tuple[Word, ...]) -> str:
    shown = (word.name if isinstance(word, Path) else word for word in words)
    return f"blelock-{at.role} {shlex.join(shown)}"


async def _run(play: Play, at: Machine, words: tuple[Word, ...], code: str = "") -> Said:
    host, answers = play.cast.stage.air.hosts[at.host], f"{code}\n" if code else ""
    return await typed.run(at.role, *words, "--config", at.config, host=host, answers=answers)


def _tell(play: Play, who: str, text: str, of: str = "") -> None:
    for line in text.splitlines():
        said = _PROGRESS.sub("", line).strip()
        if not _UNTOLD.match(said):
            play.narrator.line(who, f"{of}{said}")
