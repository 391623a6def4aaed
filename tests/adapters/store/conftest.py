"""A store on a real disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blelockd.adapters.store import Store
from tests.adapters.store.household import Household


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def house(store: Store) -> Iterator[Household]:
    house = Household(store)
    yield house
    house.store.close()  # after a restore another one than `store`
