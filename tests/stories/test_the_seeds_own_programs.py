"""Each side swapped one at a time: the seed's issuer, guest and lock with ours beside them."""

from __future__ import annotations

import json

import pytest

from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.session import Session
from blelockd.protocol.v1 import answer, envelope
from blelockd.protocol.v1.answer import Grant
from blelockd.protocol.v1.chunks import Reassembler, frames
from blelockd.protocol.v1.envelope import Envelope, session_at_guest
from blelockd.protocol.v1.request import Request
from blelockd.protocol.verdict import Admit
from blelockd.protocol.verifier import Rules, Verifier
from tests.fakes import seed
from tests.fakes.keys import GUEST, ISSUER, LOCK, LOCK_ID, PEMS

SERVER_TIME = 1_700_000_000
INTERVAL = 5
KEY, NONCE = bytes(range(32)), "AAAAAAAAAAA="
ISSUER_RSA = seed.private_key(PEMS["issuer"])
LOCK_RSA = seed.private_key(PEMS["lock"])
GUEST_RSA = seed.private_key(PEMS["guest"])
OFFSETS = (-30, -1, 0, 2, 30)


def our_grant(request: Request) -> Grant:
    """What our issuer grants for this request (services/issuer/issuance.py does it with policy)."""
    offset = None if request.client_time is None else request.client_time - SERVER_TIME
    return Grant(SessionKey(KEY), SERVER_TIME + 300, NONCE, request.phone_mac, offset)


def our_lock_opens(message: bytes, token: bytes, now: float) -> bool:
    """Whether our lock, given that message from the broker, opens for that token."""
    received = Envelope.decode(message)
    received.verify(ISSUER.public_key)
    at = Instant(int(now * MS_PER_SECOND))
    verifier = Verifier(Rules(), Instant(at - 3_600_000))
    verifier.learn(received.open_sealed(LOCK, INTERVAL * MS_PER_SECOND), at)
    return isinstance(verifier.judge(token, -50, "C0:00:00:00:00:01", at), Admit)


def the_seeds_lock_opens(message: bytes, token: bytes, now: float) -> bool:
    """The same at the seed's lock."""
    lock = seed.SeedLock("lock_01", LOCK_RSA, ISSUER_RSA.public_key(), INTERVAL)
    lock.on_message(message)
    return lock.accepts(token, now)


def our_token(session: Session, guest_now: float) -> bytes:
    return session.scheme.token(session.slot_at(Instant(int(guest_now * 1000)))).reveal()


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("mac", [None, "AA:BB:CC:DD:EE:FF"])
def test_our_issuer_serves_the_seeds_guest_and_lock(
    offset: int, sealed: bool, mac: str | None
) -> None:
    guest = seed.SeedGuest(GUEST_RSA if sealed else None, ISSUER_RSA.public_key())
    more = {} if mac is None else {"phone_mac": mac}
    request = Request.decode(guest.request("lock_01", SERVER_TIME + offset, **more))
    grant = our_grant(request)
    message = envelope.seal(request.lock_id, grant, LOCK.public_key, ISSUER)
    if request.unlocker_public_key is None:
        reply = answer.encode_plain(grant)
    else:
        reply = answer.encode_sealed(grant, "default", request.unlocker_public_key, ISSUER)
    theirs = guest.understand(seed.join_chunks(frames(reply, 244)))
    assert theirs["session_key"] == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert (theirs["nonce"], theirs["clock_offset"]) == (NONCE, offset)
    for later in (0.0, 4.9, 5.0, 123.4):
        now = SERVER_TIME + later
        token = seed.token(KEY, theirs["nonce"], now + offset, INTERVAL)
        assert the_seeds_lock_opens(message, token, now)
        assert our_lock_opens(message, token, now)


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("sealed", [False, True])
def test_our_guest_and_lock_are_served_by_the_seeds_issuer(offset: int, sealed: bool) -> None:
    key = GUEST.public_key if sealed else None
    request = Request(LOCK_ID, SERVER_TIME + offset, None, key).encode()
    receiver = Reassembler()
    received = [receiver.feed("guest", f, 0.0) for f in frames(request, 244)][-1]
    assert received == request
    issuer = seed.SeedIssuer(ISSUER_RSA, LOCK_RSA.public_key())
    message, reply = issuer.issue(json.loads(request), SERVER_TIME, KEY, NONCE)
    whole = [receiver.feed("issuer", f, 0.0) for f in seed.in_chunks(reply)][-1]
    assert whole is not None
    pinned = ISSUER.public_key if sealed else None
    session = session_at_guest(LOCK_ID, answer.decode(whole, GUEST, pinned), INTERVAL * 1000)
    assert session.not_after == (SERVER_TIME + 300 + offset) * MS_PER_SECOND
    for later in (0.0, 4.9, 5.0, 123.4):
        now = SERVER_TIME + later
        token = our_token(session, now + offset)
        assert token == seed.token(KEY, NONCE, now + offset, INTERVAL)
        assert the_seeds_lock_opens(message, token, now)
        assert our_lock_opens(message, token, now)


def test_the_seeds_denials_reach_our_guest_and_ours_the_seeds() -> None:
    with pytest.raises(answer.Denied, match="Unknown lock id lock_99"):
        answer.decode(
            seed.dump({"status": "error", "message": "Unknown lock id lock_99"}), None, None
        )
    with pytest.raises(RuntimeError, match="clock_offset_too_large"):
        seed.SeedGuest().understand(answer.encode_denial("clock_offset_too_large"))


def test_a_client_time_with_a_fraction_gives_the_offset_that_the_seed_gives() -> None:
    said = SERVER_TIME + 2.9
    raw = seed.dump({"lock_id": "lock_01", "client_time": said})
    issuer = seed.SeedIssuer(ISSUER_RSA, LOCK_RSA.public_key())
    theirs = json.loads(issuer.issue(json.loads(raw), SERVER_TIME, KEY, NONCE)[1])
    assert our_grant(Request.decode(raw)).clock_offset == theirs["clock_offset"] == 2
