"""A daemon's private key as its file holds it: PEM, not encrypted, of bounded size."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from blelockd.protocol.errors import Malformed
from blelockd.protocol.keys import MAXIMUM_PEM_BYTES


def private_from_pem(pem: bytes) -> object:
    """The key in an unencrypted PEM file, of whatever type; raises Malformed with the reason."""
    if len(pem) > MAXIMUM_PEM_BYTES:
        raise Malformed(f"a PEM key has at most {MAXIMUM_PEM_BYTES} bytes")
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise Malformed("the private key is encrypted; a daemon cannot type a password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed("not a PEM private key") from error
