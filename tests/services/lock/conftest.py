"""A lock of version 2 with its issuer, on fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.lock_v2 import Town
from tests.fakes.spool import FakeSpool
from tests.services.lock.place import Place


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """A lock that has been running for ten seconds and has the time from its issuer."""
    async with Town(tmp_path / "state").open() as town:
        await town.pass_(10)
        yield town


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    disk = FakeSpool()
    town = Town(None, spool=disk)
    async with town.open():
        await town.pass_(10)
        place = Place(town, disk)
        yield place
        place.check_no_gap()
