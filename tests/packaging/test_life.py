"""Upgrade, remove, purge: what is the person's stays theirs, and what is ours goes with us."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from blelockd.cli.keys import OWN_KEYS
from tests.packaging.machine import ROLES, Machine
from tests.packaging.newer import CHANGED_DEFAULT, NEXT_VERSION, newer

pytestmark = [pytest.mark.packages, pytest.mark.timeout(900)]

OWN_LINE = "# The porter wrote this."


def fingerprint(machine: Machine, role: str) -> str:
    """That of the role's own key."""
    return machine.run(f"blelock-{role} show-key --fingerprint --keys-directory /etc/blelock/keys")


def test_the_three_live_on_one_machine_and_are_upgraded_apart(
    furnished: Machine, packages: dict[str, Path], tmp_path: Path
) -> None:
    furnished.install(*(packages[role] for role in ROLES))
    keys = {role: fingerprint(furnished, role) for role in ROLES}
    assert len(set(keys.values())) == len(ROLES)
    furnished.install(newer(packages["lock"], tmp_path))
    versions = furnished.run("dpkg-query -W -f '${Package} ${Version}\n' 'blelock-*'")
    assert f"blelock-lock {NEXT_VERSION}\n" in versions
    assert versions.count(NEXT_VERSION) == 1
    assert {role: fingerprint(furnished, role) for role in ROLES} == keys


@pytest.mark.parametrize("role", ROLES)
def test_an_edited_configuration_and_the_keys_outlive_upgrade_and_removal(
    furnished: Machine, packages: dict[str, Path], tmp_path: Path, role: str
) -> None:
    furnished.install(packages[role])
    key = fingerprint(furnished, role)
    configuration = f"/etc/blelock/{role}.yaml"
    furnished.run(f"echo '{OWN_LINE}' >>{configuration}; before=$(cat {configuration})")
    furnished.install(newer(packages[role], tmp_path))
    told = furnished.run(f"cat {configuration}")
    assert told.endswith(f"{OWN_LINE}\n")
    assert CHANGED_DEFAULT not in told
    furnished.run(f"apt-get -qq remove --yes blelock-{role}")
    assert furnished.run(f"cat {configuration}") == told
    furnished.install(packages[role])
    assert fingerprint(furnished, role) == key


def test_a_configuration_that_nobody_edited_follows_the_package(
    furnished: Machine, packages: dict[str, Path], tmp_path: Path
) -> None:
    furnished.install(packages["lock"])
    furnished.install(newer(packages["lock"], tmp_path))
    assert furnished.run("cat /etc/blelock/lock.yaml").startswith(CHANGED_DEFAULT)


@pytest.mark.parametrize("role", [*ROLES, "demo"])
def test_purging_the_only_one_leaves_nothing(
    furnished: Machine, packages: dict[str, Path], role: str
) -> None:
    before = furnished.state()
    furnished.install(packages[role])
    furnished.run(f"apt-get -qq purge --yes blelock-{role}")
    assert furnished.state() == before


@pytest.mark.parametrize("order", list(permutations(ROLES)), ids="-".join)
def test_purging_one_after_the_other_leaves_the_others_whole_and_then_nothing(
    furnished: Machine, packages: dict[str, Path], order: tuple[str, ...]
) -> None:
    before = furnished.state()
    furnished.install(*(packages[role] for role in ROLES))
    furnished.run("cd /etc/blelock && touch broker-ca.crt issuer.password lock-front.password")
    keys = {role: fingerprint(furnished, role) for role in ROLES}
    for number, role in enumerate(order, 1):
        furnished.run(f"dpkg --purge blelock-{role}")
        assert furnished.attempt(f"getent passwd blelock-{role}").returncode != 0
        left = furnished.run("ls -A /etc/blelock/keys || true").split()
        assert not {f"{role}.pem", *(own.file for own in OWN_KEYS[role])}.intersection(left)
        assert not furnished.run(f"find /etc -path '/etc/blelock/{role}[.-]*'")
        for other in order[number:]:
            assert fingerprint(furnished, other) == keys[other]
            furnished.run(f"blelock-{other} check-config && getent passwd blelock-{other}")
            furnished.run(
                "test -e /usr/lib/systemd/catalog/blelock.catalog -o ! -d /usr/lib/systemd/catalog"
            )
    assert furnished.state() == before
