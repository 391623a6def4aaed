"""From the packages to a running system, as the README tells a person to do it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from blelockd.virtual.typed import TYPED_CODE
from tests.vm.machine import Machine
from tests.vm.steps import Steps
from tests.vm.town import LOCK_ID, ON_THE_HOUSE, Town, cursor, event, plug_in

_INSTALL: Final = "cd && yes '' | DEBIAN_FRONTEND=noninteractive apt install --yes {files} 2>&1"


async def boot(machine: Machine, steps: Steps, *adapters: str) -> None:
    """A machine with its adapters plugged in."""
    async with steps(f"{machine.name} boots", seconds=400):
        await machine.boot()
        await machine.run("systemctl is-system-running --wait || :", seconds=90)
    async with steps(f"{machine.name}: {' and '.join(adapters)} plugged in", seconds=60):
        await plug_in(machine, *adapters)


async def apt_install(packages: Path, machine: Machine, *roles: str) -> None:
    """`apt install ./blelock-ROLE.deb`, as a person would, who presses Enter when asked."""
    for role in roles:
        content = (packages / f"blelock-{role}.deb").read_bytes()
        await machine.put(f"blelock-{role}.deb", content)
    files = " ".join(f"./blelock-{role}.deb" for role in roles)
    await machine.run(_INSTALL.format(files=files), seconds=290)


async def install(town: Town, machine: Machine, steps: Steps, *roles: str) -> None:
    """The packages; nothing starts by itself."""
    async with steps(f"{machine.name}: apt install {', '.join(roles)}", seconds=300):
        await apt_install(town.packages, machine, *roles)
    async with steps(f"{machine.name}: nothing runs yet, bluetoothd is experimental", seconds=30):
        for role in roles:
            _, enabled = await machine.attempt(f"systemctl is-enabled blelock-{role}")
            _, active = await machine.attempt(f"systemctl is-active blelock-{role}")
            assert (enabled.strip(), active.strip()) == ("disabled", "inactive"), role
        await machine.run("tr '\\0' ' ' </proc/$(pidof bluetoothd)/cmdline | grep -e --exper")


async def introduce(house: Machine, steps: Steps) -> None:
    """Issuer and lock take each other's card, and confirm it by its fingerprint."""
    async with steps("house: issuer and lock take each other's card", seconds=90):
        await house.run(
            "cd && blelock-lock card >lock.card 2>lock.said &&"
            " blelock-issuer card >issuer.card 2>issuer.said &&"
            " blelock-issuer lock add lock.card"
            """ --fingerprint "$(sed -n 's/^fingerprint //p' lock.said)" &&"""
            " blelock-lock trust issuer.card"
            """ --fingerprint "$(sed -n 's/^fingerprint //p' issuer.said)" """,
            seconds=80,
        )


async def configure(house: Machine, steps: Steps) -> None:
    """Each has an adapter of its own: a # is taken away in lock.yaml."""
    async with steps("house: /etc/blelock/lock.yaml is edited, all is checked", seconds=60):
        await house.run("sed -i 's/^#adapter: hci0/adapter: hci1/' /etc/blelock/lock.yaml")
        for role in ON_THE_HOUSE:
            await house.run(f"blelock-{role} check-config", seconds=30)


async def enable(house: Machine, steps: Steps) -> None:
    """The broker, the issuer and the lock."""
    before = await cursor(house)
    async with steps("systemctl enable --now mosquitto blelock-issuer blelock-lock", seconds=90):
        await house.run(
            "systemctl enable --quiet --now mosquitto blelock-issuer blelock-lock 2>&1", seconds=80
        )
    async with steps("the lock has greeted the issuer, which knows what it holds", seconds=60):
        await event(house, "issuer", "lock-greeted", before, lock=LOCK_ID)
    for role in ON_THE_HOUSE:
        shown = await house.run(f"systemctl show blelock-{role} --property StatusText --value")
        steps.note(f"blelock-{role}: {shown.strip()}")


async def house(town: Town, steps: Steps) -> None:
    """The machine with the broker, the issuer and the lock, running."""
    await boot(town.house, steps, "hci0", "hci1")
    await install(town, town.house, steps, *ON_THE_HOUSE)
    await introduce(town.house, steps)
    await configure(town.house, steps)
    await enable(town.house, steps)


async def guest(town: Town, steps: Steps) -> None:
    """A machine for the guest alone, installed."""
    await boot(town.guest, steps, "hci0")
    await install(town, town.guest, steps, "guest")


async def invite(house: Machine, person: str, lock: str = LOCK_ID) -> str:
    """A fresh invite, as it is typed."""
    told = await house.run(f"blelock-issuer guest invite {person} --locks {lock} --valid 30d")
    found = TYPED_CODE.search(told)
    assert found is not None, told
    return found[0]
