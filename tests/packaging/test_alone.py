"""`apt install ./blelock-ROLE.deb` on a clean Debian: that file and the archive are enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from blelockd.cli.keys import OWN_KEYS
from tests.packaging.machine import ROLES, Machine

pytestmark = [pytest.mark.packages, pytest.mark.timeout(900)]


@pytest.mark.parametrize("role", ROLES)
def test_one_file_makes_a_clean_machine_a_part_of_the_system(
    clean: Machine, packages: dict[str, Path], role: str
) -> None:
    clean.install(packages[role])
    assert clean.run(f"blelock-{role} --version").startswith(f"blelock-{role} ")
    assert "no errors" in clean.run(f"blelock-{role} check-config")
    for key in (f"{role}.pem", *(own.file for own in OWN_KEYS[role])):
        assert clean.run(f"stat -c '%a %U %G' /etc/blelock/keys/{key}") == "600 root root\n"
    assert "RSA" in clean.run(f"blelock-{role} keygen")
    assert clean.run(f"getent passwd blelock-{role}").startswith(f"blelock-{role}:")
    assert "blelock" not in clean.run("ls /etc/systemd/system/*.wants 2>/dev/null || true")
    # Every library that the daemon needs, as the daemon imports it.
    clean.run(
        'python3 -I -W error::ImportWarning -c "import sys; sys.path.insert(0, sys.argv[1]);'
        'import importlib; importlib.import_module(sys.argv[2]); import systemd.journal"'
        f" /usr/share/blelock-{role} blelockd.roles.{role}"
    )


def test_the_demo_needs_one_file_too(clean: Machine, packages: dict[str, Path]) -> None:
    clean.install(packages["demo"])
    clean.run("blelock-demo --help")
    clean.run("NO_COLOR=1 blelock-demo")
