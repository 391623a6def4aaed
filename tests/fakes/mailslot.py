"""A lock seen from the broker: messages in, and what became of each."""

from __future__ import annotations

from blelockd.protocol.ids import BluetoothAddress, LockId
from blelockd.protocol.keys import PrivateKey
from blelockd.protocol.v1 import envelope
from blelockd.protocol.v1.answer import Grant
from blelockd.protocol.v1.envelope import session_at_lock
from blelockd.protocol.verdict import Admit
from blelockd.protocol.verifier import Rules, Verifier
from blelockd.services.lock.intake import Intake, IntakeLimits, LockIdentity
from blelockd.services.tally import Tally
from tests.fakes.clock import FakeClock
from tests.fakes.journal import RememberingJournal
from tests.fakes.keys import ISSUER, LOCK, LOCK_ID
from tests.fakes.sessions import SLOT_MS, a_grant, token_at

PHONE = BluetoothAddress("C0:00:00:00:00:01")


def message(grant: Grant, lock_id: LockId = LOCK_ID, signer: PrivateKey = ISSUER) -> bytes:
    """The grant on its way to the lock."""
    return envelope.seal(lock_id, grant, LOCK.public_key, signer)


class Mailslot:
    """A lock that has been running for an hour, seen from the broker."""

    def __init__(self, limits: IntakeLimits | None = None) -> None:
        self.clock = FakeClock()
        self.journal = RememberingJournal()
        self.tally = Tally(self.journal, self.clock, 60.0)
        self.verifier = Verifier(Rules(), self.clock.now())
        self.clock.time.jump(3600)
        identity = LockIdentity(LOCK_ID, LOCK, ISSUER.public_key)
        self.intake = Intake(
            identity,
            self.verifier,
            limits or IntakeLimits(),
            SLOT_MS,
            self.journal,
            self.tally,
            self.clock,
        )

    def grant(self, number: int = 1, **terms: object) -> Grant:
        """A grant that is fresh now."""
        return a_grant(number, at=self.clock.now(), **terms)  # type: ignore[arg-type]

    async def gets(self, *messages: bytes) -> list[str]:
        """What happened to each message: the counter that moved, or the event."""
        happened = []
        for payload in messages:
            before = len(self.journal.events)
            counts = dict(self.tally._counts)
            await self.intake.on_message(payload)
            moved = [str(w) for w, n in self.tally._counts.items() if n != counts.get(w, 0)]
            moved += [str(event.kind) for event in self.journal.events[before:]]
            happened.append(" ".join(moved))
        return happened

    def opens(self, grant: Grant) -> bool:
        """Whether the door opens now for the guest with that grant."""
        session = session_at_lock(LOCK_ID, grant, SLOT_MS)
        now = self.clock.now()
        self.verifier.advance(now, 1_000_000)
        verdict = self.verifier.judge(token_at(session, now), -50, str(PHONE), now)
        return isinstance(verdict, Admit)
