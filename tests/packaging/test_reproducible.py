"""Whoever builds a package, wherever and whenever, gets the same bytes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.packaging.machine import COMMAND_SECONDS

pytestmark = [pytest.mark.packages, pytest.mark.timeout(900)]


def build(checkout: Path, umask: int, **environment: str) -> dict[str, bytes]:
    """The packages that a fresh clone of this checkout builds, by name."""
    # The checkout may belong to another user than root.
    safe = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    clone = ["git", "clone", "--quiet", f"file://{ROOT}", str(checkout)]
    subprocess.run(
        clone, check=True, timeout=COMMAND_SECONDS, umask=umask, env={**os.environ, **safe}
    )
    subprocess.run(
        [checkout / "build-aux/deb"],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **environment},
        umask=umask,
        timeout=COMMAND_SECONDS,
    )
    return {package.name: package.read_bytes() for package in (checkout / "dist").glob("*.deb")}


def test_two_builds_in_different_surroundings_give_the_same_bytes(tmp_path: Path) -> None:
    elsewhere = tmp_path / "a longer path, with spaces"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    one = build(tmp_path / "a", 0o022)
    other = build(elsewhere, 0o077, TZ="Asia/Kathmandu", LANG="C", TMPDIR=str(scratch), USER="no")
    assert set(one) == {f"blelock-{name}.deb" for name in ("issuer", "lock", "guest", "demo")}
    assert [name for name in one if one[name] != other[name]] == []
