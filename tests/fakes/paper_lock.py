"""A lock of version 2 without a door: it judges envelopes by the real gate, and reports on paper.

What it is told to do, such as to say nothing, befalls the next envelopes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.v2 import up
from blelockd.protocol.v2.cards import LockCard
from blelockd.protocol.v2.down import (
    DownMessage,
    EventAck,
    Revoke,
    SessionForLock,
    Sync,
    Time,
)
from blelockd.protocol.v2.ec_keys import LockSigningKey
from blelockd.protocol.v2.gate import Dropped, Gate, GateKeys
from blelockd.protocol.v2.reports import (
    Event,
    EventType,
    Hello,
    LockStatus,
    Result,
    UpMessage,
)
from blelockd.protocol.v2.rsa_keys import LockSealKey
from blelockd.protocol.v2.trusted_time import ClockState
from tests.fakes import enrolled as party
from tests.fakes.clock import FakeClock

Say = Callable[[LockId, bytes], object]


@dataclass(frozen=True, slots=True)
class LockKeys:
    """Who a lock is."""

    lock_id: LockId
    seal_key: LockSealKey
    signing_key: LockSigningKey

    @property
    def card(self) -> LockCard:
        """What its issuer knows."""
        return LockCard(self.lock_id, self.seal_key.public_key, self.signing_key.public_key)


FRONT: Final = LockKeys(party.DOOR, party.LEK, party.LSK)
BACK: Final = LockKeys(
    party.OTHER_DOOR, party.OTHER_LEK, LockSigningKey.derive(party.seed("other_lsk"))
)


class PaperLock:
    """Reports to `say`. `sessions` are those it has, `took` all messages that passed its gate."""

    def __init__(self, clock: FakeClock, say: Say, keys: LockKeys = FRONT) -> None:
        self.keys = keys
        self._clock = clock
        self._say = say
        self._boots = 0
        self.results: dict[type[DownMessage], Result] = {}
        self.is_silent = False
        self.keeps_events = False
        self._ended: list[SessionId] = []
        self.boot()

    def boot(self) -> None:
        """Begin with nothing in memory."""
        self._boots += 1
        epoch = party.seed(f"{self.keys.lock_id} boot {self._boots}")[:16]
        gate_keys = GateKeys(self.keys.lock_id, self.keys.seal_key, party.ISK_PUBLIC)
        self.gate = Gate(gate_keys, epoch)
        self.time: Instant | None = None
        self.sessions: dict[SessionId, SessionForLock] = {}
        self.took: list[DownMessage] = []
        self.dropped: list[str] = []
        self.nonce = b""
        self.events = 0

    # --- what it says --------------------------------------------------------------------------

    def report(self, message: UpMessage) -> bytes:
        """`message` as it goes to the broker."""
        sender = up.Sender(
            party.ISK_PUBLIC.issuer_id,
            self.keys.seal_key.public_key.lock_key_id,
            party.IEK_PUBLIC.iek_id,
        )
        keys = self.keys.signing_key, party.IEK_PUBLIC
        return up.write(sender, message, self.keys.lock_id, keys, party.fresh())

    def say(self, message: UpMessage) -> bytes:
        """Report `message`; returns what was sent."""
        raw = self.report(message)
        self._say(self.keys.lock_id, raw)
        return raw

    def hello(self) -> bytes:
        """Say HELLO."""
        self.nonce = party.fresh(16)
        return self.say(Hello(self.gate.epoch, self.nonce, self.gate.last_seq, ClockState.NONE))

    def event(self, kind: EventType, session_id: SessionId, counter: int | None = None) -> Event:
        """Tell of something at the door."""
        self.events = self.events + 1 if counter is None else counter
        slot, now = Slot(577_000_000), self._clock.now()
        event = Event(self.gate.epoch, self.events, kind, session_id, slot, -50, now)
        self.say(event)
        return event

    def status(self) -> None:
        """Say how it is."""
        state = ClockState.CONFIRMED
        self.say(LockStatus(self.gate.epoch, self.gate.last_seq, state, 1, 2, 3))

    # --- what it hears -------------------------------------------------------------------------

    def take(self, envelope: bytes) -> None:
        """An envelope has come from the broker."""
        taken = self.gate.take(envelope, None if self.time is None else self._clock.now())
        if isinstance(taken, Dropped):
            self.dropped.append(taken.why)
            ack = taken.ack
        else:
            result = self.results.pop(type(taken.message), None) or self._apply(taken.message)
            ack = self.gate.settle(taken, result)
        if ack is not None and not self.is_silent:
            self.say(ack)
        if not self.keeps_events:
            self.tell_ended()

    def tell_ended(self) -> None:
        """Tell that what was revoked by name is over: as a lock does, afterwards."""
        ended, self._ended = self._ended, []
        for session_id in ended:
            self.event(EventType.SESSION_REVOKED, session_id)

    def _apply(self, message: DownMessage) -> Result:
        self.took.append(message)
        match message:
            case SessionForLock():
                self.sessions[message.session_id] = message
            case Revoke(whom=SessionId() as session_id):
                self.sessions.pop(session_id, None)
                self._ended.append(session_id)
            case Revoke(whom=GuestId() as guest_id):
                self._keep(lambda session: session.guest_id != guest_id)
            case Revoke():
                self.sessions.clear()
            case Time():
                self.time = message.now
            case Sync():
                return self._synchronise(message)
            case EventAck():
                pass
        return Result.APPLIED

    def _synchronise(self, sync: Sync) -> Result:
        if sync.hello_nonce != self.nonce:
            return Result.STALE
        if sync.part == 0:
            self.sessions.clear()
        self.sessions |= {session.session_id: session for session in sync.sessions}
        return Result.APPLIED

    def _keep(self, holds: Callable[[SessionForLock], bool]) -> None:
        self.sessions = {i: session for i, session in self.sessions.items() if holds(session)}

    def heard(self, kind: type[DownMessage]) -> list[DownMessage]:
        """The messages of that type that passed, in order."""
        return [message for message in self.took if isinstance(message, kind)]
