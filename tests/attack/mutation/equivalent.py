"""Mutants that no test can tell from the original, each with the reason."""

from __future__ import annotations

from typing import Final

REASONS: Final[dict[str, str]] = {
    "blelockd/protocol/v2/wire.py: without bytes(DIGEST_BYTES): salt or bytes(DIGEST_BYTES)": (
        "HMAC fills a short key up with zeros: no salt and 32 zero bytes are the same key"
    ),
    "blelockd/protocol/v2/hpke.py: never: if len(ct) < TAG_BYTES": (
        "AES-GCM refuses what is shorter than its tag, with the same error; this costs no ECDH"
    ),
    "blelockd/protocol/v2/points.py: without raw[0] != _UNCOMPRESSED: "
    "len(raw) != POINT_BYTES or raw[0] != _UNCOMPRESSED": (
        "a compressed point has 33 bytes, and pyca knows no hybrid ones"
    ),
}
"""By the mutant's name."""
