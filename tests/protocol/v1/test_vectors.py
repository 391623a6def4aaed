"""The published messages: the seed's way of reading them and ours agree, value by value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from blelockd.protocol.errors import Unauthentic
from blelockd.protocol.ids import BluetoothAddress, LockId
from blelockd.protocol.instants import MS_PER_SECOND, from_unix_seconds
from blelockd.protocol.v1 import answer, chunks
from blelockd.protocol.v1.answer import Denied
from blelockd.protocol.v1.envelope import Envelope
from blelockd.protocol.v1.request import Request
from tests.fakes import seed
from tests.fakes.keys import GUEST, ISSUER, LOCK, LOCK_ID, PEMS, STRANGER, vectors

REQUESTS, ANSWERS = vectors("requests"), vectors("answers")
CHUNKS, ENVELOPES = vectors("chunks"), vectors("envelopes")
GRANTED = [vector for vector in ANSWERS if '"ok"' in vector["message"]]
DENIED = [vector for vector in ANSWERS if '"ok"' not in vector["message"]]
SLOT_MS = 5000


def name(vector: dict[str, Any]) -> str:
    return str(vector["what"])


@pytest.mark.parametrize("vector", REQUESTS, ids=name)
def test_a_request_reads_and_writes_as_published(vector: dict[str, Any]) -> None:
    raw = vector["message"].encode()
    request = Request.decode(raw)
    assert request.encode() == raw
    body = json.loads(raw)
    assert request.lock_id == LockId(body["lock_id"])
    assert request.client_time == body.get("client_time")
    assert request.client_id == body.get("client_id")
    mac = body.get("phone_mac")
    assert request.phone_mac == (mac and BluetoothAddress(mac))
    key = body.get("unlocker_public_key")
    assert request.unlocker_public_key == (key and GUEST.public_key)


@pytest.mark.parametrize("vector", GRANTED, ids=name)
def test_an_answer_reads_as_the_seeds_guest_reads_it(vector: dict[str, Any]) -> None:
    raw = vector["message"].encode()
    theirs = seed.SeedGuest(
        seed.private_key(PEMS["guest"]), seed.private_key(PEMS["issuer"]).public_key()
    ).understand(raw)
    pinned = ISSUER.public_key if "payload" in json.loads(raw) else None
    ours = answer.decode(raw, GUEST, pinned)
    assert ours.members() == {k: v for k, v in theirs.items() if k != "status"}
    if pinned is None:
        assert answer.encode_plain(ours) == raw


@pytest.mark.parametrize("vector", DENIED, ids=name)
def test_a_denial_reads_and_writes_as_published(vector: dict[str, Any]) -> None:
    raw = vector["message"].encode()
    assert answer.encode_denial(vector["what"]) == raw
    with pytest.raises(Denied) as caught:
        answer.decode(raw, GUEST, ISSUER.public_key)
    assert caught.value.code == vector["what"]


@pytest.mark.parametrize("vector", ENVELOPES, ids=name)
def test_an_envelope_opens_as_the_seeds_lock_opens_it(vector: dict[str, Any]) -> None:
    raw = vector["message"].encode()
    theirs = seed.SeedLock(
        "lock_01",
        seed.private_key(PEMS["lock"]),
        seed.private_key(PEMS["issuer"]).public_key(),
        SLOT_MS // MS_PER_SECOND,
    )
    theirs.on_message(raw)
    message = Envelope.decode(raw)
    message.verify(ISSUER.public_key)
    session = message.open_sealed(LOCK, SLOT_MS)
    assert theirs.session["session_key"].hex() == vector["session_key"]
    assert session.lock_id == LOCK_ID
    assert session.not_after == theirs.session["expiry"] * MS_PER_SECOND
    assert session.clock_offset_ms == theirs.session.get("clock_offset", 0) * MS_PER_SECOND
    assert session.bound_address == (
        BluetoothAddress(theirs.session["phone_mac"]) if "phone_mac" in theirs.session else None
    )
    for later in (0, 4, 5, 100, 299):
        now = 1_700_000_000 + later
        slot = session.slot_at(from_unix_seconds(now))
        assert theirs.accepts(session.scheme.token(slot).reveal(), now)
    with pytest.raises(Unauthentic):
        message.verify(STRANGER.public_key)


@pytest.mark.parametrize("vector", CHUNKS, ids=lambda v: v["id"])
def test_chunks_make_the_published_message(vector: dict[str, Any]) -> None:
    message = vector["message"].encode()
    frames = [frame.encode() for frame in vector["frames"]]
    receiver = chunks.Reassembler()
    assert [receiver.feed("guest", frame, 0.0) for frame in frames[:-1]] == [None] * (
        len(frames) - 1
    )
    assert receiver.feed("guest", frames[-1], 0.0) == message
    if len(frames) > 1:
        assert chunks.frames(message, max(map(len, frames))) == frames


@pytest.mark.parametrize("vector", [*REQUESTS, *ANSWERS, *ENVELOPES], ids=name)
def test_a_published_message_is_what_every_json_writer_makes_of_it(vector: dict[str, Any]) -> None:
    assert seed.dump(json.loads(vector["message"])) == vector["message"].encode()


def test_the_test_keys_say_loudly_that_they_are() -> None:
    assert PEMS["warning"].startswith("TEST KEYS.")
    assert [name for name in PEMS if name != "warning"] == ["issuer", "lock", "guest", "stranger"]
    for key in (ISSUER, LOCK, GUEST, STRANGER):
        assert key.bits == 2048


def test_every_signature_has_the_longest_salt() -> None:
    """RFC 8017, 9.1.1: emLen - hLen - 2. Older verifiers of the seed accept no other."""
    longest = padding.PSS(padding.MGF1(hashes.SHA256()), 2048 // 8 - 32 - 2)
    key = seed.private_key(PEMS["issuer"])
    key.public_key().verify(ISSUER.sign(b"signed"), b"signed", longest, hashes.SHA256())
    ISSUER.public_key.verify(key.sign(b"signed", longest, hashes.SHA256()), b"signed")
