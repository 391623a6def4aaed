"""What the guest believes of an answer: its issuer's word on its own request, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.v2 import answer
from blelockd.protocol.v2.answer import Granted, RefusalCode, Refused, Times
from blelockd.protocol.v2.ec_keys import EphemeralKey
from blelockd.protocol.v2.guest_clock import IssuerTime
from blelockd.protocol.v2.headers import (
    Denied,
    NotForUs,
    denied,
)
from blelockd.protocol.v2.terms import LOCK_HAS_IT, Terms
from blelockd.protocol.v2.wire import Reader
from tests.fakes import enrolled as cast
from tests.fakes.clock import NOON

REQ: Final = cast.a_req()


LOCK_IDS: Final = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", fullmatch=True)


@pytest.mark.parametrize("code", RefusalCode)
def test_every_refusal_arrives_and_is_as_long_as_a_grant(code: RefusalCode) -> None:
    refused = Refused(code, 7, cast.TIMES, cast.DOOR)
    raw = cast.an_rsp(REQ, refused)
    assert answer.read(raw, cast.asked(REQ), cast.ISK_PUBLIC) == refused
    assert len(raw) == len(cast.an_rsp(REQ)) == 567 + len(str(cast.DOOR))


MADE: Final = st.tuples(
    st.integers(1000, 60_000),
    st.integers(0, 3),
    st.integers(0, 1),
    st.integers(-128, 20),
    st.integers(0, 255),
    st.integers(0, 65535),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)


@given(MADE, LOCK_IDS)
def test_terms_arrive_as_they_were_made(made: Any, lock_id: str) -> None:
    *numbers, flags = made
    terms = Terms(LockId(lock_id), NOON, *numbers, *flags)
    granted = replace(cast.GRANTED, terms=terms)
    assert Granted.decode(granted.encode()) == granted
    assert len(terms.encode()) == 18 + len(lock_id)


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, 0xFF), (8, 0), (8, 0xFF), (10, 4), (11, 2), (12, 21), (14, 8), (14, 0x80), (17, 0)],
)
def test_terms_that_no_issuer_makes_are_refused(at: int, value: int) -> None:
    raw = cast.TERMS.encode()
    with pytest.raises(Malformed):
        Terms.take(Reader(raw[:at] + bytes([value]) + raw[at + 1 :]), LOCK_HAS_IT)


def test_the_lock_is_not_told_that_it_has_the_session() -> None:
    raw = cast.GRANTED.terms.encode()
    assert Terms.take(Reader(raw), LOCK_HAS_IT).lock_has_it
    with pytest.raises(Malformed, match="no meaning"):
        Terms.take(Reader(raw), 0)


def test_the_guest_believes_its_own_issuer_about_its_own_request_only() -> None:
    raw, asked = cast.an_rsp(REQ), cast.asked(REQ)
    assert answer.read(raw, asked, cast.ISK_PUBLIC) == cast.GRANTED
    with pytest.raises(Unauthentic):
        answer.read(raw, asked, cast.OTHER_ISK.public_key)
    with pytest.raises(NotForUs):
        answer.read(raw, cast.asked(cast.a_req()), cast.ISK_PUBLIC)
    with pytest.raises(Unauthentic):
        answer.read(
            raw, replace(asked, ephemeral=EphemeralKey.derive(cast.fresh())), cast.ISK_PUBLIC
        )
    with pytest.raises(Unauthentic, match="another lock"):
        answer.read(raw, replace(asked, lock_id=cast.OTHER_DOOR), cast.ISK_PUBLIC)


@pytest.mark.parametrize("name", ["Z", "Z" * 32])
def test_answers_about_the_shortest_and_the_longest_name_arrive(name: str) -> None:
    granted = replace(cast.GRANTED, terms=replace(cast.TERMS, lock_id=LockId(name)))
    granted = replace(granted, times=Times(NOON, NOON))  # answered within the millisecond
    asked = replace(cast.asked(REQ), lock_id=LockId(name))
    assert answer.read(cast.an_rsp(REQ, granted), asked, cast.ISK_PUBLIC) == granted


def test_terms_that_say_little_are_the_usual_ones() -> None:
    raw = Terms(cast.DOOR, NOON).encode()
    assert raw[8:18] == b"\x0b\xb8\1\0\x80\0\0\0\0\x0d"
    assert Terms.take(Reader(raw), 0) == Terms(cast.DOOR, NOON)


def test_an_answer_to_another_request_does_not_open_under_this_ones_name() -> None:
    other = cast.a_req()
    raw = cast.an_rsp(other)
    named = raw[:4] + denied(REQ)[4:] + raw[20:]
    with pytest.raises(Unauthentic):
        answer.read(named, cast.asked(REQ), cast.ISK_PUBLIC)


def test_a_grant_that_was_sealed_by_a_stranger_is_not_believed() -> None:
    """Everybody can seal to the guest's key who has seen it; only the issuer can sign."""
    raw = answer.write(cast.GRANTED, REQ, cast.EPH.public_key, cast.OTHER_ISK, cast.fresh())
    with pytest.raises(Unauthentic):
        answer.read(raw, cast.asked(REQ), cast.ISK_PUBLIC)


