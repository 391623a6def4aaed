"""The bus policy that is shipped as an example: who may use BlueZ without it, and who with it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.packaging.machine import ROLES, Machine

pytestmark = [pytest.mark.packages, pytest.mark.timeout(900)]

POLICY: Final = "/usr/share/doc/blelock-lock/examples/only-blelock-uses-bluetooth.conf"
STRANGER: Final = "nobody"
OWN: Final = ("root", "member", *(f"blelock-{role}" for role in ROLES))

_ASK: Final = """
mkdir -p /run/dbus
dbus-daemon --system --fork
python3 -I /srv/probe.py serve >/srv/served &
while ! [ -s /srv/served ]; do sleep 0.1; done
for user; do
    setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups \
        python3 -I /srv/probe.py probe | sed "s/^/$user /"
done
"""


def allowed(machine: Machine, *users: str) -> dict[str, str]:
    """What each of `users` may do, on a bus that is started for it."""
    lines = machine.run(_ASK, *users).splitlines()
    return dict(line.split(" ", 1) for line in lines)


def test_the_policy_closes_bluez_to_all_but_the_daemons_and_its_own_group(
    furnished: Machine, packages: dict[str, Path]
) -> None:
    furnished.install(*(packages[role] for role in ROLES))
    furnished.run("useradd --groups bluetooth member")
    furnished.put("/srv/probe.py", Path(__file__).with_name("bus_probe.py").read_bytes())
    everybody = (STRANGER, *OWN)
    assert allowed(furnished, *everybody) == dict.fromkeys(everybody, "called heard")
    # As its own text says, but for the reload.
    furnished.run(f"install -m 644 {POLICY} /etc/dbus-1/system-local.conf; rm -r /run/dbus")
    assert allowed(furnished, *everybody) == {
        STRANGER: "denied unheard",
        **dict.fromkeys(OWN, "called heard"),
    }
