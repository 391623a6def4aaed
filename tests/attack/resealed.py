"""Messages that the genuine parties seal and sign, with whatever head and body an attack wants.

So nothing but the form speaks against them: what a reader must notice for itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from blelockd.protocol.v2.down import DownMessage
from blelockd.protocol.v2.headers import (
    MessageType,
    RequestHeader,
    Status,
    answer_header,
)
from blelockd.protocol.v2.reports import UpMessage
from blelockd.protocol.v2.tokens import lock_hash
from blelockd.protocol.v2.wire import digest, hkdf_expand, hkdf_extract, label, u16
from tests.attack import damage
from tests.fakes import enrolled as cast

Field = tuple[str, int]

_HEAD_OF_REQUEST: Final = (
    *(("version", 1), ("type", 1), ("suite", 1), ("flags", 1)),
    *(("issuer_id", 8), ("iek_id", 4), ("challenge", 16)),
)
_HEAD_OF_ANSWER: Final = (("version", 1), ("type", 1), ("suite", 1), ("status", 1), ("req_id", 16))
_HEAD_OF_ENVELOPE: Final = (
    *(("magic", 2), ("version", 1), ("type", 1), ("issuer_id", 8), ("lock_key_id", 8)),
    *(("epoch", 16), ("seq", 8), ("issued", 8), ("expires", 8), ("ek_len", 2), ("ct_len", 2)),
)
_HEAD_OF_REPORT: Final = (
    *(("magic", 2), ("version", 1), ("type", 1)),
    *(("issuer_id", 8), ("lock_key_id", 8), ("iek_id", 4)),
)
_TERMS: Final = (
    *(("not_after", 8), ("slot_ms", 2), ("win_back", 1), ("win_fwd", 1), ("rssi_min", 1)),
    *(("path_loss_max", 1), ("flags", 1), ("max_uses", 2), ("L", 1), ("lock_id", 13)),
)
_SESSION: Final = (
    ("session_id", 16), ("session_key", 32), ("guest_id", 16), ("not_before", 8), *_TERMS,
)  # fmt: skip
_BODIES: Final[dict[str, tuple[Field, ...]]] = {
    "REQ": (
        *(("guest_id", 16), ("eph", 65), ("nonce", 16), ("client_time", 8), ("ttl", 4)),
        *(("flags", 1), ("L", 1), ("lock_id", 13)),
    ),
    "ENROLL": (
        *(("invite_id", 8), ("GSK", 65), ("eph", 65), ("nonce", 16)),
        *(("label_len", 1), ("label", 10)),
    ),
    "RSP": (("session_id", 16), ("session_key", 32), ("t_rx", 8), ("t_tx", 8), *_TERMS),
    "RSP refused": (
        *(("code", 1), ("retry", 4), ("t_rx", 8), ("t_tx", 8), ("zeros", 60)),
        *(("L", 1), ("lock_id", 13)),
    ),
    "ENROLLED": (("guest_id", 16), ("IEK", 65), ("SPKI", 422)),
    "SESSION": _SESSION,
    "REVOKE": (("kind", 1), ("id", 16)),
    "TIME": (("now", 8), ("hello_nonce", 16), ("lease", 4)),
    "SYNC": (("hello_nonce", 16), ("part", 2), ("parts", 2), ("n", 1), *_SESSION),
    "EVENT_ACK": (("epoch", 16), ("counter", 8)),
    "HELLO": (("epoch", 16), ("hello_nonce", 16), ("last_seq", 8), ("clock_state", 1)),
    "ACK": (("epoch", 16), ("seq", 8), ("result", 1), ("envelope_id", 16)),
    "EVENT": (
        *(("epoch", 16), ("counter", 8), ("type", 1), ("session_id", 16), ("slot", 8)),
        *(("rssi", 1), ("time", 8)),
    ),
    "STATUS": (
        *(("epoch", 16), ("last_seq", 8), ("clock_state", 1), ("sessions", 2)),
        *(("waiting", 4), ("uptime", 4)),
    ),
}


@dataclass(frozen=True, slots=True)
class Made:
    """One kind of message: its genuine head and body, their fields, and how it is made of both."""

    head: bytes
    head_fields: Sequence[Field]
    body: bytes
    body_fields: Sequence[Field]
    make: Callable[[bytes, bytes], bytes]
    reader: damage.Reader

    def __post_init__(self) -> None:
        for raw, fields in ((self.head, self.head_fields), (self.body, self.body_fields)):
            if len(raw) != sum(size for _, size in fields):
                raise ValueError("the fields are not those of the message")


def _req(head: bytes, body: bytes) -> bytes:
    signed = body + cast.GSK.sign("blelock/v2/req-sig", head + body)
    return head + cast.IEK_PUBLIC.seal(cast.fresh(), label("blelock/v2/req") + head, head, signed)


def _enroll(head: bytes, body: bytes) -> bytes:
    body += cast.SECRET.key().mac(cast.CHALLENGE, head + body).reveal()
    signed = body + cast.GSK.sign("blelock/v2/enroll-sig", head + body)
    info = label("blelock/v2/enroll") + head
    return head + cast.IEK_PUBLIC.seal(cast.fresh(), info, head, signed)


def _rsp(head: bytes, body: bytes) -> bytes:
    asked = digest(damage.REQ)
    signed = body + cast.ISK.sign("blelock/v2/rsp-sig", head + asked + body)
    info = label("blelock/v2/rsp") + asked
    return head + cast.EPH.public_key.seal(cast.fresh(), info, head, signed)


def _enrolled(head: bytes, body: bytes) -> bytes:
    asked = digest(damage.ENROLLING.request)
    body += cast.SECRET.key().mac(cast.CHALLENGE, asked + body).reveal()
    signed = body + cast.ISK.sign("blelock/v2/enrolled-sig", head + asked + body)
    info = label("blelock/v2/enrolled") + asked
    return head + cast.EPH.public_key.seal(cast.fresh(), info, head, signed)


def _envelope(head: bytes, body: bytes) -> bytes:
    """With the length that it has, if the head says one."""
    if len(head) == 64:
        head = head[:-2] + u16(len(body) + 16)
    cek = cast.fresh()
    secret = hkdf_extract(hashlib.sha256(head).digest(), cek)
    key = hkdf_expand(secret, b"blelock/v2/env key", 32)
    iv = hkdf_expand(secret, b"blelock/v2/env iv", 12)
    sealed_to = head + cast.LEK_PUBLIC.seal(cek)
    sealed = sealed_to + AESGCM(key).encrypt(iv, body, sealed_to)
    return sealed + cast.ISK.sign("blelock/v2/env-sig", sealed)


def _report(head: bytes, body: bytes) -> bytes:
    info = label("blelock/v2/up") + head
    sealed = head + cast.IEK_PUBLIC.seal(cast.fresh(), info, head, body)
    return sealed + cast.LSK.sign("blelock/v2/up-sig", lock_hash(cast.DOOR) + sealed)


def _of_guest(name: str, kind: MessageType, body: bytes) -> Made:
    make = _req if kind is MessageType.REQ else _enroll
    head = RequestHeader.to(cast.INFO, kind).encode()
    return Made(head, _HEAD_OF_REQUEST, body, _BODIES[name], make, damage.MESSAGES[name][1])


def _of_issuer(name: str, kind: MessageType, status: Status, body: bytes) -> Made:
    enrols = kind is MessageType.ENROLLED
    make = _enrolled if enrols else _rsp
    head = answer_header(kind, status, damage.ENROLLING.request if enrols else damage.REQ)
    return Made(head, _HEAD_OF_ANSWER, body, _BODIES[name], make, damage.MESSAGES[name][1])


def _down(message: DownMessage) -> Made:
    name = type(message).TYPE.name
    head = damage.MESSAGES[name][0][:64]
    return Made(
        head, _HEAD_OF_ENVELOPE, message.encode(), _BODIES[name], _envelope, damage.at_the_lock
    )


def _up(message: UpMessage) -> Made:
    name = type(message).TYPE.name
    head = damage.MESSAGES[name][0][:24]
    return Made(
        head, _HEAD_OF_REPORT, message.encode(), _BODIES[name], _report, damage.at_the_broker
    )


_ENROLMENT: Final = damage.ENROLLING
_ENROLMENT_BODY: Final = (
    _ENROLMENT.invite.invite_id()
    + cast.GSK_PUBLIC.raw
    + cast.EPH.public_key.raw
    + cast.fresh(16)
    + b"\x0ablue phone"
)
_ENROLLED_BODY: Final = cast.GUEST_ID.raw + cast.IEK_PUBLIC.raw + cast.ISK_PUBLIC.spki

MADE: Final[dict[str, Made]] = {
    "REQ": _of_guest("REQ", MessageType.REQ, cast.a_request().encode()),
    "ENROLL": _of_guest("ENROLL", MessageType.ENROLL, _ENROLMENT_BODY),
    "RSP": _of_issuer("RSP", MessageType.RSP, Status.GRANTED, cast.GRANTED.encode()),
    "RSP refused": _of_issuer(
        "RSP refused", MessageType.RSP, Status.REFUSED, cast.REFUSED.encode()
    ),
    "ENROLLED": _of_issuer("ENROLLED", MessageType.ENROLLED, Status.GRANTED, _ENROLLED_BODY),
    **{type(message).TYPE.name: _down(message) for message in damage.DOWN},
    **{type(message).TYPE.name: _up(message) for message in damage.REPORTS},
}
