"""Issuer, guest and lock of version 2 with published keys, and every message that they exchange.

Fresh random bytes are counted instead of drawn, so that a test that fails does so again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import replace
from typing import Any, Final

from blelockd.protocol.ids import GuestId, LockId, SessionId
from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.session import Session
from blelockd.protocol.v2 import answer, enroll, enrolled, envelope, request, up
from blelockd.protocol.v2.answer import Asked, Granted, RefusalCode, Refused, Times
from blelockd.protocol.v2.cards import IssuerCard, LockCard
from blelockd.protocol.v2.down import DownMessage, SessionForLock
from blelockd.protocol.v2.ec_keys import (
    EphemeralKey,
    GuestSigningKey,
    IssuerSealKey,
    LockSigningKey,
)
from blelockd.protocol.v2.enroll import Enrolling, Newcomer
from blelockd.protocol.v2.envelope import Address
from blelockd.protocol.v2.gate import Gate, GateKeys
from blelockd.protocol.v2.headers import MessageType, RequestHeader
from blelockd.protocol.v2.info import Info
from blelockd.protocol.v2.invites import InviteSecret
from blelockd.protocol.v2.reports import UpMessage
from blelockd.protocol.v2.rsa_keys import IssuerSigningKey, LockSealKey
from blelockd.protocol.v2.terms import Terms
from blelockd.protocol.v2.tokens import Presented, V2Tokens
from blelockd.protocol.v2.up import Sender
from tests.fakes.clock import NOON
from tests.fakes.keys import VECTORS

PEMS: Final[dict[str, str]] = json.loads((VECTORS / "test-keys-v2.json").read_text())
_NUMBERS: Final = itertools.count()


def seed(name: str) -> bytes:
    """The published 32 bytes of that name (tests/vectors/generate_v2.py)."""
    return hashlib.sha256(b"blelock test seed: " + name.encode()).digest()


def fresh(size: int = 32) -> bytes:
    """Bytes that no other call gives."""
    return hashlib.sha256(b"fresh %d" % next(_NUMBERS)).digest()[:size]


ISK: Final = IssuerSigningKey.from_pem(PEMS["isk"].encode())
LEK: Final = LockSealKey.from_pem(PEMS["lek"].encode())
OTHER_ISK: Final = IssuerSigningKey.from_pem(PEMS["other_isk"].encode())
OTHER_LEK: Final = LockSealKey.from_pem(PEMS["other_lek"].encode())
IEK: Final = IssuerSealKey.derive(seed("iek"))
GSK: Final = GuestSigningKey.derive(seed("gsk"))
LSK: Final = LockSigningKey.derive(seed("lsk"))
EPH: Final = EphemeralKey.derive(seed("eph"))
ISK_PUBLIC, LEK_PUBLIC = ISK.public_key, LEK.public_key
IEK_PUBLIC, GSK_PUBLIC, LSK_PUBLIC = IEK.public_key, GSK.public_key, LSK.public_key

DOOR: Final = LockId("front-door-01")
OTHER_DOOR: Final = LockId("back-door")
GUEST_ID: Final = GSK_PUBLIC.guest_id
OTHER_GUEST: Final = GuestId(bytes(16))
CHALLENGE: Final = seed("challenge")[:16]
EPOCH: Final = seed("epoch")[:16]
HELLO_NONCE: Final = seed("hello")[:16]
SECRET: Final = InviteSecret(seed("invite")[:16])
TYPED: Final = InviteSecret(seed("typed")[:10])

ISSUER_CARD: Final = IssuerCard(ISK_PUBLIC, IEK_PUBLIC)
LOCK_CARD: Final = LockCard(DOOR, LEK_PUBLIC, LSK_PUBLIC)
INFO: Final = Info(ISK_PUBLIC.issuer_id, IEK_PUBLIC.iek_id, CHALLENGE, NOON)
TERMS: Final = Terms(DOOR, Instant(NOON + 300_000), rssi_min_dbm=-75, path_loss_max_db=70)
TIMES: Final = Times(NOON, Instant(NOON + 180))
GRANTED: Final = Granted(
    SessionId(bytes(range(16))),
    SessionKey(bytes(range(32))),
    TIMES,
    replace(TERMS, lock_has_it=True),
)
REFUSED: Final = Refused(RefusalCode.OUTSIDE_SCHEDULE, 3600, TIMES, DOOR)
FOR_LOCK: Final = SessionForLock(
    GRANTED.session_id, GRANTED.session_key, GUEST_ID, Instant(NOON - 5000), TERMS
)
SENDER: Final = Sender(ISK_PUBLIC.issuer_id, LEK_PUBLIC.lock_key_id, IEK_PUBLIC.iek_id)


def a_request(**changes: Any) -> request.Request:
    """What the guest asks."""
    asked = request.Request(GUEST_ID, EPH.public_key, fresh(16), NOON, 0, DOOR)
    return replace(asked, **changes)


def a_req(**changes: Any) -> bytes:
    """REQ."""
    header = RequestHeader.to(INFO, MessageType.REQ)
    return request.write(header, a_request(**changes), GSK, IEK_PUBLIC, fresh())


def an_rsp(req: bytes, said: Granted | Refused = GRANTED) -> bytes:
    """RSP."""
    return answer.write(said, req, EPH.public_key, ISK, fresh())


def asked(req: bytes) -> Asked:
    """What the guest keeps of its request."""
    return Asked(req, DOOR, EPH)


def an_enrolment(secret: InviteSecret = SECRET, label: str = "blue phone") -> Enrolling:
    """ENROLL, and what the guest keeps of it."""
    header = RequestHeader.to(INFO, MessageType.ENROLL)
    newcomer = Newcomer(GSK, EPH, fresh(16), label)
    return enroll.write(header, newcomer, secret.key(), IEK_PUBLIC, fresh())


def an_enrolled(enrolling: Enrolling, secret: InviteSecret = SECRET) -> bytes:
    """ENROLLED."""
    opened = enroll.SealedEnrolment.decode(enrolling.request).open(IEK)
    enrolment = opened.verify(secret.key())
    keys = ISK, IEK_PUBLIC
    return enrolled.write_enrolled(enrolment, enrolling.request, secret.key(), keys, fresh())


def address(seq: int = 1, **changes: Any) -> Address:
    """Where the issuer's next envelope goes."""
    ids = ISK_PUBLIC.issuer_id, LEK_PUBLIC.lock_key_id
    to = Address(*ids, EPOCH, seq, NOON, Instant(NOON + 60_000))
    return replace(to, **changes)


