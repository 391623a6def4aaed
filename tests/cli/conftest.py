"""Somebody else's public key, and a place for ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from blelockd.adapters.keyring import generate, read_public
from tests.cli.home import Home


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The public key of somebody else."""
    folder = tmp_path_factory.mktemp("theirs")
    generate(folder / "them.pem", 2048)
    return folder / "them.pub"


@pytest.fixture
def fingerprint(theirs: Path) -> str:
    return read_public(theirs).fingerprint()


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Home:
    """An issuer that knows nobody yet."""
    return Home(tmp_path, capsys)
