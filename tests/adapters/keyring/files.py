"""Key files as they are and as they should not be."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.checkout import ROOT

SHORT_BITS: Final = 2048  # quick to make, and long enough to be taken


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    """A private key as PEM, encrypted if there is a password."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption(),
    )


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    """A file with that content and mode."""
    path.write_bytes(content)
    path.chmod(mode)
    return path


def mode(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def environment() -> Mapping[str, str]:
    """For another Python that imports the project."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}