def an_envelope(message: DownMessage = FOR_LOCK, seq: int = 1, **changes: Any) -> bytes:
    """An envelope from the issuer to the lock."""
    return envelope.write(address(seq, **changes), message, fresh(), LEK_PUBLIC, ISK)


def a_gate() -> Gate:
    """The lock's gate after a boot."""
    return Gate(GateKeys(DOOR, LEK, ISK_PUBLIC), EPOCH)


def a_report(message: UpMessage) -> bytes:
    """What the lock says."""
    return up.write(SENDER, message, DOOR, (LSK, IEK_PUBLIC), fresh())


def a_v2_session(number: int = 0, **terms: Any) -> Session:
    """The session at the lock, on changed terms; any signal is strong enough for it."""
    changed = replace(TERMS, **{"rssi_min_dbm": -128, "path_loss_max_db": 0, **terms})
    session_id = SessionId(number.to_bytes(16, "big"))
    return replace(FOR_LOCK, session_id=session_id, terms=changed).session()


def advert(session: Session, now: Instant, shift: int = 0, **presented: Any) -> bytes:
    """What the guest of `session` has on the air then, who presents itself so."""
    tokens = V2Tokens(
        session.session_id, FOR_LOCK.session_key, session.lock_id, Presented(**presented)
    )
    return tokens.token(Slot(session.slot_at(now) + shift)).reveal()


def at_noon(session: Session, **presented: Any) -> bytes:
    """What its guest has on the air at noon."""
    return advert(session, NOON, **presented)
