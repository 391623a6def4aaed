"""A message damaged in every way that a stranger may try without a key."""

from __future__ import annotations

from collections.abc import Iterator


def every_bit(raw: bytes) -> Iterator[bytes]:
    """`raw` with each of its bits flipped, one at a time."""
    for at in range(len(raw)):
        for bit in range(8):
            yield raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]


def every_length(raw: bytes, filler: bytes = b"\0") -> Iterator[bytes]:
    """`raw` cut or stretched to each length from 0 to 64 more than it has, but its own."""
    stretched = raw + filler * 64
    return (stretched[:size] for size in range(len(raw) + 65) if size != len(raw))


def every_damage(raw: bytes) -> Iterator[bytes]:
    """Both, and stretched by its own last byte, and at its beginning."""
    yield from every_bit(raw)
    yield from every_length(raw)
    yield from (raw + raw[-1:] * more for more in (1, 2, 16, 64))
    yield from (raw[:1] * more + raw for more in (1, 2, 16, 64))
    yield from (raw[less:] for less in (1, 2, 16, 64))
