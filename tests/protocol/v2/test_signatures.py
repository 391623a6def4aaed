"""Every signature offered to every verifier: only its own verifies, of one form and salt."""

from __future__ import annotations

import itertools
import json
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.keys import PrivateKey
from blelockd.protocol.v2.ec_keys import (
    EphemeralKey,
    EphemeralPublic,
    GuestSigningKey,
    GuestSigningPublic,
    IssuerSealKey,
    IssuerSealPublic,
    LockSigningKey,
    LockSigningPublic,
)
from blelockd.protocol.v2.points import CURVE
from blelockd.protocol.v2.rsa_keys import (
    IssuerSigningKey,
    IssuerSigningPublic,
    LockSealKey,
    LockSealPublic,
)
from blelockd.protocol.v2.wire import digest, label
from tests.fakes import enrolled as cast
from tests.fakes.keys import ISSUER as V1_ISSUER
from tests.fakes.keys import VECTORS

DOMAINS: Final = [
    "blelock/v2/req-sig",
    "blelock/v2/rsp-sig",
    "blelock/v2/enroll-sig",
    "blelock/v2/enrolled-sig",
    "blelock/v2/env-sig",
    "blelock/v2/up-sig",
]
SIGNERS: Final[dict[str, Any]] = {
    "ISK": cast.ISK,
    "GSK": cast.GSK,
    "LSK": cast.LSK,
    "another ISK": cast.OTHER_ISK,
    "IEK, misused": GuestSigningKey.derive(cast.seed("iek")),
    "LEK, misused": IssuerSigningKey.from_pem(cast.PEMS["lek"].encode()),
}
VERIFIERS: Final[dict[str, Any]] = {
    "ISK": cast.ISK_PUBLIC,
    "GSK": cast.GSK_PUBLIC,
    "LSK": cast.LSK_PUBLIC,
    "another GSK": GuestSigningKey.derive(cast.seed("another")).public_key,
}
SIGNED: Final = b"what is signed"
RSA: Final[dict[str, rsa.RSAPrivateKey]] = {
    name: serialization.load_pem_private_key(cast.PEMS[name].encode(), None)  # type: ignore[misc]
    for name in ("isk", "lek")
}
SHA: Final = hashes.SHA256()


def test_every_signature_verifies_as_its_own_and_as_no_other() -> None:
    signatures = {
        (name, domain): signer.sign(domain, SIGNED)
        for name, signer in SIGNERS.items()
        for domain in DOMAINS
    }
    good = set()
    for (signed, offered), (name, verifier) in itertools.product(
        signatures.items(), VERIFIERS.items()
    ):
        for domain in DOMAINS:
            try:
                verifier.verify(domain, SIGNED, offered)
            except Unauthentic:
                continue
            good.add((signed, name, domain))
    assert good == {((name, d), name, d) for name in ("ISK", "GSK", "LSK") for d in DOMAINS}


def test_a_signature_of_version_1_is_worth_nothing_in_version_2() -> None:
    key = V1_ISSUER.sign(label(DOMAINS[0]) + digest(SIGNED))
    for verifier in VERIFIERS.values():
        with pytest.raises(Unauthentic):
            verifier.verify(DOMAINS[0], SIGNED, key)
    longest = PrivateKey.from_pem(cast.PEMS["isk"].encode()).sign(
        label(DOMAINS[0]) + digest(SIGNED)
    )
    with pytest.raises(Unauthentic):  # the right key and message, but the salt of version 1
        cast.ISK_PUBLIC.verify(DOMAINS[0], SIGNED, longest)


@pytest.mark.parametrize("salt", [0, 31, 33, 64])
def test_a_salt_has_32_bytes(salt: int) -> None:
    pss = padding.PSS(padding.MGF1(SHA), salt)
    signature = RSA["isk"].sign(label(DOMAINS[1]) + digest(SIGNED), pss, SHA)
    with pytest.raises(Unauthentic):
        cast.ISK_PUBLIC.verify(DOMAINS[1], SIGNED, signature)


