"""Whatever bytes a parser is given: a value or a documented error, and nothing else is raised."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.v2 import answer, enrolled, frames
from blelockd.protocol.v2.cards import IssuerCard, LockCard
from blelockd.protocol.v2.ec_keys import (
    EphemeralKey,
    GuestSigningKey,
    GuestSigningPublic,
    IssuerSealPublic,
)
from blelockd.protocol.v2.enroll import Enrolment, SealedEnrolment
from blelockd.protocol.v2.envelope import Envelope
from blelockd.protocol.v2.gate import Dropped
from blelockd.protocol.v2.headers import Denied, RequestHeader
from blelockd.protocol.v2.info import Info
from blelockd.protocol.v2.invites import InviteSecret
from blelockd.protocol.v2.request import Request, SealedRequest
from blelockd.protocol.v2.rsa_keys import IssuerSigningKey, IssuerSigningPublic, LockSealPublic
from blelockd.protocol.v2.up import Report
from tests.fakes import enrolled as cast
from tests.fakes.clock import NOON

REQ: Final = cast.a_req()
ENROLLING: Final = cast.an_enrolment()
ASKING: Final = enrolled.write_card_request(cast.INFO)
PARSERS: Final[dict[str, Callable[[bytes], object]]] = {
    "answer": lambda raw: answer.read(raw, cast.asked(REQ), cast.ISK_PUBLIC),
    "card": lambda raw: enrolled.read_card(raw, ASKING, cast.INFO),
    "card request": enrolled.decode_card_request,
    "enrolled": lambda raw: enrolled.read_enrolled(raw, ENROLLING, None),
    "enrolment": lambda raw: SealedEnrolment.decode(raw).open(cast.IEK),
    "enrolment body": Enrolment.decode,
    "envelope": Envelope.decode,
    "frame": lambda raw: frames.Reassembler().feed("guest", raw, 0.0),
    "header": RequestHeader.decode,
    "info": Info.decode,
    "issuer card": IssuerCard.decode,
    "lock card": LockCard.decode,
    "point": IssuerSealPublic,
    "rsa key": IssuerSigningPublic,
    "rsa key file": IssuerSigningKey.from_pem,
    "ec key file": GuestSigningKey.from_pem,
    "report": lambda raw: Report.decode(raw).open(cast.DOOR, cast.LSK_PUBLIC, cast.IEK),
    "request": lambda raw: SealedRequest.decode(raw).open(cast.IEK),
    "request body": Request.decode,
    "secret": InviteSecret,
    "seed": EphemeralKey.derive,
}
BEGINNINGS: Final = st.sampled_from(
    [
        b"",
        REQ[:40],
        ENROLLING.request[:100],
        cast.an_envelope()[:70],
        cast.a_request().encode()[:111],
        cast.LOCK_CARD.encode()[:440],
        cast.ISK_PUBLIC.spki[:40],
        cast.an_rsp(REQ)[:90],
        cast.an_enrolled(ENROLLING)[:90],
        ASKING,
        cast.INFO.encode()[:30],
        b"-----BEGIN PRIVATE " + b"KEY-----\n",
        b"\x81\x00\x00\x04",
    ]
)
TAILS: Final = st.binary(max_size=1000) | st.binary(max_size=40)


@pytest.mark.parametrize("name", PARSERS)
@given(BEGINNINGS, TAILS)
def test_any_bytes_are_a_value_or_a_documented_error(
    name: str, beginning: bytes, tail: bytes
) -> None:
    with contextlib.suppress(Malformed, Unauthentic, Denied):
        PARSERS[name](beginning + tail)


@given(BEGINNINGS, TAILS)
@example(b"", bytes(4096))
@example(b"", bytes(4097))
@example(b"\xff", b"\xfe")
def test_the_gate_drops_any_bytes(beginning: bytes, tail: bytes) -> None:
    gate = cast.a_gate()
    dropped = gate.take(beginning + tail, NOON)
    assert isinstance(dropped, Dropped)
    assert dropped.ack is None
    assert gate.last_seq == 0


@pytest.mark.parametrize("kind", [IssuerSigningPublic, LockSealPublic, GuestSigningPublic])
def test_a_key_of_another_kind_is_refused_by_its_length(kind: type) -> None:
    for raw in (cast.ISK_PUBLIC.spki, cast.GSK_PUBLIC.raw, b""):
        if (kind is GuestSigningPublic) is not (len(raw) == 65) or not raw:
            with pytest.raises(Malformed):
                kind(raw)
