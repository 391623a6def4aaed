"""Mutants that no test can tell from the original, each with the reason."""

from __future__ import annotations

from typing import Final

_NO_SIGNAL: Final = "an advert without a signal is refused first of all: this is for the types"

REASONS: Final[dict[str, str]] = {
    "blelockd/protocol/v2/wire.py: without bytes(DIGEST_BYTES): salt or bytes(DIGEST_BYTES)": (
        "HMAC fills a short key up with zeros: no salt and 32 zero bytes are the same key"
    ),
    "blelockd/protocol/v2/hpke.py: never: if len(ct) < TAG_BYTES": (
        "AES-GCM refuses what is shorter than its tag, with the same error; this costs no ECDH"
    ),
    "blelockd/protocol/v2/answer_frames.py: never: if not self._ends_from(self._new)": (
        "where nothing goes on from a frame to an end, no start leads to it: this spares a look"
    ),
    "blelockd/protocol/verifier.py: never: if rssi_dbm is None": _NO_SIGNAL,
    "blelockd/protocol/verifier.py: "
    "without rssi_dbm is None: reason is not None or rssi_dbm is None": _NO_SIGNAL,
    "blelockd/protocol/verifier.py: without Reason.NO_RSSI: reason or Reason.NO_RSSI": _NO_SIGNAL,
    "blelockd/protocol/verifier.py: always: if phone is not None, in an expression": (
        "nobody is listed under None: the look-up finds nothing"
    ),
    "blelockd/protocol/v2/points.py: without raw[0] != _UNCOMPRESSED: "
    "len(raw) != POINT_BYTES or raw[0] != _UNCOMPRESSED": (
        "a compressed point has 33 bytes, and pyca knows no hybrid ones"
    ),
    "blelockd/services/lock/holdings.py: always: if session.max_uses, in an expression": (
        "without a limit none of the openings counts: this spares a look at the log"
    ),
    "blelockd/services/lock/intake.py: never: if session.bound_address is None": (
        "no session is kept under no address: this is for the types"
    ),
}
"""By the mutant's name."""
