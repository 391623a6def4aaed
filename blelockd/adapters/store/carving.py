"""Rows from the pages of a SQLite file and its log, where the pages that lead to them are lost.

https://sqlite.org/fileformat2.html: a leaf of a table says by itself which rows are on it. Of the
log only what was committed counts. What is found is to be believed for other reasons: by its hash.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PAGE_BYTES: Final = 4096
_LEAF_OF_TABLE: Final = 0x0D
_LOCAL_AT_MOST: Final = _PAGE_BYTES - 35  # a longer row goes on elsewhere
_LOG_HEADER_BYTES: Final = 32
_FRAME_HEADER: Final = struct.Struct(">IIIIII")
_INTEGER_BYTES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}

Value = int | float | bytes | str | None


def carved(path: Path, columns: int) -> list[tuple[Value, ...]]:
    """The rows of so many columns in the file at `path`, and then in the log beside it: of a row
    that is found twice the last counts. A rowid stands in place of the column that is its alias.
    """
    found: list[tuple[Value, ...]] = []
    for page in (*_pages(path), *_logged_pages(path.with_name(f"{path.name}-wal"))):
        for rowid, row in _rows(page):
            if len(row) == columns:
                found.append(row if row[0] is not None else (rowid, *row[1:]))
    return found


def _pages(path: Path) -> Iterator[bytes]:
    raw = path.read_bytes() if path.exists() else b""
    for at in range(0, len(raw) - _PAGE_BYTES + 1, _PAGE_BYTES):
        yield raw[at : at + _PAGE_BYTES]


def _logged_pages(path: Path) -> Iterator[bytes]:
    raw = path.read_bytes() if path.exists() else b""
    salt, begun = raw[16:24], dict[int, bytes]()
    for at in range(_LOG_HEADER_BYTES, len(raw), _FRAME_HEADER.size + _PAGE_BYTES):
        end = at + _FRAME_HEADER.size
        page = raw[end : end + _PAGE_BYTES]
        if len(page) < _PAGE_BYTES or raw[at + 8 : at + 16] != salt:
            return
        number, committed, *_ = _FRAME_HEADER.unpack(raw[at:end])
        begun[number] = page
        if committed:
            yield from begun.values()
            begun.clear()


def _rows(page: bytes) -> Iterator[tuple[int, tuple[Value, ...]]]:
    if page[0] != _LEAF_OF_TABLE:
        return
    count = int.from_bytes(page[3:5], "big")
    for at in range(8, 8 + 2 * min(count, _PAGE_BYTES // 4), 2):
        start = int.from_bytes(page[at : at + 2], "big")
        try:
            size, start = _varint(page, start)
            rowid, start = _varint(page, start)
            if size <= _LOCAL_AT_MOST and start + size <= len(page):
                yield rowid, tuple(_record(page[start : start + size]))
        except (IndexError, ValueError):
            continue


def _record(raw: bytes) -> Iterator[Value]:
    """The values of a row; raises IndexError, ValueError."""
    end, at = _varint(raw, 0)
    kinds, start = [], end
    while at < end:
        kind, at = _varint(raw, at)
        kinds.append(kind)
    for kind in kinds:
        size = _size(kind)
        value = raw[start : start + size]
        if len(value) < size:
            raise ValueError("the row ends too early")
        start += size
        yield _value(kind, value)


def _size(kind: int) -> int:
    if kind in (0, 8, 9):
        return 0
    if kind == 7:
        return 8
    if kind >= 12:
        return (kind - 12) // 2
    if kind not in _INTEGER_BYTES:
        raise ValueError(f"{kind} is reserved")
    return _INTEGER_BYTES[kind]


def _value(kind: int, raw: bytes) -> Value:
    if kind >= 12:
        return raw.decode("utf-8") if kind % 2 else raw
    if kind == 7:
        return float(struct.unpack(">d", raw)[0])
    if kind == 0:
        return None
    return kind - 8 if kind in (8, 9) else int.from_bytes(raw, "big", signed=True)


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """A number of 1 to 9 bytes, and where it ends; raises IndexError."""
    value = 0
    for number in range(9):
        byte = raw[at + number]
        if number == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + number + 1
    raise IndexError
