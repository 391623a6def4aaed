"""The town of every scenario: a house with broker, issuer and lock, and a guest's machine.

One air is between them, and in it phones that are not BlueZ. It arranges; scenarios play.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shlex
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from blelockd.services.guest.provisioning_v2 import V2Identity
from tests.vm.air import Adapter, Air
from tests.vm.machine import CommandFailed, Image, Machine
from tests.vm.phone import Phone

ISSUER_ADDRESS: Final = "C0:DE:00:00:00:10"
LOCK_ADDRESS: Final = "C0:DE:00:00:00:11"
GUEST_ADDRESS: Final = "C0:DE:00:00:00:20"
LOCK_ID: Final = "lock_01"
ON_THE_HOUSE: Final = ("issuer", "lock")
"""The roles there, each with a unit of its own."""
EVENT_SECONDS: Final = 45.0

Entry = dict[str, Any]

_REARM_SECONDS: Final = 11.0
"""As shipped, and one for the last of the tokens that are still on the air."""


@dataclass(slots=True)
class Town:
    """Who is there. `packages` is the directory with the .debs; `resident` is who has enrolled
    with a phone, whichever phone it is; `daemons` is what runs there, blelock-X.service.
    """

    air: Air
    house: Machine
    guest: Machine
    packages: Path
    resident: V2Identity | None = None
    daemons: list[str] = field(default_factory=lambda: list(ON_THE_HOUSE))
    armed_seconds: float = 0.0
    """From when on, by the monotonic clock, the door opens for the resident again."""
    phones: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def machines(self) -> tuple[Machine, Machine]:
        """Both machines."""
        return self.house, self.guest

    async def armed(self) -> None:
        """Return when the door opens for the resident again: it knows them by their key."""
        await asyncio.sleep(max(0.0, self.armed_seconds - time.monotonic()))

    def let_in(self) -> None:
        """The door has opened for the resident."""
        self.armed_seconds = time.monotonic() + _REARM_SECONDS

    @asynccontextmanager
    async def phone(self) -> AsyncIterator[Phone]:
        """Somebody who has never been here, as long as the context lasts."""
        phone = Phone(self.air, f"F0:0D:00:00:00:{next(self.phones):02X}")
        await phone.switch_on()
        try:
            yield phone
        finally:
            phone.leave()


@asynccontextmanager
async def town(image: Image, scratch: Path, packages: Path) -> AsyncIterator[Town]:
    """Machines that are off, with their adapters in one air."""
    air = Air()
    adapters = {
        "issuer": Adapter(air, "issuer", ISSUER_ADDRESS),
        "lock": Adapter(air, "lock", LOCK_ADDRESS),
        "guest": Adapter(air, "guest", GUEST_ADDRESS),
    }
    house_plugs = {"hci0": adapters["issuer"].serve, "hci1": adapters["lock"].serve}
    house = Machine("house", image, scratch, house_plugs, cpus=2)
    guest = Machine("guest", image, scratch, {"hci0": adapters["guest"].serve}, cpus=1)
    async with AsyncExitStack() as stack:
        for machine in (house, guest):
            stack.push_async_callback(machine.close)
            await machine.prepare()
        yield Town(air, house, guest, packages)


async def plug_in(machine: Machine, *adapters: str) -> None:
    """Adapters that are there now and after every boot; returns when bluetoothd has them."""
    units = " ".join(f"blelock-vm-adapter@{name}" for name in adapters)
    await machine.run(f"systemctl enable --quiet --now {units}")
    await wait_powered(machine, *adapters)


async def wait_powered(machine: Machine, *adapters: str, seconds: float = 30) -> None:
    """Return when bluetoothd says of each adapter that it is powered."""
    for name in adapters:
        ask = f"busctl get-property org.bluez /org/bluez/{name} org.bluez.Adapter1 Powered"
        await machine.run(
            f"until [ \"$({ask} 2>/dev/null)\" = 'b true' ]; do sleep 0.2; done", seconds=seconds
        )


async def cursor(machine: Machine) -> str:
    """Where the journal ends now."""
    told = await machine.run("journalctl --lines 0 --show-cursor --quiet")
    return told.strip().removeprefix("-- cursor: ")


async def event(
    machine: Machine,
    role: str,
    kind: str,
    after: str,
    *,
    seconds: float = EVENT_SECONDS,
    **fields: str,
) -> Entry:
    """The first such event in the role's journal `after` a cursor; raises CommandFailed.

    It is what `journalctl -u blelock-ROLE BLELOCK_EVENT=kind` shows. `fields` narrow it.
    With a match --after-cursor leaves out one entry too many on systemd 252: hence --cursor.
    """
    matches = [f"BLELOCK_EVENT={kind}", *(f"BLELOCK_{k.upper()}={v}" for k, v in fields.items())]
    quoted, begin = " ".join(shlex.quote(match) for match in matches), shlex.quote(after)
    follow = (
        f"exec 3< <(exec journalctl --unit 'blelock-{role}' {quoted} --follow --lines all "
        f"--cursor {begin} --output json 2>/dev/null)\n"
        f"follower=$!; grep --invert-match --fixed-strings --max-count 1 {begin} <&3;"
        " kill $follower"
    )
    status, told = await machine.attempt(follow, seconds=seconds)
    if status or not told.strip():
        raise CommandFailed(f"{machine.name}: no {quoted} of blelock-{role} in {seconds:g} s")
    entry: Entry = json.loads(told.splitlines()[0])
    return entry


async def save_journals(town: Town, directory: Path) -> None:
    """The journals of both machines, for whoever reads why a step failed."""
    for machine in [each for each in town.machines if each.is_on]:
        path = directory / f"{machine.name}.journal"
        try:
            command = "journalctl --boot all --no-pager --output short-precise | tail -n 4000"
            _, told = await machine.attempt(command, seconds=60)
        except (CommandFailed, asyncio.CancelledError) as error:
            told = f"{error}\n{machine.console()}"
        await asyncio.to_thread(path.write_text, told)
        print(f"the journal of {machine.name}: {path}", flush=True)
