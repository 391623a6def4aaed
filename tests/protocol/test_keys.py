"""Keys fit to use are taken, all others refused with the reason; seals and signatures hold."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.keys import MAXIMUM_PEM_BYTES, PrivateKey, PublicKey
from tests.fakes.keys import GUEST, ISSUER, LOCK, PEMS, STRANGER

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
BARE = serialization.NoEncryption()

PUBLIC_PEM = LOCK.public_key.pem()


@pytest.fixture(scope="module")
def short_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 1024)


def test_a_key_survives_its_way_through_a_file() -> None:
    again = PublicKey.from_pem(PUBLIC_PEM)
    assert again == LOCK.public_key
    assert hash(again) == hash(LOCK.public_key)
    assert again != STRANGER.public_key
    assert again != "a key"
    assert (again.bits, LOCK.bits) == (2048, 2048)


def test_a_key_prints_as_a_fingerprint_that_people_can_compare() -> None:
    fingerprint = LOCK.public_key.fingerprint()
    groups = fingerprint.split(" ")
    assert [len(group) for group in groups] == [4] * 8
    assert repr(LOCK.public_key) == f"<PublicKey {fingerprint}>"
    assert repr(LOCK) == f"<PrivateKey of <PublicKey {fingerprint}>>" or fingerprint in repr(LOCK)
    assert "BEGIN" not in f"{LOCK!r} {LOCK}"


@given(st.binary(max_size=200))
@example(b"")
@example(b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n")
@example(PUBLIC_PEM.replace(b"MII", b"MIJ"))
@example(PEMS["lock"].encode())
@example(b"\xff" * 100)
def test_any_bytes_are_a_public_key_or_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed, match="not a PEM public key"):
        PublicKey.from_pem(raw)


@settings(max_examples=300)
@given(st.integers(0, len(PUBLIC_PEM) - 1), st.integers(0, 255))
def test_a_damaged_public_key_is_a_key_or_malformed(position: int, byte: int) -> None:
    damaged = PUBLIC_PEM[:position] + bytes([byte]) + PUBLIC_PEM[position + 1 :]
    try:
        key = PublicKey.from_pem(damaged)
    except Malformed:
        return
    assert 2048 <= key.bits <= 4096


@given(st.binary(max_size=200))
@example(PUBLIC_PEM)
def test_any_bytes_are_a_private_key_or_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed, match="not a PEM private key"):
        PrivateKey.from_pem(raw)


@pytest.mark.parametrize("size", [MAXIMUM_PEM_BYTES + 1, 1_000_000])
def test_a_huge_file_is_not_even_parsed(size: int) -> None:
    for parse in (PublicKey.from_pem, PrivateKey.from_pem):
        with pytest.raises(Malformed, match="at most 8192 bytes"):
            parse(b"A" * size)


def test_a_key_of_another_kind_is_refused_by_name() -> None:
    for other in (ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()):
        with pytest.raises(Malformed, match="not an RSA private key"):
            PrivateKey.from_pem(other.private_bytes(PEM, PKCS8, BARE))
        with pytest.raises(Malformed, match="not an RSA public key"):
            PublicKey.from_pem(other.public_key().public_bytes(PEM, SPKI))


def test_a_key_that_is_too_short_is_refused_with_its_size(short_key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(Malformed, match="1024 bits; 2048 to 4096"):
        PrivateKey.from_pem(short_key.private_bytes(PEM, PKCS8, BARE))
    with pytest.raises(Malformed, match="1024 bits; 2048 to 4096"):
        PublicKey.from_pem(short_key.public_key().public_bytes(PEM, SPKI))


def test_a_key_that_is_too_long_to_be_quick_is_refused() -> None:
    huge = rsa.RSAPublicNumbers(65537, (1 << 8191) + 1).public_key()
    with pytest.raises(Malformed, match="8192 bits"):
        PublicKey.from_pem(huge.public_bytes(PEM, SPKI))


@pytest.mark.parametrize(
    ("bits", "fit"), [(2047, False), (2048, True), (4096, True), (4097, False)]
)
def test_the_bounds_of_a_keys_length_are_fit(bits: int, fit: bool) -> None:
    pem = rsa.RSAPublicNumbers(65537, (1 << bits - 1) + 1).public_key().public_bytes(PEM, SPKI)
    if fit:
        assert PublicKey.from_pem(pem).bits == bits
    else:
        with pytest.raises(Malformed, match=f"{bits} bits"):
            PublicKey.from_pem(pem)


def test_a_fingerprint_is_the_first_half_of_the_keys_sha256() -> None:
    der = b64decode("".join(PUBLIC_PEM.decode().splitlines()[1:-1]))
    assert LOCK.public_key.fingerprint().replace(" ", "") == sha256(der).hexdigest()[:32]


def test_a_key_with_an_odd_exponent_is_refused() -> None:
    odd = rsa.RSAPublicNumbers(3, (1 << 2047) + 1).public_key()
    with pytest.raises(Malformed, match="exponent is not 65537"):
        PublicKey.from_pem(odd.public_bytes(PEM, SPKI))


def test_an_encrypted_private_key_is_refused_with_the_remedy() -> None:
    key = serialization.load_pem_private_key(PEMS["guest"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    locked = key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"password"))
    with pytest.raises(Malformed, match="cannot type a password"):
        PrivateKey.from_pem(locked)


def test_only_the_owner_opens_what_was_sealed() -> None:
    sealed = LOCK.public_key.seal(b"secret")
    assert LOCK.open_sealed(sealed) == b"secret"
    assert sealed != LOCK.public_key.seal(b"secret")
    with pytest.raises(Unauthentic):
        STRANGER.open_sealed(sealed)


@settings(max_examples=60)
@given(st.binary(max_size=300))
def test_any_bytes_that_are_no_seal_are_refused_in_one_way(raw: bytes) -> None:
    with pytest.raises(Unauthentic, match="signature or seal does not verify"):
        LOCK.open_sealed(raw)


def test_what_does_not_fit_one_block_is_refused_before_the_cipher() -> None:
    key = GUEST.public_key
    assert key.largest_sealed_bytes == 190
    assert GUEST.open_sealed(key.seal(bytes(190))) == bytes(190)
    with pytest.raises(Malformed, match="191 bytes do not fit"):
        key.seal(bytes(191))


@settings(max_examples=30)
@given(st.binary(max_size=200), st.integers(0, 2047))
def test_a_signature_holds_for_these_bytes_by_this_key_only(signed: bytes, bit: int) -> None:
    signature = ISSUER.sign(signed)
    issuer = ISSUER.public_key
    issuer.verify(signature, signed)
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    for other in (bytes(flipped), signature[:-1], signature + b"\0", b""):
        with pytest.raises(Unauthentic):
            issuer.verify(other, signed)
    with pytest.raises(Unauthentic):
        issuer.verify(signature, signed + b"\0")
    with pytest.raises(Unauthentic):
        STRANGER.public_key.verify(signature, signed)
