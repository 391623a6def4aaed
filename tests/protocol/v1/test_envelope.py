"""The session for the lock: what was signed is what was received, or it is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import BluetoothAddress, LockId
from blelockd.protocol.instants import from_unix_seconds
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.v1 import envelope
from blelockd.protocol.v1.answer import Grant
from blelockd.protocol.v1.envelope import LARGEST_ENVELOPE_BYTES, Envelope, session_at_lock
from tests.fakes import seed
from tests.fakes.keys import ISSUER, LOCK, LOCK_ID, STRANGER
from tests.fakes.sessions import SLOT_MS

MAC = BluetoothAddress("AA:BB:CC:DD:EE:FF")
GRANT = Grant(SessionKey(bytes(range(32))), 1_700_000_300, "AAAAAAAAAAA=", MAC, -30)
RAW = envelope.seal(LOCK_ID, GRANT, LOCK.public_key, ISSUER)
NAMES = ("device_id", "session_key", "expiry", "nonce", "phone_mac", "clock_offset", "signature")
ANY_MEMBER = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60)


def changed(**members: object) -> bytes:
    """The message with members changed; None takes one out."""
    body: dict[str, Any] = {**json.loads(RAW), **members}
    return seed.dump({name: value for name, value in body.items() if value is not None})


def test_the_lock_gets_the_session_that_was_granted() -> None:
    message = Envelope.decode(RAW)
    message.verify(ISSUER.public_key)
    session = message.open_sealed(LOCK, SLOT_MS)
    granted = session_at_lock(LOCK_ID, GRANT, SLOT_MS)
    assert session.session_id == granted.session_id
    assert (message.device_id, session.lock_id) == (LOCK_ID, LOCK_ID)
    assert message.not_after == session.not_after == from_unix_seconds(1_700_000_300)
    assert message.clock_offset_ms == session.clock_offset_ms == -30_000
    assert session.bound_address == MAC


def test_a_session_without_address_and_offset_has_none() -> None:
    grant = Grant(GRANT.session_key, GRANT.expiry, GRANT.nonce)
    message = Envelope.decode(envelope.seal(LOCK_ID, grant, LOCK.public_key, ISSUER))
    session = message.open_sealed(LOCK, SLOT_MS)
    assert (message.clock_offset_ms, session.clock_offset_ms, session.bound_address) == (0, 0, None)


def test_the_members_stand_in_the_seeds_order() -> None:
    assert tuple(json.loads(RAW)) == NAMES
    assert seed.dump(json.loads(RAW)) == RAW


@given(st.binary(max_size=300))
@example(b"\xff\xfe")
@example(b"[]")
@example(b"null")
@example(b'{"signature":5}')
@example(b"[" * 200_000)
@example(b'{"a":' + b"[" * 900 + b"]" * 900 + b',"signature":"AAAA"}')
def test_any_bytes_are_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        Envelope.decode(raw)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(NAMES), ANY_MEMBER), st.booleans())
def test_any_members_are_an_envelope_or_malformed(members: dict[str, object], whole: bool) -> None:
    raw = changed(**members) if whole else json.dumps(members, separators=(",", ":")).encode()
    try:
        message = Envelope.decode(raw)
    except Malformed:
        return
    assert str(message.device_id) == json.loads(raw)["device_id"]
    assert abs(message.clock_offset_ms) <= 86_400_000


@settings(max_examples=400)
@given(st.integers(0, len(RAW) - 1), st.integers(0, 7))
def test_not_one_bit_of_the_message_can_be_changed(position: int, bit: int) -> None:
    flipped = bytearray(RAW)
    flipped[position] ^= 1 << bit
    with pytest.raises((Malformed, Unauthentic)):
        Envelope.decode(bytes(flipped)).verify(ISSUER.public_key)


@pytest.mark.parametrize("cut", [1, 2, 10, len(RAW) - 1])
def test_a_message_cut_short_is_malformed(cut: int) -> None:
    with pytest.raises(Malformed):
        Envelope.decode(RAW[:-cut])


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(RAW + b" ", id="a blank at the end"),
        pytest.param(b" " + RAW, id="a blank at the beginning"),
        pytest.param(RAW.replace(b',"expiry"', b', "expiry"'), id="a blank within"),
        pytest.param(RAW.replace(b"lock_01", b"lock\\u005f01"), id="another spelling"),
        pytest.param(RAW[:-1] + b',"more":1}', id="something unsigned at the end"),
        pytest.param(changed(signature=None), id="no signature"),
        pytest.param(b'{"signature":"AAAA",' + changed(signature=None)[1:], id="not at the end"),
    ],
)
def test_a_message_has_one_spelling_so_that_it_is_known_when_it_returns(raw: bytes) -> None:
    with pytest.raises(Malformed, match="not the compact JSON of a signed session"):
        Envelope.decode(raw)


def test_a_message_with_another_member_is_verified_whole() -> None:
    """The seed's lock signs a choice of members; ours all that came."""
    body = json.loads(changed(signature=None))
    body = {**body, "extra": 1}
    signature = base64.b64encode(ISSUER.sign(seed.dump(body))).decode()
    Envelope.decode(seed.dump({**body, "signature": signature})).verify(ISSUER.public_key)
    unsigned = {**json.loads(changed(signature=None)), "extra": 1}
    old = json.loads(RAW)["signature"]
    with pytest.raises(Unauthentic):
        Envelope.decode(seed.dump({**unsigned, "signature": old})).verify(ISSUER.public_key)


def test_a_message_that_is_too_large_is_not_parsed() -> None:
    with pytest.raises(Malformed, match="more than 4096 bytes"):
        Envelope.decode(changed(nonce="A" * LARGEST_ENVELOPE_BYTES))


def test_only_the_issuers_signature_counts() -> None:
    forged = envelope.seal(LOCK_ID, GRANT, LOCK.public_key, STRANGER)
    with pytest.raises(Unauthentic):
        Envelope.decode(forged).verify(ISSUER.public_key)


@pytest.mark.parametrize("inside", [b"", bytes(31), bytes(33)])
def test_whatever_is_wrong_inside_the_seal_looks_the_same(inside: bytes) -> None:
    sealed = base64.b64encode(LOCK.public_key.seal(inside)).decode()
    with pytest.raises(Unauthentic, match="signature or seal does not verify"):
        Envelope.decode(changed(session_key=sealed)).open_sealed(LOCK, SLOT_MS)


def test_a_session_sealed_to_another_lock_cannot_be_opened() -> None:
    theirs = envelope.seal(LockId("lock_02"), GRANT, STRANGER.public_key, ISSUER)
    message = Envelope.decode(theirs)
    message.verify(ISSUER.public_key)
    with pytest.raises(Unauthentic):
        message.open_sealed(LOCK, SLOT_MS)


def test_an_envelope_prints_nothing_of_its_content() -> None:
    assert "AAAAAAAAAAA=" not in repr(Envelope.decode(RAW))
