"""What holds for every test: Hypothesis judges values, never the speed of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.fakes.service_manager import ServiceManager

settings.register_profile("here", deadline=None)
# A red CI must be the fault of the tree, and red again on the next run.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServiceManager:
    """The only systemctl and journalctl that are found."""
    manager = ServiceManager(tmp_path / "bin")
    monkeypatch.setenv("PATH", manager.path)
    return manager
