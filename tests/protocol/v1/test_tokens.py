"""The v1 token is the one in the published vectors, and a session has one name everywhere."""

from __future__ import annotations

import hashlib
import json

import pytest

from blelockd.protocol.instants import Slot
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.v1.tokens import TOKEN_BYTES, V1Tokens
from tests.fakes import seed
from tests.fakes.keys import VECTORS

V1 = json.loads((VECTORS / "tokens.json").read_text())["v1"]


@pytest.mark.parametrize("vector", V1, ids=lambda v: v["id"])
def test_the_token_is_the_published_one(vector: dict[str, str]) -> None:
    tokens = V1Tokens(SessionKey(bytes.fromhex(vector["session_key"])), vector["nonce"])
    slot = Slot(int(vector["slot"]))
    assert tokens.token(slot).reveal().hex() == vector["token"]
    assert tokens.index_key(slot) == tokens.token(slot).reveal()
    assert len(tokens.index_key(slot)) == TOKEN_BYTES


def test_our_token_is_the_one_the_seeds_guests_advertise() -> None:
    key, nonce = bytes(range(32)), "3q2-78r-uq8="
    ours = V1Tokens(SessionKey(key), nonce)
    for interval in (3, 5, 30):
        for now in (1_700_000_000, 1_700_000_004.9, 0, 2.999):
            slot = Slot(int(now * 1000) // (interval * 1000))
            assert ours.token(slot).reveal() == seed.token(key, nonce, now, interval)


def test_the_name_of_a_session_is_a_hash_that_anybody_with_the_key_can_compute() -> None:
    key, nonce = bytes(range(32)), "AAAAAAAAAAA="
    expected = hashlib.sha256(b"blelock/v1/session-id\0" + key + nonce.encode()).digest()[:16]
    assert V1Tokens(SessionKey(key), nonce).session_id().raw == expected
    assert V1Tokens(SessionKey(key), "AAAAAAAAAAE=").session_id().raw != expected
    assert V1Tokens(SessionKey(bytes(32)), nonce).session_id().raw != expected


def test_no_rendering_of_the_tokens_shows_the_key() -> None:
    key = bytes(range(1, 33))
    tokens = V1Tokens(SessionKey(key), "AAAAAAAAAAA=")
    assert key.hex() not in repr(tokens)
    assert repr(key) not in repr(tokens)
