"""Every bit of every message flipped, and every length: 0 accepted, and the tries are counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.v2 import answer, enrolled
from blelockd.protocol.v2.down import DownMessage, EventAck, Revoke, Sync, Time
from blelockd.protocol.v2.enroll import SealedEnrolment
from blelockd.protocol.v2.gate import Dropped, Taken
from blelockd.protocol.v2.headers import Denied, MessageType, RequestHeader
from blelockd.protocol.v2.info import Info
from blelockd.protocol.v2.reports import Ack, Event, EventType, Hello, LockStatus, Result, UpMessage
from blelockd.protocol.v2.request import SealedRequest
from blelockd.protocol.v2.trusted_time import ClockState
from blelockd.protocol.v2.up import Report
from blelockd.protocol.verifier import Admit
from tests.fakes import enrolled as cast
from tests.fakes.bare_lock import BareLock
from tests.fakes.clock import NOON
from tests.fakes.damage import every_damage

REQ: Final = cast.a_req()
ENROLLING: Final = cast.an_enrolment()
ASK_CARD: Final = enrolled.write_card_request(cast.INFO)
REPORTS: Final[list[UpMessage]] = [
    Hello(cast.EPOCH, cast.HELLO_NONCE, 5, ClockState.CONFIRMED),
    Ack(cast.EPOCH, 4, Result.APPLIED, bytes(16)),
    Event(cast.EPOCH, 9, EventType.OPENED, cast.GRANTED.session_id, 3, -50, NOON),  # type: ignore[arg-type]
    LockStatus(cast.EPOCH, 5, ClockState.LAPSED, 3, 2, 1),
]
DOWN: Final[list[DownMessage]] = [
    cast.FOR_LOCK,
    Revoke(cast.GUEST_ID),
    Time(NOON, cast.HELLO_NONCE, 900),
    Sync(cast.HELLO_NONCE, 0, 1, (cast.FOR_LOCK,)),
    EventAck(cast.EPOCH, 3),
]


def at_the_issuer(raw: bytes) -> object:
    sealed = SealedRequest.decode(raw)
    sealed.header.check_recipient(cast.INFO.issuer_id, cast.INFO.iek_id)
    if sealed.header.challenge != cast.CHALLENGE:
        raise Malformed("the challenge is not the one that was given")
    return sealed.open(cast.IEK).verify(cast.GSK_PUBLIC)


def at_the_enrolment(raw: bytes) -> object:
    sealed = SealedEnrolment.decode(raw)
    sealed.header.check_recipient(cast.INFO.issuer_id, cast.INFO.iek_id)
    return sealed.open(cast.IEK).verify(cast.SECRET.key())


def at_the_guest(raw: bytes) -> object:
    return answer.read(raw, cast.asked(REQ), cast.ISK_PUBLIC)


def at_the_newcomer(raw: bytes) -> object:
    return enrolled.read_enrolled(raw, ENROLLING, None)


def at_the_lock(raw: bytes) -> object:
    verdict = cast.a_gate().take(raw, NOON)
    if isinstance(verdict, Dropped):
        raise Unauthentic(verdict.why)
    return verdict


def at_the_broker(raw: bytes) -> object:
    report = Report.decode(raw)
    if report.sender != cast.SENDER:
        raise Malformed("from somebody else")
    return report.open(cast.DOOR, cast.LSK_PUBLIC, cast.IEK)


MESSAGES: Final[dict[str, tuple[bytes, Callable[[bytes], object]]]] = {
    "REQ": (REQ, at_the_issuer),
    "ENROLL": (ENROLLING.request, at_the_enrolment),
    "RSP": (cast.an_rsp(REQ), at_the_guest),
    "RSP refused": (cast.an_rsp(REQ, cast.REFUSED), at_the_guest),
    "ENROLLED": (cast.an_enrolled(ENROLLING), at_the_newcomer),
    **{type(m).__name__: (cast.an_envelope(m), at_the_lock) for m in DOWN},
    **{type(m).__name__: (cast.a_report(m), at_the_broker) for m in REPORTS},
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_taken_whole_or_not_at_all(name: str) -> None:
    raw, taken_by = MESSAGES[name]
    taken_by(raw)
    tried = accepted = 0
    for damaged in every_damage(raw):
        tried += 1
        try:
            taken_by(damaged)
        except (Malformed, Unauthentic, Denied):
            continue
        accepted += 1
    assert accepted == 0
    assert tried == 9 * len(raw) + 64 + 12


def test_a_token_is_taken_whole_or_not_at_all() -> None:
    session = cast.FOR_LOCK.session()
    lock = BareLock()
    lock.learn(session)
    token = session.scheme.token(session.slot_at(NOON)).reveal()
    tried = [damaged for damaged in every_damage(token) if damaged != token]
    assert not [damaged for damaged in tried if isinstance(lock.hears(damaged), Admit)]
    assert len(tried) == 9 * 20 + 64 + 12
    assert isinstance(lock.hears(token), Admit)


def test_info_that_was_damaged_brings_no_request_through() -> None:
    """INFO is not signed: but what matters of it is in the header of the request, under seal."""
    harmless = 0
    for damaged in every_damage(cast.INFO.encode()):
        try:
            info = Info.decode(damaged)
        except Malformed:
            continue
        header = RequestHeader.to(info, MessageType.REQ)
        if header == RequestHeader.to(cast.INFO, MessageType.REQ):
            assert replace(info, issuer_time=NOON, largest_message_bytes=1024) == cast.INFO
            harmless += 1
            continue
        with pytest.raises(Malformed):
            _arrives(header)
    assert harmless == 46  # the bits of a time before the year 4199


def _arrives(header: RequestHeader) -> None:
    header.check_recipient(cast.INFO.issuer_id, cast.INFO.iek_id)
    if header.challenge != cast.CHALLENGE:
        raise Malformed("the challenge is not the one that was given")


def test_a_card_that_was_damaged_is_never_the_issuers() -> None:
    """CARD is not signed: but its keys hash to what INFO names, and ENROLLED proves them."""
    raw = enrolled.write_card(ASK_CARD, cast.ISSUER_CARD)
    assert enrolled.read_card(raw, ASK_CARD, cast.INFO) == cast.ISSUER_CARD
    for damaged in every_damage(raw):
        with pytest.raises((Malformed, Denied)):
            enrolled.read_card(damaged, ASK_CARD, cast.INFO)


def test_the_gate_of_a_lock_changes_nothing_for_what_it_drops_unsigned() -> None:
    gate = cast.a_gate()
    raw = cast.an_envelope()
    for damaged in every_damage(raw):
        verdict = gate.take(damaged, NOON)
        assert isinstance(verdict, Dropped)
        assert verdict.ack is None
    assert gate.last_seq == 0
    assert isinstance(gate.take(raw, NOON), Taken)