@pytest.mark.parametrize(
    ("algorithm", "pad"),
    [
        (SHA, padding.PKCS1v15()),
        (hashes.SHA512(), padding.PSS(padding.MGF1(hashes.SHA512()), 32)),
        (SHA, padding.PSS(padding.MGF1(hashes.SHA1()), 32)),
    ],
)
def test_no_other_scheme_of_rsa_verifies(algorithm: Any, pad: Any) -> None:
    signature = RSA["isk"].sign(label(DOMAINS[1]) + digest(SIGNED), pad, algorithm)
    with pytest.raises(Unauthentic):
        cast.ISK_PUBLIC.verify(DOMAINS[1], SIGNED, signature)


def test_the_twin_of_a_signature_is_why_messages_are_not_told_apart_by_it() -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    signature = cast.GSK.sign(DOMAINS[0], SIGNED)
    twin = signature[:32] + (order - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    assert twin != signature
    cast.GSK_PUBLIC.verify(DOMAINS[0], SIGNED, twin)


@pytest.mark.parametrize(
    "signature", [b"", bytes(64), bytes(63), bytes(65), b"\xff" * 64, bytes(32) + b"\1" * 32]
)
def test_numbers_that_are_no_signature_do_not_verify(signature: bytes) -> None:
    for verifier in VERIFIERS.values():
        with pytest.raises(Unauthentic):
            verifier.verify(DOMAINS[0], SIGNED, signature)


def test_a_signature_has_no_second_length() -> None:
    """The same two numbers with a zero before one of them would verify, too."""
    signature = cast.GSK.sign(DOMAINS[0], SIGNED)
    cast.GSK_PUBLIC.verify(DOMAINS[0], SIGNED, signature)
    with pytest.raises(Unauthentic):
        cast.GSK_PUBLIC.verify(DOMAINS[0], SIGNED, signature[:32] + b"\0" + signature[32:])


def test_der_is_not_what_version_2_writes() -> None:
    key = ec.derive_private_key(7, CURVE)
    der = key.sign(label(DOMAINS[0]) + digest(SIGNED), ec.ECDSA(SHA))
    with pytest.raises(Unauthentic):
        GuestSigningKey(key).public_key.verify(DOMAINS[0], SIGNED, der)


def test_a_key_can_do_its_own_work_only() -> None:
    """By its type: a key that seals has no `sign`, and one that signs has no `open_sealed`."""
    signs = {IssuerSigningKey, GuestSigningKey, LockSigningKey}
    opens = {IssuerSealKey, EphemeralKey, LockSealKey}
    verifies = {IssuerSigningPublic, GuestSigningPublic, LockSigningPublic}
    seals = {IssuerSealPublic, EphemeralPublic, LockSealPublic}
    for kinds, verb in (
        (signs, "sign"),
        (opens, "open_sealed"),
        (verifies, "verify"),
        (seals, "seal"),
    ):
        assert {kind for kind in signs | opens | verifies | seals if hasattr(kind, verb)} == kinds


def test_the_same_point_as_another_kind_is_another_key() -> None:
    raw = cast.IEK_PUBLIC.raw
    kinds = (IssuerSealPublic, EphemeralPublic, GuestSigningPublic, LockSigningPublic)
    keys = [kind(raw) for kind in kinds]
    assert all((a == b) is (a is b) for a in keys for b in keys)
    assert IssuerSealPublic(raw) == cast.IEK_PUBLIC
    assert len({*keys, IssuerSealPublic(raw)}) == 4
    assert IssuerSigningPublic(cast.LEK_PUBLIC.spki) != cast.LEK_PUBLIC
    assert len({cast.LEK_PUBLIC, LockSealPublic(cast.LEK_PUBLIC.spki)}) == 1
    assert cast.OTHER_ISK.public_key != cast.ISK_PUBLIC


def test_a_key_prints_nothing_of_itself() -> None:
    for key in (cast.ISK, cast.LEK, cast.IEK, cast.GSK, cast.LSK, cast.EPH):
        assert repr(key) == f"<{type(key).__name__}>"
    assert repr(cast.IEK_PUBLIC) == f"<IssuerSealPublic {digest(cast.IEK_PUBLIC.raw)[:8].hex()}>"
    assert repr(cast.ISK_PUBLIC) == f"<IssuerSigningPublic {cast.ISK_PUBLIC.issuer_id.hex()}>"


def test_ids_are_the_hashes_of_the_specification() -> None:
    assert cast.ISK_PUBLIC.issuer_id == digest(cast.ISK_PUBLIC.spki)[:8]
    assert cast.ISK_PUBLIC.pin == digest(cast.ISK_PUBLIC.spki)[:16]
    assert cast.LEK_PUBLIC.lock_key_id == digest(cast.LEK_PUBLIC.spki)[:8]
    assert cast.IEK_PUBLIC.iek_id == digest(cast.IEK_PUBLIC.raw)[:4]


def _pem(key: Any, password: bytes | None = None) -> bytes:
    encryption: Any = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    raw: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
    return raw


EC_PEM: Final = cast.GSK.pem()
RSA_PEM: Final = cast.PEMS["isk"].encode()


def test_a_key_survives_its_file() -> None:
    assert GuestSigningKey.from_pem(EC_PEM).public_key == cast.GSK_PUBLIC
    assert IssuerSealKey.from_pem(cast.IEK.pem()).public_key == cast.IEK_PUBLIC
    largest = EC_PEM + b"\n" * (8192 - len(EC_PEM))
    assert GuestSigningKey.from_pem(largest).public_key == cast.GSK_PUBLIC
    with pytest.raises(Malformed, match="at most 8192"):
        GuestSigningKey.from_pem(largest + b"\n")


@pytest.mark.parametrize(
    ("kind", "pem", "reason"),
    [
        (GuestSigningKey, b"", "not a PEM"),
        (GuestSigningKey, EC_PEM * 99, "at most 8192"),
        (GuestSigningKey, RSA_PEM, "not a P-256"),
        (GuestSigningKey, _pem(ec.derive_private_key(7, ec.SECP384R1())), "not on the curve"),
        (GuestSigningKey, _pem(ec.derive_private_key(7, CURVE), b"secret"), "encrypted"),
        (IssuerSigningKey, EC_PEM, "not an RSA"),
        (IssuerSigningKey, b"null", "not a PEM"),
    ],
)
def test_a_key_file_of_another_kind_is_refused(kind: Any, pem: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        kind.from_pem(pem)


def _spki(key: Any) -> bytes:
    raw: bytes = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return raw


def test_an_rsa_key_has_3072_bits_and_the_usual_exponent() -> None:
    small = serialization.load_pem_private_key(
        json.loads((VECTORS / "test-keys.json").read_text())["issuer"].encode(), None
    )
    assert isinstance(small, rsa.RSAPrivateKey)
    with pytest.raises(Malformed, match="2048 bits"):
        IssuerSigningKey(small)
    with pytest.raises(Malformed, match="422 bytes"):
        IssuerSigningPublic(_spki(small))
    spki = bytearray(cast.ISK_PUBLIC.spki)
    assert spki[-3:] == b"\1\0\1"
    spki[-3:] = b"\1\0\3"
    with pytest.raises(Malformed, match="exponent"):
        IssuerSigningPublic(bytes(spki))


def test_der_that_holds_no_rsa_key_is_refused() -> None:
    with pytest.raises(Malformed, match="not a DER"):
        IssuerSigningPublic(bytes(422))
    for damaged in ({0: 0x31}, {4: 0x31}, {8: 0x31}):
        spki = bytearray(cast.ISK_PUBLIC.spki)
        for at, value in damaged.items():
            spki[at] = value
        with pytest.raises(Malformed):
            IssuerSigningPublic(bytes(spki))


def test_a_key_is_what_its_der_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a lenient reader makes of the bytes: only RSA, and only its one spelling."""
    for made, reason in (
        (cast.GSK_PUBLIC._key, "not an RSA"),
        (RSA["lek"].public_key(), "one form"),
    ):
        monkeypatch.setattr(serialization, "load_der_public_key", lambda _raw, made=made: made)
        with pytest.raises(Malformed, match=reason):
            IssuerSigningPublic(cast.ISK_PUBLIC.spki)


def test_oaep_of_another_label_opens_nothing() -> None:
    for text in (None, b"", b"blelock/v1/env"):
        oaep = padding.OAEP(padding.MGF1(SHA), SHA, text)
        sealed = RSA["lek"].public_key().encrypt(bytes(32), oaep)
        with pytest.raises(Unauthentic):
            cast.LEK.open_sealed(sealed)
    assert cast.LEK.open_sealed(cast.LEK_PUBLIC.seal(b"secret")) == b"secret"
