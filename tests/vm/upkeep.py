"""What the person who keeps the house does to it: reload, reboot, upgrade, purge."""

from __future__ import annotations

import asyncio
import shlex
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.packaging.newer import NEXT_VERSION, newer
from tests.vm.daemons import fingerprints, shown, version
from tests.vm.machine import Machine
from tests.vm.opening import phone_opens
from tests.vm.setting_up import apt_install
from tests.vm.steps import Steps
from tests.vm.town import ON_THE_HOUSE, Town, cursor, event, wait_powered

_LOCK_YAML: Final = "/etc/blelock/lock.yaml"
_NOT_OURS: Final = (
    *("/proc", "/root", "/tmp", "/var/log", "/var/cache", "/usr/local"),
    *("/var/lib/apt", "/var/lib/mosquitto"),
)
_LEFT: Final = (
    f"find / -xdev \\( {' -o '.join(f'-path {each}' for each in _NOT_OURS)} \\) -prune"
    " -o -name '*blelock*' ! -name 'blelock-vm*' -print; getent passwd | grep blelock;"
    " getent group | grep blelock; systemctl list-units --all --plain --no-legend 'blelock-[!v]*';"
    " pgrep -fl 'blelock-(issuer|lock|guest) run'; true"
)


async def reloads(town: Town, steps: Steps) -> None:
    """With a good file, which is taken, and with a bad one, which changes nothing."""
    house = town.house
    process = await shown(house, "lock", "MainPID")
    before = await cursor(house)
    since = f"journalctl -u blelock-lock --cursor {shlex.quote(before)} -o cat"
    async with steps("systemctl reload with a good file", seconds=60):
        began = time.monotonic()
        await house.run(f"cp {_LOCK_YAML} ~ && echo 'rssi_threshold_dbm: -65' >>{_LOCK_YAML}")
        await house.run("systemctl reload blelock-lock", seconds=50)
        reloaded = await event(house, "lock", "reloaded", before)
    steps.note(f"{time.monotonic() - began:.1f} s, journal: {reloaded['MESSAGE']}")
    async with steps("systemctl reload with a bad file fails and changes nothing", seconds=60):
        await house.run(f"echo 'rssi_treshold_dbm: -65' >>{_LOCK_YAML}")
        status, _ = await house.attempt("systemctl reload blelock-lock", seconds=50)
        assert status != 0
        told = await house.run(f"{since} | grep treshold")
        assert await shown(house, "lock", "ActiveState") == "active"
        assert await shown(house, "lock", "MainPID") == process
    steps.note(f"journal: {told.splitlines()[0]}")
    await phone_opens(town, steps, "and a phone opens the door")
    async with steps("the file as it was is taken again", seconds=60):
        await house.run(f"cat ~/lock.yaml >{_LOCK_YAML} && systemctl reload blelock-lock")


async def reboots(town: Town, steps: Steps) -> None:
    """In order. Everything comes up by itself, with the keys it had and its journal."""
    house = town.house
    keys = await fingerprints(house, *ON_THE_HOUSE)
    async with steps("the house reboots, and is on the air by itself", seconds=300):
        began = time.monotonic()
        await house.reboot()
        up = time.monotonic() - began
        await wait_active(town)
        active = time.monotonic() - began
    async with steps("keys and journal are what they were", seconds=60):
        assert await fingerprints(house, *ON_THE_HOUSE) == keys
        unlocks = await house.run(
            "journalctl --boot=-1 -u blelock-lock BLELOCK_EVENT=unlock -o cat | wc -l"
        )
        assert int(unlocks) > 0
    steps.note(
        f"agent after {up:.1f} s, READY after {active:.1f} s; the journal of the boot before tells"
        f" {unlocks.strip()} unlocks"
    )
    await phone_opens(town, steps, "and a phone opens the door")


async def wait_active(town: Town) -> None:
    """Return when the adapters and all that runs on the house are up after a boot."""
    await wait_powered(town.house, "hci0", "hci1", seconds=90)
    for role in town.daemons:
        await town.house.run(
            f"until systemctl is-active --quiet blelock-{role}; do sleep 0.2; done", seconds=120
        )
        await _says(town.house, role, "on hci")
        if role != "issuer":  # which refuses a session with a lock that it has not heard
            await _says(town.house, role, "time up")


async def _says(house: Machine, role: str, what: str) -> None:
    """Return when the daemon's status has that in it."""
    ask = f"systemctl show blelock-{role} --property StatusText"
    await house.run(f"until {ask} | grep -q '{what}'; do sleep 0.2; done", seconds=60)


async def upgrades(town: Town, steps: Steps) -> None:
    """A newer package while its daemon runs: it runs on as the new one, and keeps what is ours."""
    house = town.house
    keys = await fingerprints(house, "lock")
    configured = await house.run(f"sha256sum {_LOCK_YAML}")
    process = {role: await shown(house, role, "MainPID") for role in town.daemons}
    before = await cursor(house)
    async with steps("apt install ./blelock-lock.deb of the next version", seconds=200):
        with tempfile.TemporaryDirectory() as scratch:
            package = town.packages / "blelock-lock.deb"
            built = await asyncio.to_thread(newer, package, Path(scratch))
            await apt_install(built.parent, house, "lock")
        assert await version(house, "lock") == NEXT_VERSION
        stopped = await event(house, "lock", "stopping", before)
        back = await event(house, "lock", "link-up", before, part="scan")
        for role in town.daemons:
            if role.startswith("lock@"):
                await event(house, role, "link-up", before, part="scan")
    away_us = int(back["__REALTIME_TIMESTAMP"]) - int(stopped["__REALTIME_TIMESTAMP"])
    for role in town.daemons:
        assert (await shown(house, role, "MainPID") == process[role]) == (role == "issuer"), role
    assert await fingerprints(house, "lock") == keys
    assert await house.run(f"sha256sum {_LOCK_YAML}") == configured
    steps.note(f"{NEXT_VERSION} runs; the scan was off for {away_us / 1e6:.1f} s")
    await phone_opens(town, steps, "and a phone opens the door")


async def purges(town: Town, steps: Steps) -> None:
    """Issuer and lock leave nothing, and bluetoothd is as it was."""
    house = town.house
    async with steps("apt purge blelock-issuer blelock-lock", seconds=180):
        began = time.monotonic()
        await house.run("apt purge --yes blelock-issuer blelock-lock 2>&1", seconds=170)
    took = time.monotonic() - began
    async with steps("nothing is left, and bluetoothd runs as before", seconds=90):
        left = await house.run(_LEFT, seconds=80)
        assert left == "", left
        await house.run("! ls /etc/blelock /var/lib/blelock* 2>/dev/null")
        await wait_powered(house, "hci0", "hci1")
        await house.run("! tr '\\0' '\\n' </proc/$(pidof bluetoothd)/cmdline | grep -e --exper")
    steps.note(f"purged in {took:.1f} s: no file, user, group, unit or process")
