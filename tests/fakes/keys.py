"""The published test keys, read once: nobody's door hangs on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from blelockd.protocol.ids import LockId
from blelockd.protocol.keys import PrivateKey

VECTORS: Final = Path(__file__).parent.parent / "vectors"

PEMS: Final[dict[str, str]] = json.loads((VECTORS / "test-keys.json").read_text())
ISSUER: Final = PrivateKey.from_pem(PEMS["issuer"].encode())
LOCK: Final = PrivateKey.from_pem(PEMS["lock"].encode())
GUEST: Final = PrivateKey.from_pem(PEMS["guest"].encode())
STRANGER: Final = PrivateKey.from_pem(PEMS["stranger"].encode())

LOCK_ID: Final = LockId("lock_01")


def vectors(name: str) -> list[dict[str, Any]]:
    """The vectors in tests/vectors/`name`.json."""
    found: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text())
    return found
