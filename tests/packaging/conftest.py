"""What the packages are tried on: clean machines of each release, prepared once.

BLELOCK_PACKAGES is the directory with the built packages, BLELOCK_RELEASES names the releases.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.packaging.machine import ROLES, Machine, base


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test that wants a release runs on all of them."""
    if "release" in metafunc.fixturenames:
        releases = os.environ.get("BLELOCK_RELEASES", "bookworm trixie").split()
        metafunc.parametrize("release", releases, scope="session")


@pytest.fixture(scope="session")
def packages() -> dict[str, Path]:
    """The built packages, by role; and the demo."""
    if os.geteuid() != 0:
        pytest.fail("these tests make root file systems: run them as root, `make deb-test`")
    directory = ROOT / os.environ.get("BLELOCK_PACKAGES", "dist")
    found = {name: directory / f"blelock-{name}.deb" for name in (*ROLES, "demo")}
    missing = [path.name for path in found.values() if not path.exists()]
    assert not missing, f"{missing} are not there: `make deb` builds them"
    return found


@pytest.fixture(scope="session")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the root file systems are, while they are."""
    directory = tmp_path_factory.mktemp("layers")
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def clean_system(release: str, layers: Path) -> Machine:
    """A freshly installed Debian; not to be changed."""
    (layers / release).mkdir()
    return base(release, layers / release)


@pytest.fixture(scope="session")
def furnished_system(
    release: str, layers: Path, clean_system: Machine, packages: dict[str, Path]
) -> Machine:
    """The same with all that the packages depend on, but without them; not to be changed."""
    machine = clean_system.on_top(layers / release / "furnished")
    machine.install(*packages.values())
    machine.run(f"dpkg --purge {' '.join(f'blelock-{name}' for name in packages)}; rm /srv/*")
    return machine


@pytest.fixture
def clean(clean_system: Machine, tmp_path: Path) -> Iterator[Machine]:
    """A freshly installed Debian."""
    yield clean_system.on_top(tmp_path / "machine")
    shutil.rmtree(tmp_path / "machine")


@pytest.fixture
def furnished(furnished_system: Machine, tmp_path: Path) -> Iterator[Machine]:
    """A Debian that has all that the packages depend on."""
    yield furnished_system.on_top(tmp_path / "machine")
    shutil.rmtree(tmp_path / "machine")
