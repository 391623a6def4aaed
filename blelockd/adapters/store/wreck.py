"""A damaged file, read row by row as far as it can be read. It is a copy: the original stays."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from blelockd.adapters.store.carving import carved

_MOST_PROBES: Final = 4096
_HIGHEST: Final = (1 << 63) - 1

Raw = tuple[Any, ...]


class Wreck:
    """`with` it: what of the tables is left in the file at `path`. Nothing that it holds is true
    because it stands there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.text_factory = lambda raw: raw.decode("utf-8", "replace")

    def __enter__(self) -> Wreck:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def rows(self, table: str, columns: Sequence[str]) -> tuple[list[Raw], bool]:
        """The rows that can be read, in their order, and whether these are all."""
        sql = f"SELECT rowid, {', '.join(columns)} FROM {table} NOT INDEXED"
        found: dict[int, Raw] = {}
        if self._read(f"{sql} ORDER BY rowid", (), found):
            return [found[at] for at in sorted(found)], True
        front = max(found, default=-1)
        self._read(f"{sql} ORDER BY rowid DESC", (), found)
        back = min((at for at in found if at > front), default=_HIGHEST)
        self._probe(sql, front + 1, back, found)
        return [found[at] for at in sorted(found)], False

    def carved(self, columns: int) -> list[Raw]:
        """Rows of so many columns, of whatever table, found without its tree; the newest last."""
        return list(carved(self._path, columns))

    def _probe(self, sql: str, low: int, high: int, found: dict[int, Raw]) -> None:
        """Read between, by halves where a half cannot be read; a bounded number of them."""
        halves = [(low, min(high, low + (1 << 24)))]
        sql = f"{sql} WHERE rowid >= ? AND rowid < ? ORDER BY rowid"
        for _ in range(_MOST_PROBES):
            if not halves:
                return
            low, high = halves.pop()
            if low >= high or self._read(sql, (low, high), found) or high - low == 1:
                continue
            middle = (low + high) // 2
            halves += [(middle, high), (low, middle)]

    def _read(self, sql: str, values: Sequence[int], found: dict[int, Raw]) -> bool:
        """Whether all of it could be read; what could be is in `found` in any case."""
        try:
            with closing(self._connection.execute(sql, values)) as rows:
                for at, *row in rows:
                    found[at] = tuple(row)
        except (sqlite3.Error, OverflowError):
            return False
        return True
