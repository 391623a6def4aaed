"""A secret leaves its box by reveal() and by no other way."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed
from blelockd.protocol.opaque import Opaque, SessionKey, Token


@given(st.binary(min_size=4, max_size=64))
def test_no_rendering_of_a_secret_shows_it(raw: bytes) -> None:
    secret = Token(raw)
    shown = f"{secret} {secret!r} {[secret]} {secret!s:>40}"
    assert raw.hex() not in shown
    assert repr(raw) not in shown
    assert shown.startswith(f"<Token {len(raw)} bytes>")
    assert secret.reveal() == raw


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_secrets_are_equal_when_their_bytes_are(one: bytes, other: bytes) -> None:
    assert (Token(one) == Token(other)) is (one == other)
    assert Token(one).matches(other) is (one == other)


def test_secrets_of_different_kinds_are_never_equal() -> None:
    raw = bytes(32)
    assert SessionKey(raw) != Token(raw)
    assert SessionKey(raw) != raw


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_cannot_be_copied_out(copied: object) -> None:
    assert callable(copied)
    with pytest.raises(TypeError, match="not for pickling"):
        copied(SessionKey(bytes(32)))


def test_a_secret_cannot_be_the_key_of_a_dict() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Token(b"x"))


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_session_key_of_another_size_does_not_exist(size: int) -> None:
    with pytest.raises(Malformed, match=f"SessionKey must have 32 bytes, not {size}"):
        SessionKey(bytes(size))


def test_a_secret_keeps_its_own_copy_of_the_bytes() -> None:
    raw = bytearray(b"secret")
    secret = Opaque(memoryview(raw))  # type: ignore[arg-type]
    raw[:] = b"xxxxxx"
    assert secret.reveal() == b"secret"
