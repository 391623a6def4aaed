"""A flood on the air: strangers under ever new addresses, a replayed token, and honest guests.

The real blelock-lock of version 2 behind a virtual bluetoothd, a real D-Bus and real bleak.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from typing import Final

from blelockd.protocol.session import Session
from blelockd.virtual.stage import NotTold
from tests.bench.figures import Effort, Findings, Table, Tell
from tests.floods.watch import COLUMNS, Flooded, Watch
from tests.stories.enrolled_play import NEAR_DBM, EnrolledPlay, enrolled_play

ADVERTS_PER_SECOND: Final = 10_000
NEW_ADDRESSES_PER_SECOND: Final = 1_000
REPLAYS_PER_SECOND: Final = 1_000
OPENS_WITHIN_SECONDS: Final = 2.0

_PHONES: Final = 50
_GUESTS_PER_SECOND: Final = 2.0
_ADVERT_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 20.0
_HEAD: Final = b"\x02\x01\x06\x17\xff\xff\xff"  # flags; 20 bytes for company 0xFFFF
_AT_ONCE: Final = 50
_QUIET: Final = {
    "journal": {"summary_seconds": 60},
    "strike": {"type": "log", "hold_seconds": 0.1, "rearm_seconds": 2},
}

_NOTES: Final = (
    "Air, bluetoothd, D-Bus daemon, lock, guests and the flood itself share this machine's cores: "
    "what is sent is what they reach together.",
    "A guest is served when the lock has told that it opens; it waits from its first advert on.",
)


@dataclass(slots=True)
class _Strangers:
    """Who floods: `replayed` is the token of a guest who was let in. Counts what it sends."""

    play: EnrolledPlay
    replayed: bytes
    sent: int = 0
    _new: int = field(default=0, init=False)

    def send(self, numbers: range) -> None:
        """These of the second's adverts: of each ten one is a replay, one from a new address."""
        for number in numbers:
            which = number % (ADVERTS_PER_SECOND // NEW_ADDRESSES_PER_SECOND)
            payload = self.replayed if which == 0 else os.urandom(20)
            self.play.stage.air.inject(self._address(which), _HEAD + payload, -60, to="lock")
        self.sent += len(numbers)

    def _address(self, which: int) -> str:
        if which == 1:
            self._new += 1
            number, kind = self._new, "D0"
        else:
            number, kind = self.sent % _PHONES, "C1"
        return f"{kind}:F1:00:{number >> 16:02X}:{number >> 8 & 255:02X}:{number & 255:02X}"


async def measure(effort: Effort, tell: Tell) -> Findings:
    """See the module."""
    seconds, rate = effort.pick(60.0, 3.0), effort.pick(ADVERTS_PER_SECOND, 500)
    guests = max(3, int(seconds * _GUESTS_PER_SECOND))
    async with enrolled_play(_QUIET) as play:
        tell("sessions for the honest")
        sessions = [await play.learns(lives_ms=600_000) for _ in range(guests + 1)]
        first = sessions.pop()
        await play.lets_in(first)
        strangers = _Strangers(play, play.token(first))
        tell("a rehearsal: what is made once is made")
        await _flood(strangers, rate, effort.pick(5.0, 0.5))
        strangers.sent = 0
        watch = Watch(play.lock, frozenset(str(session.session_id) for session in sessions))
        watch.begin()
        tell(f"{rate:,} adverts/s for {seconds:.0f} s, {guests} guests")
        began = time.monotonic()
        flood = asyncio.ensure_future(_flood(strangers, rate, seconds))
        served = await _guests_come(play, sessions, seconds)
        await flood
        took = time.monotonic() - began
        watch.end()
    flooded = Flooded("adverts", rate, strangers.sent, took, served, watch)
    return Findings(
        (Table("air", "a flood on the air", COLUMNS, (flooded.row(),)),),
        flooded.targets(most_seconds=OPENS_WITHIN_SECONDS, share=0.99, came=guests),
        (*_NOTES, f"Log lines that were not about those guests: {watch.told()}."),
    )


async def _flood(strangers: _Strangers, per_second: float, seconds: float) -> None:
    began, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < seconds:
        due = int(elapsed * per_second)
        while sent < due:
            piece = range(sent, min(due, sent + _AT_ONCE))
            strangers.send(piece)
            sent = piece.stop
            await asyncio.sleep(0)
        await asyncio.sleep(0.001)


async def _guests_come(play: EnrolledPlay, sessions: list[Session], seconds: float) -> list[float]:
    """One after the other, evenly; how long each of those who were let in has waited."""
    coming = []
    for number, session in enumerate(sessions):
        coming.append(asyncio.ensure_future(_comes(play, session, number)))
        await asyncio.sleep(seconds / len(sessions))
    waits = await asyncio.gather(*coming)
    return [wait for wait in waits if wait is not None]


async def _comes(play: EnrolledPlay, session: Session, number: int) -> float | None:
    """A guest is at the door until it opens; None if it does not."""
    address = f"C2:00:00:00:{number >> 8:02X}:{number & 255:02X}"
    began, since = asyncio.get_running_loop().time(), len(play.lock.events)
    showing = asyncio.ensure_future(_show(play, session, address))
    try:
        told = await play.lock.told(
            "unlock", _PATIENCE_SECONDS, since=since, session=str(session.session_id)
        )
    except NotTold:
        return None
    finally:
        showing.cancel()
        await asyncio.wait({showing})
    return told.at - began


async def _show(play: EnrolledPlay, session: Session, address: str) -> None:
    while True:
        play.shows(play.token(session), address, NEAR_DBM)
        await asyncio.sleep(_ADVERT_SECONDS)
