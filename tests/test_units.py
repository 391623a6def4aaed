"""The units as they are shipped: the keys that they hand over, and one unit for all doors."""

from __future__ import annotations

import re
from typing import Final

import pytest

from blelockd.cli.keys import OWN_KEYS
from tests.checkout import ROOT

UNITS: Final = ROOT / "systemd"
ROLES: Final = {
    "blelock-issuer.service": "issuer",
    "blelock-lock.service": "lock",
    "blelock-lock@.service": "lock",
    "blelock-guest.service": "guest",
}


def settings(unit: str) -> list[str]:
    """The lines of a unit without its comments, `%i` and what goes with it left out."""
    text = (UNITS / unit).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [re.sub(r" \(%i\)| --config \S*%i\S*", "", line) for line in lines]


def test_all_units_are_known_here() -> None:
    assert {path.name for path in UNITS.glob("*.service")} == set(ROLES)


@pytest.mark.parametrize("unit", ROLES)
def test_systemd_hands_over_each_key_of_the_role_and_no_others(unit: str) -> None:
    role = ROLES[unit]
    files = {f"{role}.pem", *(own.file for own in OWN_KEYS[role])}
    handed = {line for line in settings(unit) if "Credential" in line}
    assert handed == {f"LoadCredential={file}:/etc/blelock/keys/{file}" for file in files}


@pytest.mark.parametrize("unit", ROLES)
def test_a_daemon_is_a_user_of_its_own_and_root_nowhere(unit: str) -> None:
    assert f"User=blelock-{ROLES[unit]}" in settings(unit)
    commands = [line for line in settings(unit) if line.startswith("Exec")]
    assert len(commands) == 3
    assert not [line for line in commands if re.match(r"Exec\w+=[-@:]*[+!]", line)]


@pytest.mark.parametrize("unit", ROLES)
def test_a_daemon_that_hangs_or_falls_is_started_anew(unit: str) -> None:
    assert {"Type=notify", "WatchdogSec=30s", "Restart=always"} <= set(settings(unit))


@pytest.mark.parametrize("unit", ROLES)
def test_a_daemon_that_grows_without_bound_takes_only_itself_along(unit: str) -> None:
    assert {"MemoryMax=256M", "TasksMax=64"} <= set(settings(unit))


def test_every_door_of_a_machine_is_caged_as_the_only_one_would_be() -> None:
    assert settings("blelock-lock@.service") == settings("blelock-lock.service")
