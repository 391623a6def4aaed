"""Maintainer scripts: run again they change nothing, and killed anywhere they leave nothing broken.

A trap kills the script before its n-th command, for every n. Then dpkg finishes the work, as after
a power cut, and the machine must be as if nothing had happened.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.packaging.machine import Machine
from tests.packaging.newer import newer

pytestmark = [pytest.mark.packages, pytest.mark.timeout(1800)]

PACKAGE: Final = "blelock-lock"  # its scripts do all that those of the others do, and more

# The same script under bash, which can be told to die before its n-th command.
_DEADLY: Final = r"""
info=/var/lib/dpkg/info/$1.$2
cp -p "$info" /srv/whole
{ echo '#!/bin/bash'
  echo 'commands=0; set -T'
  printf "trap '(( ++commands == %s )) && { touch /srv/died; kill -9 \$\$; }' DEBUG\n" "$3"
  sed 1d /srv/whole; } >/srv/deadly
cat /srv/deadly >"$info"
rm -f /srv/died
"""
_MENDED: Final = "cat /srv/whole >/var/lib/dpkg/info/$1.$2"


def at_each_command(machine: Machine, script: str, doing: str, finish: str) -> int:
    """Do it with `script` killed at its first command, its second, and so on, each time finished
    by `finish`; returns at how many. `doing` may fail, `finish` must not.
    """
    return int(
        machine.run(
            f"""
            number=1
            while :; do
                set -- {PACKAGE} {script} "$number"
                {_DEADLY}
                {doing} >/srv/said 2>&1 || true
                if [ ! -e /srv/died ]; then break; fi
                if [ -e "/var/lib/dpkg/info/$1.$2" ]; then {_MENDED}; fi
                {{ {finish}; }} >/srv/said 2>&1 || {{ cat /srv/said; echo "killed at $3"; exit 1; }}
                number=$((number + 1))
            done
            if [ -e "/var/lib/dpkg/info/$1.$2" ]; then {_MENDED}; fi
            echo $((number - 1))
            """
        ).splitlines()[-1]
    )


def without_keys(state: dict[str, str]) -> dict[str, str]:
    """The state without the content of keys, which are new each time."""
    return {path: what.split()[0] if "/keys/" in path else what for path, what in state.items()}


@pytest.fixture
def installed(furnished: Machine, packages: dict[str, Path]) -> Machine:
    """A machine with the lock, which has a catalog of messages and a group for GPIO lines."""
    furnished.run("mkdir -p /usr/lib/systemd/catalog && groupadd gpio")
    furnished.install(packages["lock"])
    return furnished


def test_configuring_again_changes_nothing(installed: Machine) -> None:
    before = installed.state()
    for arguments in ("configure", "configure 0.1.0", "abort-upgrade 9", "abort-remove"):
        installed.run(f"/var/lib/dpkg/info/{PACKAGE}.postinst {arguments}")
        assert installed.state() == before, arguments


def test_removing_and_purging_again_changes_nothing(installed: Machine) -> None:
    scripts = "cp -p /var/lib/dpkg/info/blelock-lock.* /srv"
    installed.run(f"{scripts}; /srv/{PACKAGE}.prerm remove; apt-get -qq remove --yes {PACKAGE}")
    removed = installed.state()
    installed.run(f"/srv/{PACKAGE}.postrm remove")
    assert installed.state() == removed
    installed.run(f"dpkg --purge {PACKAGE}")
    purged = installed.state()
    installed.run(f"/srv/{PACKAGE}.postrm purge")
    assert installed.state() == purged


def test_a_configuration_killed_anywhere_is_completed_by_the_next(installed: Machine) -> None:
    whole = without_keys(installed.state())
    died = at_each_command(
        installed,
        "postinst",
        'dpkg-reconfigure "$1" || dpkg --configure "$1"',
        "dpkg --configure -a",
    )
    assert died > 10
    assert without_keys(installed.state()) == whole


def test_a_first_installation_killed_anywhere_is_completed_by_the_next(
    installed: Machine,
) -> None:
    whole = without_keys(installed.state())
    deb = f"/srv/{PACKAGE}.deb"
    finish = f"dpkg --configure -a && dpkg --purge {PACKAGE} && dpkg --unpack {deb}"
    installed.run(f"dpkg --purge {PACKAGE}; dpkg --unpack {deb}")
    assert at_each_command(installed, "postinst", 'dpkg --configure "$1"', finish) > 10
    installed.run("dpkg --configure -a")
    assert without_keys(installed.state()) == whole


def test_an_upgrade_killed_anywhere_keeps_the_keys(
    installed: Machine, packages: dict[str, Path], tmp_path: Path
) -> None:
    show = "blelock-lock show-key --fingerprint"
    key = installed.run(show)
    installed.put("/srv/newer.deb", newer(packages["lock"], tmp_path).read_bytes())
    back = (
        f"dpkg --configure -a && dpkg --install /srv/newer.deb && dpkg --install /srv/{PACKAGE}.deb"
    )
    for script in ("prerm", "postrm"):
        assert at_each_command(installed, script, "dpkg --install /srv/newer.deb", back) > 1
        assert installed.run(show) == key


@pytest.mark.parametrize("script", ["prerm", "postrm"])
def test_a_removal_killed_anywhere_can_be_taken_up_again(installed: Machine, script: str) -> None:
    whole = without_keys(installed.state())
    deb = f"/srv/{PACKAGE}.deb"
    again = f'dpkg --remove "$1" && dpkg --install {deb}'
    assert at_each_command(installed, script, 'dpkg --remove "$1"', again) > 1
    installed.run(f"dpkg --install {deb}")
    assert without_keys(installed.state()) == whole


def test_a_purge_killed_anywhere_can_be_taken_up_again(installed: Machine) -> None:
    deb = f"/srv/{PACKAGE}.deb"
    installed.run(f"cp -a /etc/blelock/keys /srv/keys; dpkg --purge {PACKAGE}")
    before = installed.state()
    # The keys of before: making new ones each time takes longer than all the rest.
    install = f"mkdir /etc/blelock && cp -a /srv/keys /etc/blelock && dpkg --install {deb}"
    installed.run(f"{install}; dpkg --remove {PACKAGE}")
    again = f'dpkg --purge "$1" && {install} && dpkg --remove "$1"'
    assert at_each_command(installed, "postrm", 'dpkg --purge "$1"', again) > 10
    installed.run(f"dpkg --purge {PACKAGE}")
    assert installed.state() == before
