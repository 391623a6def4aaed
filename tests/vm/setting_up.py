"""From the packages to a running system, as the README tells a person to do it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.vm.daemons import ON_THE_HOUSE
from tests.vm.machine import Machine
from tests.vm.steps import Steps
from tests.vm.town import LOCK_ID, Town, plug_in

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


async def exchange_keys(house: Machine, steps: Steps) -> None:
    """Issuer and lock take each other's public key, and confirm it by its fingerprint."""
    async with steps("house: public keys are exchanged", seconds=90):
        await house.run(
            "cd && blelock-lock show-key >lock.pub && blelock-issuer show-key >issuer.pub &&"
            f" blelock-issuer import-key {LOCK_ID} lock.pub"
            ' --fingerprint "$(blelock-lock show-key --fingerprint)" && blelock-lock import-key'
            ' issuer.pub --fingerprint "$(blelock-issuer show-key --fingerprint)"',
            seconds=80,
        )


async def configure(house: Machine, steps: Steps) -> None:
    """The files in /etc/blelock are edited by taking away a # here and there."""
    async with steps("house: /etc/blelock/*.yaml are edited and checked", seconds=60):
        await house.run(
            "cd /etc/blelock && sed -i 's/^compat_v1: false/compat_v1: true/' *.yaml &&"
            " sed -i 's/^#adapter: hci0/adapter: hci1/' lock.yaml &&"
            f" sed -i 's/^  #{LOCK_ID}: .*/  {LOCK_ID}: {{}}/' issuer.yaml"
        )
        for role in ON_THE_HOUSE:
            await house.run(f"blelock-{role} check-config", seconds=30)


async def enable(house: Machine, steps: Steps) -> None:
    """The broker, the issuer and the lock."""
    async with steps("systemctl enable --now mosquitto blelock-issuer blelock-lock", seconds=90):
        await house.run(
            "systemctl enable --quiet --now mosquitto blelock-issuer blelock-lock 2>&1", seconds=80
        )
    for role in ON_THE_HOUSE:
        shown = await house.run(f"systemctl show blelock-{role} --property StatusText --value")
        steps.note(f"blelock-{role}: {shown.strip()}")


async def house(town: Town, steps: Steps) -> None:
    """The machine with the broker, the issuer and the lock, running."""
    await boot(town.house, steps, "hci0", "hci1")
    await install(town, town.house, steps, *ON_THE_HOUSE)
    await exchange_keys(town.house, steps)
    await configure(town.house, steps)
    await enable(town.house, steps)


async def guest(town: Town, steps: Steps) -> None:
    """A machine for the guest alone, installed."""
    await boot(town.guest, steps, "hci0")
    await install(town, town.guest, steps, "guest")


async def introduce(town: Town, steps: Steps) -> None:
    """The guest gets the issuer's public key, and a configuration that asks for its signature."""
    async with steps("guest: the issuer's key imported, guest.yaml edited", seconds=60):
        await town.guest.put("issuer.pub", (await town.house.run("cat ~/issuer.pub")).encode())
        fingerprint = (await town.house.run("blelock-issuer show-key --fingerprint")).strip()
        await town.guest.run(
            f"cd && blelock-guest import-key issuer.pub --fingerprint '{fingerprint}' &&"
            " cd /etc/blelock && sed -i -e 's/^compat_v1: false/compat_v1: true/'"
            " -e 's/^  #name: Iss/  name: Iss/'"
            " -e 's/^  #public_key: off/  public_key: issuer.pub/' guest.yaml &&"
            " blelock-guest check-config",
            seconds=60,
        )
