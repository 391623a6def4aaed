"""An air for every test. Whatever a virtual bluetoothd complains about fails the test."""

from __future__ import annotations

import asyncio
import importlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from blelockd.adapters.bluez.dbus import disconnect
from blelockd.virtual.hosts import VirtualAir


@pytest.fixture
async def air() -> AsyncIterator[VirtualAir]:
    """An air without hosts."""
    async with VirtualAir() as air:
        yield air
        faults = {name: host.faults() for name, host in air.hosts.items() if host.faults()}
        await _forget_bleaks_bus()
    assert not faults


async def _forget_bleaks_bus() -> None:
    """Close the connection that bleak keeps for as long as the event loop lives."""
    internals: Any = importlib.import_module("bleak.backends.bluezdbus.manager")
    instances = getattr(internals, "_global_instances", None)
    manager = instances.pop(asyncio.get_running_loop(), None) if instances is not None else None
    bus = getattr(manager, "_bus", None)
    if bus is not None:
        await disconnect(bus)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the demo may leave nothing. Its path is short, for sockets must fit into it."""
    directory = Path(tempfile.mkdtemp(prefix="demo-"))
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield directory
    shutil.rmtree(directory)
