"""Sessions as a test wants them, and their tokens."""

from __future__ import annotations

from blelockd.protocol.ids import BluetoothAddress, LockId
from blelockd.protocol.instants import MS_PER_SECOND, Instant, Slot
from blelockd.protocol.opaque import SessionKey, Token
from blelockd.protocol.session import Claims, Session
from blelockd.protocol.v1.answer import Grant
from blelockd.protocol.v1.envelope import session_at_lock
from tests.fakes.clock import NOON
from tests.fakes.keys import LOCK_ID

SLOT_MS = 5000
NONCE = "AAAAAAAAAAA="


def key_number(number: int) -> SessionKey:
    """A session key that differs from that of every other number."""
    return SessionKey(number.to_bytes(32, "big"))


def a_grant(
    number: int = 1,
    *,
    lives_seconds: int = 300,
    at: Instant = NOON,
    offset_seconds: int | None = None,
    phone: BluetoothAddress | None = None,
) -> Grant:
    """What the issuer grants, fresh at `at`."""
    expiry = at // MS_PER_SECOND + lives_seconds
    return Grant(key_number(number), expiry, NONCE, phone, offset_seconds)


def a_session(
    number: int = 1,
    *,
    lock_id: LockId = LOCK_ID,
    slot_ms: int = SLOT_MS,
    lives_seconds: int = 300,
    at: Instant = NOON,
    offset_seconds: int | None = None,
    phone: BluetoothAddress | None = None,
) -> Session:
    """That grant as the lock holds it."""
    grant = a_grant(
        number, lives_seconds=lives_seconds, at=at, offset_seconds=offset_seconds, phone=phone
    )
    return session_at_lock(lock_id, grant, slot_ms)


def token_at(session: Session, now: Instant, slots_later: int = 0) -> bytes:
    """What the guest of `session` has on the air when the lock's clock says `now`."""
    return session.scheme.token(Slot(session.slot_at(now) + slots_later)).reveal()


class CountedScheme:
    """Tokens that tell how many of them were computed."""

    computed = 0

    def __init__(self, session: Session) -> None:
        self._scheme = session.scheme

    def token(self, slot: Slot) -> Token:
        """As the session's own."""
        CountedScheme.computed += 1
        return self._scheme.token(slot)

    def index_key(self, slot: Slot) -> bytes:
        """As the session's own."""
        CountedScheme.computed += 1
        return self._scheme.index_key(slot)

    def claims(self, payload: bytes) -> Claims:
        """As the session's own."""
        return self._scheme.claims(payload)

    def expected(self, payload: bytes, slot: Slot, challenge: bytes) -> Token:
        """As the session's own."""
        CountedScheme.computed += 1
        return self._scheme.expected(payload, slot, challenge)


class Mismatched:
    """Tokens that are found and do not verify."""

    def __init__(self, session: Session) -> None:
        self.index_key = session.scheme.index_key
        self.claims = session.scheme.claims

    def token(self, slot: Slot) -> Token:
        """Another token."""
        return Token(b"another")

    def expected(self, _payload: bytes, slot: Slot, _challenge: bytes) -> Token:
        """Another token."""
        return self.token(slot)
