"""A door with its strike, its journal and its clock, and the admissions that come to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from blelockd.protocol.ids import SessionId
from blelockd.protocol.instants import Slot
from blelockd.protocol.verdict import Admit
from blelockd.services.lock.door import Door, Presented
from tests.fakes.clock import FakeClock, settle
from tests.fakes.journal import RememberingJournal
from tests.fakes.keys import LOCK_ID
from tests.fakes.ledger import RememberingLedger
from tests.fakes.strike import RecordingStrike
from tests.fakes.waiting import running

HOLD, REARM = 5.0, 12.0
RELEASES = Presented.RELEASES


def admitted(number: int = 1, slot: int = 1, phone: str = "") -> Admit:
    """What the verifier hands out for guest `number`."""
    address = phone or f"C0:00:00:00:00:{number:02X}"
    return Admit(SessionId(number.to_bytes(16, "big")), LOCK_ID, Slot(slot), -50, address)


class Doorway:
    """A door with its strike, its journal and its clock."""

    def __init__(
        self,
        strike: RecordingStrike | None = None,
        clock: FakeClock | None = None,
        hold: float = HOLD,
    ) -> None:
        self.clock = clock or FakeClock()
        self.strike = strike or RecordingStrike(self.clock)
        self.journal = RememberingJournal()
        self.ledger = RememberingLedger(self.strike)
        self.door = Door(
            self.strike,
            self.journal,
            self.clock,
            self.ledger,
            hold_seconds=hold,
            rearm_seconds=REARM,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """The door is driven while the context lasts."""
        async with running(self.door.run()) as task:
            await settle()
            yield task
