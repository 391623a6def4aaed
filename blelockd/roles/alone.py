"""One daemon of a kind on one machine: a second one does not begin.

Two locks would open one door twice, and the issuer would speak to the later one alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from blelockd.adapters.pidfile import FILE, HeldByAnother, PidFile
from blelockd.roles.daemon import Daemon
from blelockd.services.events import Event, EventKind, Severity

PATIENCE_SECONDS: Final = 5.0
"""Who is started anew waits so long for the one before, which may still be ending."""

_POLL_SECONDS: Final = 0.1


@asynccontextmanager
async def alone(directory: Path, daemon: Daemon) -> AsyncIterator[None]:
    """Within, no other daemon begins that keeps its things in `directory`.

    Raises HeldByAnother. A disk that fails keeps no door shut: that is told, and nothing is held.
    """
    try:
        held = await _held(directory, daemon)
    except OSError as error:
        message = (
            f"whether another {daemon.name} runs here cannot be told: {directory / FILE}: "
            f"{(error.strerror or str(error)).lower()}; see to the disk and to who owns it"
        )
        fields = {"role": daemon.name}
        daemon.journal.record(Event(EventKind.UNGUARDED, message, Severity.WARNING, fields))
        yield
        return
    try:
        yield
    finally:
        held.close()


async def _held(directory: Path, daemon: Daemon) -> PidFile:
    give_up = daemon.clock.monotonic_seconds() + PATIENCE_SECONDS
    while True:
        try:
            return PidFile(directory)
        except HeldByAnother:
            if daemon.clock.monotonic_seconds() >= give_up:
                raise
        await daemon.clock.sleep(_POLL_SECONDS)
