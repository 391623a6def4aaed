"""What each release's systemd says of the installed units: no mistake in them, and a tight cage."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.packaging.machine import ROLES, Failed, Machine

pytestmark = [pytest.mark.packages, pytest.mark.timeout(900)]

# In tenths, as `systemd-analyze security --threshold` takes it; lower is safer.
EXPOSURES: Final = {
    "blelock-issuer.service": 11,
    "blelock-lock.service": 12,
    "blelock-lock@front.service": 12,
    "blelock-guest.service": 11,
}


@pytest.fixture
def installed(furnished: Machine, packages: dict[str, Path]) -> Machine:
    """A machine with all roles."""
    furnished.install(*(packages[role] for role in ROLES))
    return furnished


def exposure(machine: Machine, unit: str, tenths: int) -> str:
    """What systemd says of the unit's cage; raises Failed where it is wider than that."""
    return machine.run(
        f"systemd-analyze security --offline=yes --no-pager --threshold={tenths} {unit}"
    )


def test_every_unit_is_free_of_mistakes_and_in_a_tight_cage(installed: Machine) -> None:
    units = " ".join(EXPOSURES)
    # The manual pages are not looked for: a minimal system leaves them out.
    assert installed.run(f"systemd-analyze verify --man=no {units} bluetooth.service") == ""
    for unit, tenths in EXPOSURES.items():
        exposure(installed, unit, tenths)


def test_a_mistake_and_an_open_cage_are_noticed(installed: Machine) -> None:
    installed.run(
        "mkdir /etc/systemd/system/blelock-lock.service.d;"
        " printf '[Service]\nProtectSystem=no\nProtectHime=yes\n'"
        " >/etc/systemd/system/blelock-lock.service.d/loose.conf"
    )
    assert "ProtectHime" in installed.attempt("systemd-analyze verify blelock-lock.service").stdout
    with pytest.raises(Failed, match=r"Overall exposure level"):
        exposure(installed, "blelock-lock.service", 12)
