"""The RSA keys of version 1: made, read, shown to others and taken from them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from blelockd.adapters.keyring.errors import KeyFileError, KeyFileExists
from blelockd.adapters.keyring.files import KEPT, read_private_key, read_public_file, write_file
from blelockd.protocol.errors import Malformed
from blelockd.protocol.keys import (
    MAXIMUM_BITS,
    MINIMUM_BITS,
    PUBLIC_EXPONENT,
    PrivateKey,
    PublicKey,
)

DEFAULT_BITS: Final = 3072


def read_private(path: Path) -> PrivateKey:
    """The private key in a file that is its owner's alone; raises KeyFileError."""
    return read_private_key(path, PrivateKey.from_pem)


def read_public(path: Path) -> PublicKey:
    """The public key in a file that only its owner may change; raises KeyFileError."""
    return public_from(path, read_public_file(path))


def public_from(source: Path, pem: bytes) -> PublicKey:
    """The public key in `pem`, which came from `source`; raises KeyFileError."""
    if b"PRIVATE KEY" in pem:
        problem = "this is a private key, which never leaves its machine"
        raise KeyFileError(source, problem, "take the public one: `show-key` there prints it")
    try:
        return PublicKey.from_pem(pem)
    except Malformed as error:
        remedy = "take what `show-key` prints on the other side"
        raise KeyFileError(source, error.reason, remedy) from error


def generate(path: Path, bits: int = DEFAULT_BITS) -> PublicKey:
    """Make a key at `path` (0600) and its public half beside it (`.pub`, 0644); returns that half.

    Raises KeyFileExists when there is something at `path`, which stays as it is, also when
    another process puts it there meanwhile. Raises KeyFileError when `path` cannot be written,
    ValueError when `bits` is not 2048 to 4096.
    """
    if not MINIMUM_BITS <= bits <= MAXIMUM_BITS:
        raise ValueError(f"an RSA key has {MINIMUM_BITS} to {MAXIMUM_BITS} bits, not {bits}")
    if os.path.lexists(path):  # before the seconds that a Raspberry Pi takes; the link decides
        raise KeyFileExists(path, *KEPT)
    key = rsa.generate_private_key(PUBLIC_EXPONENT, bits)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_file(path, pem, 0o600, replace=False)
    public = PublicKey(key.public_key())
    publish(path, public)
    return public


def publish(private_path: Path, public: PublicKey) -> None:
    """Put the public half of the key at `private_path` beside it, unless it is there.

    Raises KeyFileExists when another key is there: one that was imported, and is trusted.
    """
    import_public(public, private_path.with_suffix(".pub"))


def import_public(key: PublicKey, destination: Path, *, replace: bool = False) -> bool:
    """Put somebody's key at `destination` (0644); False when that very key is there already.

    Whatever else is there stays, unless `replace`: raises KeyFileExists. Raises KeyFileError
    when `destination` cannot be written.
    """
    if _present(destination) == key:
        return False
    write_file(destination, key.pem(), 0o644, replace=replace)
    return True


def _present(path: Path) -> PublicKey | None:
    try:
        return read_public(path)
    except KeyFileError:
        return None
