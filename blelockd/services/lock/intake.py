"""How sessions come to the lock and leave it: only fresh, authentic, addressed here, within limits.

Checks run from cheap to dear; whatever fails is counted and dropped, and costs no more than that.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from dataclasses import dataclass
from typing import Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import BluetoothAddress, LockId
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.keys import PrivateKey, PublicKey
from blelockd.protocol.session import Session
from blelockd.protocol.v1.envelope import Envelope
from blelockd.protocol.verifier import Verifier
from blelockd.services.deadlines import Deadlines
from blelockd.services.events import Event, EventKind, Severity, of_session
from blelockd.services.ports import Clock, Journal
from blelockd.services.tally import Counted, Tally

_QUIET_SECONDS: Final = 60.0
_NEVER_HEARD: Final = (
    ", and no token of it was ever heard: if its guest stood at the door, compare slot_seconds"
    " and company_id of both sides, and their clocks"
)
_MOST_ENDED_AT_ONCE: Final = 100  # some milliseconds of journal between two looks at the air


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """What the lock takes at most.

    With `one_guest`, a session replaces the one before it (the seed's single-guest lock).
    `sessions_per_phone` counts the sessions that name the same address.
    """

    sessions: int = 1000
    sessions_per_phone: int = 4
    longest_lifetime_ms: int = 86_400_000
    largest_offset_ms: int = 30_000
    one_guest: bool = False


@dataclass(frozen=True, slots=True)
class LockIdentity:
    """Who the lock is, and whom it believes."""

    lock_id: LockId
    lock_key: PrivateKey
    issuer_key: PublicKey


class Intake:
    """The lock's live sessions: received, limited, ended."""

    def __init__(
        self,
        identity: LockIdentity,
        verifier: Verifier,
        limits: IntakeLimits,
        slot_ms: int,
        journal: Journal,
        tally: Tally,
        clock: Clock,
    ) -> None:
        self._identity = identity
        self._verifier = verifier
        self.limits = limits
        self._slot_ms = slot_ms
        self._journal = journal
        self._tally = tally
        self._clock = clock
        self._live: dict[bytes, Session] = {}
        self._ends = Deadlines()
        self._of_phone: dict[BluetoothAddress, list[Session]] = {}
        self._received: dict[bytes, float] = {}
        """Authentic messages by digest, and until when (monotonic) they are known again. By that
        clock: a wall clock that is set forward and back must not bring an ended session back.
        """
        self._returns = Deadlines()
        self._refused_by_clock: set[bytes] = set()
        self._warn_again_seconds = -math.inf

    def __len__(self) -> int:
        return len(self._live)

    async def on_message(self, payload: bytes) -> None:
        """Take the session in one message from the broker, or count why not."""
        digest = hashlib.sha256(payload).digest()
        if digest in self._received:
            self._tally.count(Counted.DUPLICATE_SESSION)
            return
        try:
            envelope = Envelope.decode(payload)
            if self._is_for_here_and_now(envelope):
                await asyncio.to_thread(envelope.verify, self._identity.issuer_key)
                await self._open(envelope, digest)
        except Malformed:
            self._tally.count(Counted.MALFORMED_SESSION)
        except Unauthentic:
            self._tally.count(Counted.FORGED_SESSION)
            self._warn_of_strangers()

    def _is_for_here_and_now(self, envelope: Envelope) -> bool:
        if envelope.device_id != self._identity.lock_id:
            self._tally.count(Counted.MISADDRESSED_SESSION)
            return False
        if envelope.not_after <= self._clock.now():
            self._tally.count(Counted.EXPIRED_SESSION)
            return False
        return True

    async def _open(self, envelope: Envelope, digest: bytes) -> None:
        """Take the session in a message that the issuer has signed, or say why not."""
        now_seconds = self._clock.monotonic_seconds()
        left_ms = envelope.not_after - self._clock.now()
        self._know(digest, now_seconds + _QUIET_SECONDS)  # refused aloud once a minute
        self._refused_by_clock.add(digest)
        if left_ms > self.limits.longest_lifetime_ms:
            self._refused("it would live longer than this lock allows: check the clocks")
        elif abs(envelope.clock_offset_ms) > self.limits.largest_offset_ms:
            self._refused("the guest's clock is too far off")
        else:
            session = await asyncio.to_thread(
                envelope.open_sealed, self._identity.lock_key, self._slot_ms
            )
            self._refused_by_clock.discard(digest)
            self._know(digest, now_seconds + left_ms / MS_PER_SECOND)
            self._take(session)

    def reconsider(self) -> None:
        """The clock was set: what was refused by it counts as new when it comes again."""
        for digest in self._refused_by_clock:
            self._received.pop(digest, None)
        self._refused_by_clock.clear()

    def _know(self, digest: bytes, until_seconds: float) -> None:
        self._received[digest] = until_seconds
        self._returns.add(until_seconds, digest)

    def _take(self, session: Session) -> None:
        rivals = self._rivals(session)
        if session.session_id.raw in self._live:
            self._tally.count(Counted.DUPLICATE_SESSION)
        elif any(rival.not_after > session.not_after for rival in rivals):
            self._refused("an older one may not replace a newer one")
        elif len(self._live) - len(rivals) >= self.limits.sessions:
            self._refused(f"this lock holds {self.limits.sessions} sessions already")
        else:
            for rival in rivals:
                self._end(rival)
            self._keep(session)
            self._journal.record(
                Event(
                    EventKind.SESSION_RECEIVED,
                    f"session {session.session_id} received",
                    fields=of_session(
                        session.session_id,
                        lock=session.lock_id,
                        not_after=session.not_after // MS_PER_SECOND,
                        address=session.bound_address or "",
                    ),
                )
            )

    def _rivals(self, session: Session) -> list[Session]:
        """The sessions that must go if this one is to come."""
        if self.limits.one_guest:
            return list(self._live.values())
        if session.bound_address is None:
            return []
        same_phone = sorted(
            self._of_phone.get(session.bound_address, ()), key=lambda s: s.not_after
        )
        return same_phone[: max(0, len(same_phone) + 1 - self.limits.sessions_per_phone)]

    def expire(self, at_most: int = _MOST_ENDED_AT_ONCE) -> bool:
        """End up to `at_most` sessions whose time is over, and forget as many messages that could
        not return; whether there may be more. A session that must wait for its end opens nothing
        meanwhile.
        """
        now, now_seconds = self._clock.now(), self._clock.monotonic_seconds()
        over = self._ends.take(now, at_most)
        for session_id in over:
            session = self._live.get(session_id)
            if session is not None:  # else it has made room
                self._end(session)
        returned = self._returns.take(now_seconds, at_most)
        for digest in returned:
            if self._received.get(digest, now_seconds) <= now_seconds:
                self._received.pop(digest, None)
                self._refused_by_clock.discard(digest)
        return max(len(over), len(returned)) == at_most

    def _keep(self, session: Session) -> None:
        self._live[session.session_id.raw] = session
        self._ends.add(session.not_after, session.session_id.raw)
        if session.bound_address is not None:
            self._of_phone.setdefault(session.bound_address, []).append(session)
        self._verifier.learn(session, self._clock.now())

    def _end(self, session: Session) -> None:
        del self._live[session.session_id.raw]
        if session.bound_address is not None:
            of_phone = self._of_phone[session.bound_address]
            of_phone.remove(session)
            if not of_phone:
                del self._of_phone[session.bound_address]
        heard = self._verifier.forget(session.session_id)
        self._journal.record(
            Event(
                EventKind.SESSION_ENDED,
                f"session {session.session_id} ended" + ("" if heard else _NEVER_HEARD),
                fields=of_session(session.session_id, lock=session.lock_id, heard=heard),
            )
        )

    def _warn_of_strangers(self) -> None:
        """Once in a while: a key that was never exchanged looks the same as an attack."""
        now_seconds = self._clock.monotonic_seconds()
        if now_seconds >= self._warn_again_seconds:
            self._warn_again_seconds = now_seconds + _QUIET_SECONDS
            trusted = self._identity.issuer_key.fingerprint()
            self._refused(
                "not from the issuer that this lock trusts, or not sealed for this lock's key;"
                f" the trusted issuer's key is {trusted}: compare blelock-issuer show-key"
            )

    def _refused(self, why: str) -> None:
        self._journal.record(
            Event(
                EventKind.SESSION_REFUSED,
                f"session refused: {why}",
                Severity.WARNING,
                {"reason": why},
            )
        )
