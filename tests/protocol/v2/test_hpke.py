"""HPKE as the RFC has it: by its vectors, and beside pyca's own where there is one."""

from __future__ import annotations

import importlib
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.v2 import hpke
from blelockd.protocol.v2.points import CURVE, private_of, public_of, raw_of
from tests.fakes.enrolled import EPH, IEK, IEK_PUBLIC, fresh, seed
from tests.fakes.keys import VECTORS, vectors

VECTOR: Final[dict[str, Any]] = vectors("hpke")  # type: ignore[assignment]
RFC: Final = {
    k: bytes.fromhex(v) for k, v in VECTOR.items() if k not in ("source", "derive_key_pair")
}
RECIPIENT: Final = private_of(int.from_bytes(RFC["skRm"], "big"))
OWN: Final = hpke.derive_key(seed("iek"))


def scalar(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_numbers().private_value.to_bytes(32, "big").hex()


@pytest.mark.parametrize("vector", VECTOR["derive_key_pair"], ids=lambda v: v["source"])
def test_a_seed_gives_the_rfcs_key(vector: dict[str, str]) -> None:
    assert scalar(hpke.derive_key(bytes.fromhex(vector["ikm"]))) == vector["sk"]


def test_the_rfcs_message_opens() -> None:
    assert raw_of(RECIPIENT.public_key()) == RFC["pkRm"]
    plain = hpke.unseal(RECIPIENT, RFC["enc"] + RFC["ct"], RFC["info"], RFC["aad"])
    assert plain == RFC["pt"]


def test_the_rfcs_message_is_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    ephemeral = private_of(int.from_bytes(RFC["skEm"], "big"))
    monkeypatch.setattr(hpke, "derive_key", lambda _seed: ephemeral)
    sealed = hpke.seal(RECIPIENT.public_key(), b"", RFC["info"], RFC["aad"], RFC["pt"])
    assert sealed == RFC["enc"] + RFC["ct"]


def test_the_rfcs_key_schedule_is_ours() -> None:
    shared = RECIPIENT.exchange(ec.ECDH(), public_of(RFC["enc"]))
    schedule = hpke._schedule(shared, RFC["enc"] + RFC["pkRm"], RFC["info"])
    assert schedule == (RFC["key"], RFC["base_nonce"])


def test_pycas_own_hpke_and_ours_open_each_others_messages() -> None:
    try:
        theirs: Any = importlib.import_module("cryptography.hazmat.primitives.hpke")
    except ImportError:
        pytest.skip("this pyca/cryptography has no HPKE")
    suite = theirs.Suite(theirs.KEM.P256, theirs.KDF.HKDF_SHA256, theirs.AEAD.AES_256_GCM)
    for size in (0, 1, 500):
        plain = bytes(size)
        from_them = suite.encrypt(plain, OWN.public_key(), info=b"info")
        assert hpke.unseal(OWN, from_them, b"info", b"") == plain
        from_us = hpke.seal(OWN.public_key(), fresh(), b"info", b"", plain)
        assert suite.decrypt(from_us, OWN, info=b"info") == plain


@settings(max_examples=30)
@given(
    st.binary(min_size=32, max_size=32), st.binary(max_size=99), st.binary(max_size=99), st.binary()
)
def test_what_is_sealed_opens(random: bytes, info: bytes, aad: bytes, plain: bytes) -> None:
    sealed = IEK_PUBLIC.seal(random, info, aad, plain)
    assert len(sealed) == hpke.ENC_BYTES + len(plain) + hpke.TAG_BYTES
    assert IEK.open_sealed(sealed, info, aad) == plain


def test_it_opens_for_nobody_else_and_for_nothing_else() -> None:
    sealed = IEK_PUBLIC.seal(fresh(), b"info", b"aad", b"plain")
    for key, info, aad in ((EPH, b"info", b"aad"), (IEK, b"inf", b"aad"), (IEK, b"info", b"aa")):
        with pytest.raises(Unauthentic):
            key.open_sealed(sealed, info, aad)


def test_every_bit_and_every_length_counts() -> None:
    sealed = IEK_PUBLIC.seal(fresh(), b"info", b"aad", b"plain")
    flipped = [
        sealed[:at] + bytes([sealed[at] ^ 1 << bit]) + sealed[at + 1 :]
        for at in range(len(sealed))
        for bit in range(8)
    ]
    lengths = [(sealed + bytes(64))[:size] for size in range(len(sealed) + 65)]
    lengths.remove(sealed)
    for other in flipped + lengths:
        with pytest.raises(Unauthentic):
            IEK.open_sealed(other, b"info", b"aad")


def test_one_seed_is_one_message() -> None:
    first, again = (IEK_PUBLIC.seal(seed("one"), b"", b"", b"plain") for _ in range(2))
    assert first == again != IEK_PUBLIC.seal(seed("two"), b"", b"", b"plain")


def test_a_candidate_that_is_no_key_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """One seed in 2**32 needs it: zero, the curve's order and more are no keys, one less is."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for first in (0, order, order + 1):
        candidates = iter([first, order - 1])
        drawn = lambda *_: next(candidates).to_bytes(32, "big")  # noqa: B023, E731
        monkeypatch.setattr(hpke, "_expand", drawn)
        assert scalar(hpke.derive_key(bytes(32))) == f"{order - 1:x}"


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_seed_has_32_bytes(size: int) -> None:
    with pytest.raises(Malformed, match="32 bytes"):
        hpke.derive_key(bytes(size))


COMPRESSED: Final = bytes([2 + IEK_PUBLIC.raw[-1] % 2]) + IEK_PUBLIC.raw[1:33]
HYBRID: Final = bytes([6 + IEK_PUBLIC.raw[-1] % 2]) + IEK_PUBLIC.raw[1:]


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x00", COMPRESSED, HYBRID, IEK_PUBLIC.raw[:-1], IEK_PUBLIC.raw + b"\0", b"\4" * 65],
    ids=["nothing", "infinity", "compressed", "hybrid", "short", "long", "off the curve"],
)
def test_a_point_has_one_form(raw: bytes) -> None:
    with pytest.raises(Malformed):
        public_of(raw)


def test_the_compressed_form_would_have_been_taken_by_pyca() -> None:
    assert ec.EllipticCurvePublicKey.from_encoded_point(CURVE, COMPRESSED) is not None


def test_the_vectors_tell_where_they_are_from() -> None:
    assert "RFC 9180" in VECTOR["source"]
    assert (VECTORS / "hpke.json").exists()
