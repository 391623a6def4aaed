"""A key of ours, and another's."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from blelockd.protocol.keys import PublicKey
from tests.adapters.keyring.files import SHORT_BITS, pem_of, write


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, SHORT_BITS)


@pytest.fixture(scope="session")
def other() -> PublicKey:
    return PublicKey(rsa.generate_private_key(65537, SHORT_BITS).public_key())


@pytest.fixture
def private_file(tmp_path: Path, key: rsa.RSAPrivateKey) -> Path:
    return write(tmp_path / "lock.pem", pem_of(key))


@pytest.fixture
def public(key: rsa.RSAPrivateKey) -> PublicKey:
    return PublicKey(key.public_key())


@pytest.fixture
def public_file(tmp_path: Path, public: PublicKey) -> Path:
    return write(tmp_path / "issuer.pub", public.pem(), 0o644)
