"""An issuer of version 2 made of the protocol alone: it answers one lock, or says what it is told.

It knows what every envelope is worth and so can be honest, late, forgetful, or somebody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import Instant
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.v2 import envelope, up
from blelockd.protocol.v2.cards import IssuerCard, LockCard
from blelockd.protocol.v2.down import DownMessage, EventAck, SessionForLock, Time, in_parts
from blelockd.protocol.v2.ec_keys import IssuerSealKey
from blelockd.protocol.v2.lock_view import LockView
from blelockd.protocol.v2.reports import Ack, Event, Hello, LockStatus, UpMessage
from blelockd.protocol.v2.rsa_keys import IssuerSigningKey
from blelockd.protocol.v2.terms import Terms
from tests.fakes.enrolled import fresh

SLOT_MS = 1000


class IssuerV2:
    """One issuer and one lock. `silent`, it sends nothing by itself; `deaf`, it hears no EVENT."""

    def __init__(
        self,
        signing_key: IssuerSigningKey,
        seal_key: IssuerSealKey,
        lock: LockCard,
        now: Callable[[], Instant],
    ) -> None:
        self._keys = signing_key, seal_key
        self._lock = lock
        self.now = now
        self.view = LockView(signing_key.public_key.issuer_id, lock.seal_key.lock_key_id)
        self.said: list[UpMessage] = []
        self.sessions: dict[SessionId, SessionForLock] = {}
        self.events: dict[bytes, list[Event]] = {}
        self.sent: list[bytes] = []
        self.lease_seconds = 900
        self.silent = False
        self.deaf = False

    @property
    def card(self) -> IssuerCard:
        """What the lock pins."""
        signing_key, seal_key = self._keys
        return IssuerCard(signing_key.public_key, seal_key.public_key)

    @property
    def lock_id(self) -> LockId:
        """The lock's name."""
        return self._lock.lock_id

    def a_session(
        self, guest: bytes = b"", lives_ms: int = 300_000, **terms: Any
    ) -> SessionForLock:
        """A fresh session, of that guest or of one of its own, which lives at this issuer now."""
        now = self.now()
        made = SessionForLock(
            SessionId(fresh(16)),
            SessionKey(fresh(32)),
            GuestId(guest or fresh(16)),
            Instant(now - 1000),
            Terms(self.lock_id, Instant(now + lives_ms), **{"slot_ms": SLOT_MS, **terms}),
        )
        self.sessions[made.session_id] = made
        return made

    def envelope(self, message: DownMessage, lives_ms: int = 60_000, **changes: Any) -> bytes:
        """`message` for the lock's present boot."""
        address = self.view.address(self.now(), lives_ms)
        assert address is not None, "the lock has not greeted"
        self.sent.append(
            envelope.write(
                replace(address, **changes), message, fresh(), self._lock.seal_key, self._keys[0]
            )
        )
        return self.sent[-1]

    def hears(self, report: bytes) -> list[bytes]:
        """What the lock says; the envelopes that answer it."""
        message = up.Report.decode(report).open(
            self._lock.lock_id, self._lock.signing_key, self._keys[1]
        )
        self.said.append(message)
        if isinstance(message, Hello):
            if not self.view.greet(message):
                return []  # of an earlier start, as far as an issuer can tell
        elif isinstance(message, Event) and not self.deaf:
            self._take(message)
        return [] if self.silent else self._answers(message)

    def _answers(self, message: UpMessage) -> list[bytes]:
        if isinstance(message, Hello):
            return [self.envelope(answer) for answer in self.answers_to(message)]
        if isinstance(message, Event) and not self.deaf:
            known = self.events[message.epoch]
            return [self.envelope(EventAck(message.epoch, len(known)))]
        return []

    def answers_to(self, hello: Hello) -> list[DownMessage]:
        """TIME, and all that lives, with the uses that are left."""
        live = [left for each in self.sessions.values() if (left := self._left_of(each))]
        time = Time(self.now(), hello.hello_nonce, self.lease_seconds)
        return [time, *in_parts(hello.hello_nonce, live)]

    def _left_of(self, session: SessionForLock) -> SessionForLock | None:
        most = session.terms.max_uses
        kinds = [
            event.kind.name
            for events in self.events.values()
            for event in events
            if event.session_id == session.session_id
        ]
        left = most - kinds.count("OPENED") + kinds.count("STRIKE_FAILED")
        if session.terms.not_after <= self.now() or (most and left <= 0):
            return None
        return replace(session, terms=replace(session.terms, max_uses=left if most else 0))

    def _take(self, event: Event) -> None:
        """Events without a gap, from 1 on; what is known already changes nothing."""
        known = self.events.setdefault(event.epoch, [])
        if event.counter == len(known) + 1:
            known.append(event)
        elif event.counter <= len(known):
            assert known[event.counter - 1] == event, "one counter, two events"

    # --- what a test asks -------------------------------------------------------------------------

    def said_of(self, kind: type[Any]) -> list[Any]:
        """All the lock said of one type: Hello, Ack, Event or LockStatus."""
        return [message for message in self.said if isinstance(message, kind)]

    def result_of(self, sent: bytes) -> str | None:
        """What the lock last said became of that envelope; None where it did not."""
        identity = envelope.envelope_id(sent)
        acks = [ack.result.name for ack in self.said_of(Ack) if ack.envelope_id == identity]
        return acks[-1] if acks else None

    def kinds(self) -> list[str]:
        """The events that this issuer has, in their order."""
        return [event.kind.name for events in self.events.values() for event in events]

    @property
    def status(self) -> LockStatus:
        """The last STATUS."""
        status: LockStatus = self.said_of(LockStatus)[-1]
        return status
