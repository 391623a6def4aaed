"""When what was where: payloads with the monotonic time, written by one process, read by another.

A file in memory, so that a stamp costs a fraction of a microsecond and outlives a kill.
The clock is the same in all processes of a machine (clock_gettime(2), CLOCK_MONOTONIC).
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path
from typing import Final

from blelockd.protocol.v1.tokens import TOKEN_BYTES as V1_TOKEN_BYTES
from blelockd.protocol.v2.tokens import TOKEN_BYTES as V2_TOKEN_BYTES

SIZES: Final = (V1_TOKEN_BYTES, V2_TOKEN_BYTES)
_RECORD: Final = struct.Struct(f"<qB{max(SIZES)}s")
_MOST_RECORDS: Final = 1_000_000


class StampWriter:
    """Stamps to the file at `path`, from its beginning."""

    def __init__(self, path: Path) -> None:
        size = _MOST_RECORDS * _RECORD.size
        with path.open("w+b") as file:
            file.truncate(size)
            self._memory = mmap.mmap(file.fileno(), size)
        self._end = size
        self._at = 0

    def stamp(self, payload: bytes) -> None:
        """`payload` is here now. Payloads of another size are none of ours; nor is overflow."""
        size = len(payload)
        if size in SIZES and self._at < self._end:
            _RECORD.pack_into(self._memory, self._at, time.monotonic_ns(), size, payload)
            self._at += _RECORD.size


def read_stamps(path: Path) -> dict[bytes, int]:
    """When each payload was there first, in nanoseconds."""
    stamps: dict[bytes, int] = {}
    raw = path.read_bytes()
    for at, size, padded in _RECORD.iter_unpack(raw[: len(raw) // _RECORD.size * _RECORD.size]):
        if at == 0:
            break
        stamps.setdefault(padded[:size], at)
    return stamps
