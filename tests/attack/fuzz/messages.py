"""Readers of what comes over the air and from the broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.instants import Instant
from blelockd.protocol.v1 import answer as v1_answer
from blelockd.protocol.v1 import chunks
from blelockd.protocol.v1.envelope import Envelope as V1Envelope
from blelockd.protocol.v1.request import Request as V1Request
from blelockd.protocol.v2 import answer, down, enrolled
from blelockd.protocol.v2.answer import Granted, Refused
from blelockd.protocol.v2.answer_frames import MOST_FITTING, MOST_KEPT, AnswerFrames
from blelockd.protocol.v2.down import DownType
from blelockd.protocol.v2.enroll import Enrolment, SealedEnrolment
from blelockd.protocol.v2.envelope import Envelope
from blelockd.protocol.v2.frames import MOST_CONNECTIONS, Reassembler
from blelockd.protocol.v2.frames import frames as cut
from blelockd.protocol.v2.gate import Taken
from blelockd.protocol.v2.headers import Denied
from blelockd.protocol.v2.info import Info
from blelockd.protocol.v2.reports import UpType, decode_body
from blelockd.protocol.v2.request import Request, SealedRequest
from blelockd.protocol.v2.up import Report
from blelockd.protocol.verdict import Admit
from blelockd.protocol.verifier import Rules, Verifier
from tests.attack import damage
from tests.attack.fuzz.taking import published, taken_by
from tests.fakes import enrolled as cast
from tests.fakes.bare_lock import LONG_AGO, PHONE
from tests.fakes.clock import NOON
from tests.fakes.keys import GUEST, ISSUER, LOCK, vectors
from tests.fakes.sessions import a_session, token_at

DOCUMENTED: Final = (Malformed, Unauthentic, Denied, v1_answer.Denied)


def _same_again(decode: Callable[[bytes], Any]) -> Callable[[bytes], object]:
    """What a body says has one form only."""

    def reader(body: bytes) -> object:
        message = decode(body)
        assert message.encode() == body, "two forms of one message"
        return message

    return reader


# --- frames --------------------------------------------------------------------------------------


def frames(raw: bytes) -> bool:
    """`length u8 | connection u8 | frame`, again and again, at both sides of a connection."""
    issuer, guest = Reassembler(), AnswerFrames()
    took, at, seconds = False, 0, 0.0
    while at + 2 <= len(raw):
        size, connection = raw[at], raw[at + 1]
        frame = raw[at + 2 : at + 2 + size]
        at, seconds = at + 2 + size, seconds + (connection >> 3) / 8
        messages = []
        with suppress(Malformed):
            messages += [issuer.feed(str(connection & 7), frame, seconds)]
        with suppress(Malformed):
            messages += [complete.message for complete in guest.put(frame, seconds)]
        took = took or any(messages)
        assert all(message is None or 1 <= len(message) <= 1024 for message in messages)
        assert len(messages) <= 1 + MOST_FITTING
        assert len(issuer) <= MOST_CONNECTIONS
        assert len(guest) <= MOST_KEPT
    return took


def seeds_of_frames() -> Iterator[bytes]:
    """Every published message, in frames of several sizes."""
    for message in published(""):
        if len(message) <= 1024:
            for size in (23, 100, 244):
                if -(-len(message) // (size - 4)) <= 64:
                    yield b"".join(bytes([len(f), 1]) + f for f in cut(message, size))


# --- guest and issuer ----------------------------------------------------------------------------


def requests(raw: bytes) -> bool:
    """At the issuer: the messages, and what would stand under their seals."""
    readers = (
        damage.at_the_issuer,
        damage.at_the_enrolment,
        lambda it: SealedRequest.decode(it).open(cast.IEK),
        lambda it: SealedEnrolment.decode(it).open(cast.IEK),
        enrolled.decode_card_request,
        _same_again(Request.decode),
        _same_again(Enrolment.decode),
    )
    return taken_by(raw, readers, DOCUMENTED)


def seeds_of_requests() -> Iterator[bytes]:
    """Messages and bodies."""
    yield from published("REQ", "ENROLL", "ASK")
    yield from (damage.REQ, damage.ENROLLING.request, damage.ASK_CARD, cast.a_request().encode())
    opened = SealedEnrolment.decode(damage.ENROLLING.request).open(cast.IEK)
    yield opened.verify(cast.SECRET.key()).encode()


def answers(raw: bytes) -> bool:
    """At the guest."""
    readers = (
        damage.at_the_guest,
        damage.at_the_newcomer,
        lambda it: enrolled.read_card(it, damage.ASK_CARD, cast.INFO),
        lambda it: answer.read(it, cast.asked(damage.REQ), cast.ISK_PUBLIC),
        _same_again(Info.decode),
        _same_again(Granted.decode),
        _same_again(Refused.decode),
    )
    return taken_by(raw, readers, DOCUMENTED)


def seeds_of_answers() -> Iterator[bytes]:
    """Messages and bodies."""
    yield from published("INFO", "RSP", "CARD")
    yield from (damage.MESSAGES[name][0] for name in ("RSP", "RSP refused", "ENROLLED"))
    yield from (cast.GRANTED.encode(), cast.REFUSED.encode(), cast.INFO.encode())
    yield enrolled.write_card(damage.ASK_CARD, cast.ISSUER_CARD)


# --- issuer and lock -----------------------------------------------------------------------------


def envelopes(raw: bytes) -> bool:
    """The gate, which never raises, and the bodies of every type."""
    took = isinstance(cast.a_gate().take(raw, NOON), Taken)
    readers = (
        Envelope.decode,
        *(_same_again(partial(down.decode, kind)) for kind in DownType),
    )
    return taken_by(raw, readers, DOCUMENTED) or took


def seeds_of_envelopes() -> Iterator[bytes]:
    """Envelopes and bodies."""
    for message in damage.DOWN:
        yield damage.MESSAGES[type(message).TYPE.name][0]
        yield message.encode()


def reports(raw: bytes) -> bool:
    """At the issuer: what a lock says, and the bodies of every type."""
    readers = (
        damage.at_the_broker,
        Report.decode,
        *(_same_again(partial(decode_body, kind)) for kind in UpType),
    )
    return taken_by(raw, readers, DOCUMENTED)


def seeds_of_reports() -> Iterator[bytes]:
    """Messages and bodies."""
    for message in damage.REPORTS:
        yield damage.MESSAGES[type(message).TYPE.name][0]
        yield message.encode()


# --- the door ------------------------------------------------------------------------------------

_V2: Final = [
    cast.a_v2_session(1),
    cast.a_v2_session(2, intent_required=True, challenge_mode=True),
    cast.a_v2_session(3, rssi_min_dbm=-60, path_loss_max_db=40, max_uses=1),
]
_V1: Final = a_session()


def adverts(raw: bytes) -> bool:
    """`rssi i8 | hours after noon u8 | payload`, at a lock with four sessions. Never raises."""
    verifier = Verifier(Rules(), LONG_AGO)
    verifier.challenges = (bytes(8), b"challnge")
    for session in (*_V2, _V1):
        verifier.learn(session, NOON)
    rssi_dbm = int.from_bytes(raw[:1], "big", signed=True)
    now = Instant(NOON + raw[1:2][0] * 1000) if raw[1:2] else NOON
    verifier.advance(now, 100)
    heard = None if rssi_dbm == -128 else rssi_dbm
    verdict = verifier.judge(raw[2:], heard, str(PHONE), now)
    return isinstance(verdict, Admit)


def seeds_of_adverts() -> Iterator[bytes]:
    """The tokens of these sessions."""
    near_at_noon = b"\xce\x00"
    yield from (near_at_noon + cast.at_noon(session) for session in _V2)
    yield near_at_noon + cast.at_noon(_V2[1], intent=True, challenge=b"challnge")
    yield near_at_noon + token_at(_V1, NOON)


# --- version 1 -----------------------------------------------------------------------------------


def version_1(raw: bytes) -> bool:
    """All of its readers."""
    reassembler = chunks.Reassembler(4)
    readers = (
        V1Request.decode,
        V1Envelope.decode,
        lambda it: v1_answer.decode(it, None, None),
        lambda it: v1_answer.decode(it, GUEST, ISSUER.public_key),
        lambda it: reassembler.feed("guest", it, 0.0),
        _opened_envelope,
    )
    return taken_by(raw, readers, DOCUMENTED)


def _opened_envelope(raw: bytes) -> object:
    envelope = V1Envelope.decode(raw)
    envelope.verify(ISSUER.public_key)
    return envelope.open_sealed(LOCK, 3000)


def seeds_of_version_1() -> Iterator[bytes]:
    """The published messages."""
    for name in ("requests", "envelopes", "answers"):
        yield from (vector["message"].encode() for vector in vectors(name))
    yield from (frame.encode() for vector in vectors("chunks") for frame in vector["frames"])
