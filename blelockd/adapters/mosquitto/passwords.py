"""Fresh passwords, and how mosquitto keeps them: salted and hashed, `$7$` (mosquitto_passwd(1))."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from typing import Final

from blelockd.protocol.opaque import Opaque

_PASSWORD_BYTES: Final = 24  # of chance: nobody guesses it, however few the iterations are
_SALT_BYTES: Final = 12
_ITERATIONS: Final = 101  # mosquitto's own default; it hashes at every connection
_HASH_BYTES: Final = 64
_LINE: Final = re.compile(r"([^:\s]+):(\$[67]\$\S+)")


def fresh() -> Opaque:
    """A password that nobody has had before, as text."""
    return Opaque(secrets.token_urlsafe(_PASSWORD_BYTES).encode())


def hashed(password: Opaque) -> str:
    """What stands behind the colon of a line of mosquitto's password file."""
    salt = secrets.token_bytes(_SALT_BYTES)
    key = hashlib.pbkdf2_hmac("sha512", password.reveal(), salt, _ITERATIONS, _HASH_BYTES)
    return f"$7${_ITERATIONS}${_base64(salt)}${_base64(key)}"


def parsed(text: str) -> dict[str, str]:
    """The hash of each user in the `text` of a password file; lines that are none are left out."""
    lines = (_LINE.fullmatch(line) for line in text.splitlines())
    return {line[1]: line[2] for line in lines if line is not None}


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
