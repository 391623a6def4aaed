"""The issuer's answer: taken whole and signed, or refused; a denial says what the issuer said."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import BluetoothAddress
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.v1 import answer
from blelockd.protocol.v1.answer import Denied, Grant
from tests.fakes import seed
from tests.fakes.keys import GUEST, ISSUER, STRANGER

MAC = BluetoothAddress("AA:BB:CC:DD:EE:FF")
GRANT = Grant(SessionKey(bytes(range(32))), 1_700_000_300, "AAAAAAAAAAA=", MAC, -30)
GRANTS = st.builds(
    Grant,
    st.binary(min_size=32, max_size=32).map(SessionKey),
    st.integers(0, 1 << 35),
    st.binary(min_size=8, max_size=8).map(lambda raw: base64.urlsafe_b64encode(raw).decode()),
    st.none() | st.just(MAC),
    st.none() | st.integers(-86_400, 86_400),
)
ANY_MEMBER = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60)
NAMES = ("status", "message", "session_key", "expiry", "nonce", "phone_mac", "clock_offset")


def sealed(grant: Grant = GRANT, **changed: object) -> bytes:
    """Our issuer's sealed answer, with members changed; None takes one out."""
    raw = answer.encode_sealed(grant, "default", GUEST.public_key, ISSUER)
    body: dict[str, Any] = json.loads(raw)
    body.update(changed)
    return seed.dump({name: value for name, value in body.items() if value is not None})


@given(GRANTS)
def test_a_plain_grant_comes_back_as_it_went(grant: Grant) -> None:
    assert answer.decode(answer.encode_plain(grant), None, None) == grant


@settings(max_examples=25)
@given(GRANTS)
def test_a_sealed_grant_comes_back_as_it_went(grant: Grant) -> None:
    raw = answer.encode_sealed(grant, "default", GUEST.public_key, ISSUER)
    assert answer.decode(raw, GUEST, ISSUER.public_key) == grant
    assert answer.decode(raw, GUEST, None) == grant
    assert base64.b64encode(grant.session_key.reveal()) not in raw


@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"[" * 8000)
def test_any_bytes_are_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        answer.decode(raw, GUEST, ISSUER.public_key)


@given(
    st.dictionaries(st.sampled_from(NAMES), ANY_MEMBER | st.just("ok")),
    st.booleans(),
)
@example({"status": "error", "message": "\ud800\x1b[31m"}, False)
def test_any_members_are_a_grant_or_refused(members: dict[str, object], pinned: bool) -> None:
    issuer = ISSUER.public_key if pinned else None
    raw = json.dumps(members).encode()
    code = ""
    try:
        grant = answer.decode(raw, GUEST, issuer)
    except Denied as denied:
        code = denied.code
    except (Malformed, Unauthentic):
        return
    if code:
        assert members.get("status") != "ok"
        assert code.isascii()
        assert code.isprintable()
        assert len(code) <= 200
    else:
        assert not pinned
        assert answer.decode(answer.encode_plain(grant), None, None) == grant


@settings(max_examples=60)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: ANY_MEMBER | st.dictionaries(st.text(max_size=3), ANY_MEMBER)
            for name in ("client_id", "payload", "signature", "encryption")
        },
    )
)
def test_any_change_of_a_sealed_answer_is_refused_or_harmless(changed: dict[str, object]) -> None:
    try:
        grant = answer.decode(sealed(GRANT, **changed), GUEST, ISSUER.public_key)
    except (Malformed, Unauthentic):
        return
    assert grant == GRANT


@pytest.mark.parametrize("code", ["invalid_request", "Unknown lock id lock_99", "busy"])
def test_a_denial_says_what_the_issuer_said(code: str) -> None:
    assert answer.encode_denial(code) == seed.dump({"status": "error", "message": code})
    with pytest.raises(Denied) as caught:
        answer.decode(answer.encode_denial(code), None, ISSUER.public_key)
    assert caught.value.code == code


def test_a_denial_cannot_paint_the_terminal() -> None:
    with pytest.raises(Denied) as caught:
        answer.decode(seed.dump({"status": "error", "message": "a\x1b[31m\né"}), None, None)
    assert caught.value.code == "a?[31m??"


@pytest.mark.parametrize("body", [{}, {"status": "error"}, {"status": 5, "message": 5}])
def test_an_answer_that_is_neither_is_malformed(body: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        answer.decode(seed.dump(body), None, None)


def test_an_answer_in_plain_sight_is_refused_when_the_issuer_is_pinned() -> None:
    plain = answer.encode_plain(GRANT)
    assert answer.decode(plain, GUEST, None) == GRANT
    with pytest.raises(Unauthentic, match="not signed"):
        answer.decode(plain, GUEST, ISSUER.public_key)


def test_a_stripped_signature_is_refused_when_the_issuer_is_pinned() -> None:
    with pytest.raises(Malformed, match="signature"):
        answer.decode(sealed(signature=None), GUEST, ISSUER.public_key)


def test_another_issuers_signature_is_refused_when_the_issuer_is_pinned() -> None:
    forged = answer.encode_sealed(GRANT, "default", GUEST.public_key, STRANGER)
    with pytest.raises(Unauthentic):
        answer.decode(forged, GUEST, ISSUER.public_key)


def test_an_answer_for_another_guest_cannot_be_opened() -> None:
    theirs = answer.encode_sealed(GRANT, "default", STRANGER.public_key, ISSUER)
    with pytest.raises(Unauthentic):
        answer.decode(theirs, GUEST, ISSUER.public_key)


def test_a_sealed_answer_that_nobody_asked_for_is_refused() -> None:
    with pytest.raises(Malformed, match="no key was offered"):
        answer.decode(sealed(), None, None)


def test_a_seal_of_an_unknown_kind_is_not_tried() -> None:
    with pytest.raises(Malformed, match="unknown way"):
        answer.decode(sealed(encryption={"algorithm": "RSA-OAEP", "hash": "SHA1"}), GUEST, None)


def test_the_largest_grant_fits_the_smallest_key() -> None:
    largest = Grant(GRANT.session_key, (1 << 46) // 1000, GRANT.nonce, MAC, -86_400)
    raw = answer.encode_sealed(largest, "default", GUEST.public_key, ISSUER)
    assert answer.decode(raw, GUEST, ISSUER.public_key) == largest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("session_key", "AAAA"),
        ("session_key", base64.b64encode(bytes(33)).decode()),
        ("expiry", "1700000300"),
        ("expiry", 1.5),
        ("expiry", -1),
        ("expiry", 10**400),
        ("nonce", ""),
        ("nonce", "not base64"),
        ("nonce", "A" * 68),
        ("phone_mac", "phone"),
        ("clock_offset", 86_401),
        ("clock_offset", 0.5),
        ("clock_offset", 10**400),
    ],
)
def test_a_grant_with_an_impossible_member_is_malformed(name: str, value: object) -> None:
    body = {"status": "ok", **GRANT.members(), name: value}
    with pytest.raises(Malformed):
        answer.decode(json.dumps(body).encode(), None, None)


def test_a_grant_prints_neither_key_nor_nonce() -> None:
    assert "AAAAAAAAAAA=" not in repr(GRANT)
    assert "AAECAwQF" not in repr(GRANT)
    assert "<SessionKey 32 bytes>" in repr(GRANT)
