"""What a test of the issuer has opened of stores is closed at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blelockd.adapters.store import Store


@pytest.fixture(autouse=True)
def _stores_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Python 3.13 warns of a database that nobody has closed."""
    opened: list[Store] = []
    begin = Store.__init__

    def remembered(store: Store, directory: Path) -> None:
        begin(store, directory)
        opened.append(store)

    monkeypatch.setattr(Store, "__init__", remembered)
    yield
    for store in opened:
        store.close()
