"""Asks systemd's own commands. Where they are not there, that is an answer, too."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE
from typing import Final

from blelockd.adapters.journal.record import clean

_SECONDS: Final = 15.0
_PLAIN: Final = {"LC_ALL": "C", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}


class NoSystemd(Exception):
    """There is no systemd here that could be asked; the text says what happened."""


async def lines_of(*argv: str) -> list[str]:
    """What that command of systemd's prints; raises NoSystemd."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env={**os.environ, **_PLAIN}
        )
    except OSError as error:
        raise NoSystemd(f"{argv[0]} cannot be run ({error.strerror})") from error
    try:
        async with asyncio.timeout(_SECONDS):
            out, errors = await process.communicate()
    except TimeoutError as error:
        raise NoSystemd(f"{argv[0]} does not answer") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        said = clean(errors.decode(errors="replace").strip())
        raise NoSystemd(f"{argv[0]} says: {said or f'exit status {process.returncode}'}")
    return out.decode(errors="replace").splitlines()