def test_a_denial_is_the_same_20_bytes_for_every_cause() -> None:
    assert len(denied(REQ)) == 20
    assert denied(REQ) == b"\2\2\1\1" + denied(REQ)[4:]
    with pytest.raises(Denied):
        answer.read(denied(REQ), cast.asked(REQ), cast.ISK_PUBLIC)
    with pytest.raises(NotForUs):
        answer.read(denied(b"another"), cast.asked(REQ), cast.ISK_PUBLIC)
    with pytest.raises(Malformed):
        answer.read(denied(REQ) + bytes(600), cast.asked(REQ), cast.ISK_PUBLIC)


@pytest.mark.parametrize("size", [20, 85, 567, 600])
def test_an_answer_has_the_length_of_one(size: int) -> None:
    raw = (cast.an_rsp(REQ) + bytes(64))[:size]
    with pytest.raises(Malformed, match="568 to 599"):
        answer.read(raw, cast.asked(REQ), cast.ISK_PUBLIC)


@pytest.mark.parametrize(("at", "value"), [(1, 4), (2, 2), (3, 1), (3, 3), (3, 10)])
def test_an_answer_of_another_kind_is_refused(at: int, value: int) -> None:
    raw = cast.an_rsp(REQ)
    with pytest.raises(Malformed, match="not an answer"):
        answer.read(raw[:at] + bytes([value]) + raw[at + 1 :], cast.asked(REQ), cast.ISK_PUBLIC)
    with pytest.raises(Malformed, match="version"):
        answer.read(b"\1" + raw[1:], cast.asked(REQ), cast.ISK_PUBLIC)


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        (Granted, lambda body: body + b"\0"),
        (Granted, lambda body: body[:-1]),
        (Granted, lambda body: body[:48] + body[56:64] + body[48:56] + body[64:]),
        (Refused, lambda body: body + b"\0"),
        (Refused, lambda body: b"\x09" + body[1:]),
        (Refused, lambda body: b"\x12" + body[1:]),
        (Refused, lambda body: body[:30] + b"\1" + body[31:]),
    ],
    ids=["long", "short", "times", "long no", "code 9", "code 18", "padding"],
)
def test_a_body_that_no_issuer_writes_is_refused(kind: Any, spoil: Any) -> None:
    good = cast.GRANTED if kind is Granted else cast.REFUSED
    assert kind.decode(good.encode()) == good
    with pytest.raises(Malformed):
        kind.decode(spoil(good.encode()))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_malformed(raw: bytes) -> None:
    for kind in (Granted, Refused):
        try:
            assert kind.decode(raw).encode() == raw
        except Malformed:
            continue
    with pytest.raises((Malformed, Unauthentic, Denied)):
        answer.read(cast.an_rsp(REQ)[:20] + raw * 4, cast.asked(REQ), cast.ISK_PUBLIC)


def test_no_answer_shows_its_key() -> None:
    assert bytes(range(32)).hex() not in f"{cast.GRANTED!r}"
    assert "<SessionKey 32 bytes>" in repr(cast.GRANTED)


@given(
    st.integers(-(10**12), 10**12), st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 99)
)
def test_the_guest_knows_the_issuers_time_to_half_the_round_trip(
    ahead_ms: int, there_ms: int, back_ms: int, kept_ms: int
) -> None:
    asked_ms = 10**13
    received = Instant(asked_ms + there_ms + ahead_ms)
    times = Times(received, Instant(received + kept_ms))
    answered_ms = asked_ms + there_ms + kept_ms + back_ms
    measured = IssuerTime.measured(times, asked_ms, answered_ms)
    assert abs(measured.ahead_ms - ahead_ms) <= measured.error_ms <= (there_ms + back_ms + 1) // 2
    assert measured.at(answered_ms) == answered_ms + measured.ahead_ms


def test_an_issuer_that_kept_the_request_for_longer_than_the_guest_waited_is_not_believed() -> None:
    times = Times(NOON, Instant(NOON + 1001))
    IssuerTime.measured(times, 0, 1001)
    with pytest.raises(Malformed, match="longer"):
        IssuerTime.measured(times, 0, 1000)
