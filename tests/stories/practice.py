"""A daemon's whole surroundings, in order, and what can go wrong with them one at a time.

The daemon itself does not run, so that it mends nothing: its unit says what a test has it say.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from blelockd.adapters import adjtimex
from blelockd.adapters.adjtimex import KernelClock
from blelockd.adapters.keyring import IEK, ISK, ISSUER_CARD, LEK, LSK, pin_issuer_card
from blelockd.adapters.keyring.files import write_file
from blelockd.config import GuestConfig, IssuerConfig, LockConfig, RoleConfig
from blelockd.roles.doctor import Patient, diagnose
from blelockd.services.diagnosis import Finding
from blelockd.services.events import EventKind
from blelockd.virtual.broker import Terms
from blelockd.virtual.host import Host
from blelockd.virtual.stage import LOCK_ID, Stage, stage
from tests.fakes import enrolled
from tests.fakes.service_manager import ServiceManager
from tests.fakes.waiting import PATIENCE_SECONDS

KINDS: Final[dict[str, type[RoleConfig]]] = {
    "issuer": IssuerConfig,
    "lock": LockConfig,
    "guest": GuestConfig,
}
WELL: Final = {
    "issuer": "broker up: connected; beacon up: on hci0",
    "lock": "broker up: connected; scan up: on hci0",
    "guest": f"advertisement up: on hci0; session {LOCK_ID} up: until 12:00",
}
PASSWORDS: Final = {"issuer": "of the issuer", "lock": "of the lock"}
WRONG: Final = "none of the broker's"
ACCESS: Final = f"""
user issuer
topic read locks/+/availability
topic write locks/+/session
user lock
topic readwrite locks/{LOCK_ID}/#
"""
NOON: Final = 1_795_608_000.0  # 2026-11-25

Mishap = Callable[["Practice"], AbstractAsyncContextManager[None]]


class Practice:
    """One daemon as a patient, and the hands that harm what is around it."""

    def __init__(self, role: str, scenery: Stage, host: Host, manager: ServiceManager) -> None:
        self.role = role
        self.stage = scenery
        self.host = host
        self.manager = manager
        self.unit = f"blelock-{role}"
        self.settings = scenery.settings(role, compat_v1=True)
        self.path = scenery.directory / f"{role}.yaml"
        self.keys = scenery.keys(LOCK_ID if role == "lock" else role)
        self.switches = scenery.directory / "rfkill"
        self.time = KernelClock(NOON, synchronised=True)
        if role != "guest":
            self.password = scenery.directory / f"{role}.password"
            self.write_password(PASSWORDS[role])
            self.settings["mqtt"] |= {"username": role, "password_file": str(self.password)}
        self.write()
        self.runs_well()

    def write(self, **changes: Any) -> None:
        """The configuration, with these changes."""
        self.path.write_text(yaml.safe_dump({**self.settings, **changes}))

    def write_password(self, password: str) -> None:
        """The daemon's own idea of its password."""
        self.password.write_text(password)
        self.password.chmod(0o600)

    def runs_well(self) -> None:
        """The unit runs, and every part of the daemon is up."""
        self.manager.runs(self.unit, WELL[self.role])

    async def findings(self) -> list[Finding]:
        """What the doctor finds now."""
        patient = Patient(KINDS[self.role], self.path, self.unit, self.switches)
        return [finding async for finding in diagnose(patient)]

    async def finds(self, check: str, cause: str) -> Finding:
        """The finding of that cause, once it shows; fails with what there was in its place."""
        found: list[Finding] = []
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    found = await self.findings()
                    for finding in found:
                        if (finding.check, finding.cause) == (check, cause):
                            return finding
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"no {cause} of {check} in {found}")


@asynccontextmanager
async def practising(role: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Practice]:
    """A practice in which all is fine."""
    async with stage(Terms(passwords=PASSWORDS, access=ACCESS)) as scenery:
        await scenery.make_keys()
        _make_keys_of_version_2(scenery)
        host = await scenery.air.add_host(role, experimental=True)
        manager = ServiceManager(scenery.directory / "bin")
        practice = Practice(role, scenery, host, manager)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", host.bus_address)
        monkeypatch.setenv("PATH", manager.path)
        monkeypatch.setattr(adjtimex, "read", lambda: practice.time)
        yield practice


def _make_keys_of_version_2(scenery: Stage) -> None:
    """Those of the issuer and the lock: published ones, nobody's door hangs on them."""
    pems = {
        "issuer": {ISK: enrolled.PEMS["isk"].encode(), IEK: enrolled.IEK.pem()},
        LOCK_ID: {LEK: enrolled.PEMS["lek"].encode(), LSK: enrolled.LSK.pem()},
    }
    for party, own in pems.items():
        for key, pem in own.items():
            write_file(scenery.keys(party) / key.file, pem, 0o600, replace=False)
    pin_issuer_card(enrolled.ISSUER_CARD, scenery.keys(LOCK_ID) / ISSUER_CARD)


# --- mishaps: each is over with its context ------------------------------------------------------


@asynccontextmanager
async def no_adapter(practice: Practice) -> AsyncIterator[None]:
    """Somebody pulls it out."""
    plugged = practice.host.remove_adapter()
    yield
    practice.host.plug_adapter(plugged)


@asynccontextmanager
async def adapter_off(practice: Practice) -> AsyncIterator[None]:
    """Somebody switches it off."""
    practice.host.power_adapter(on=False)
    yield
    practice.host.power_adapter(on=True)


@asynccontextmanager
async def blocked(practice: Practice) -> AsyncIterator[None]:
    """rfkill holds it off."""
    switch = practice.switches / "rfkill0"
    switch.mkdir(parents=True)
    for name, value in {"type": "bluetooth", "name": "hci0", "soft": "1", "hard": "0"}.items():
        (switch / name).write_text(f"{value}\n")
    async with adapter_off(practice):
        yield
    (switch / "soft").write_text("0\n")


@asynccontextmanager
async def no_bluetoothd(practice: Practice) -> AsyncIterator[None]:
    """bluetoothd is killed."""
    await practice.host.kill_bluetoothd()
    yield
    await practice.host.start_bluetoothd()


@asynccontextmanager
async def not_experimental(practice: Practice) -> AsyncIterator[None]:
    """bluetoothd is started without its flag."""
    host = practice.host
    settings = host.settings
    for each in (dataclasses.replace(settings, experimental=False), settings):
        await host.stop_bluetoothd()
        host.settings = each
        await host.start_bluetoothd()
        if each is not settings:
            yield


@asynccontextmanager
async def no_broker(practice: Practice) -> AsyncIterator[None]:
    """mosquitto is killed."""
    practice.stage.broker.kill()
    yield
    await asyncio.to_thread(practice.stage.broker.start)


@asynccontextmanager
async def wrong_password(practice: Practice) -> AsyncIterator[None]:
    """The password file has another one than the broker's."""
    practice.write_password(WRONG)
    yield
    practice.write_password(PASSWORDS[practice.role])


@asynccontextmanager
async def open_password(practice: Practice) -> AsyncIterator[None]:
    """Everybody may read the password."""
    practice.password.chmod(0o644)
    yield
    practice.password.chmod(0o600)


@asynccontextmanager
async def clock_not_set(practice: Practice) -> AsyncIterator[None]:
    """A machine without a battery begins in 1970."""
    right, practice.time = practice.time, KernelClock(3600.0, synchronised=False)
    yield
    practice.time = right


@asynccontextmanager
async def clock_adrift(practice: Practice) -> AsyncIterator[None]:
    """Nobody keeps the clock right."""
    right, practice.time = practice.time, KernelClock(NOON, synchronised=False)
    yield
    practice.time = right


def without(key: str) -> Mishap:
    """The file of that key is gone."""

    @asynccontextmanager
    async def mishap(practice: Practice) -> AsyncIterator[None]:
        with _moved_away(practice.keys / key):
            yield

    return mishap


@contextmanager
def _moved_away(path: Path) -> Iterator[None]:
    aside = path.with_suffix(".aside")
    path.rename(aside)
    yield
    aside.rename(path)


def configured(**changes: Any) -> Mishap:
    """The configuration says something else."""

    @asynccontextmanager
    async def mishap(practice: Practice) -> AsyncIterator[None]:
        practice.write(**changes)
        yield
        practice.write()

    return mishap


def unit_says(status: str, **properties: str) -> Mishap:
    """The unit stands otherwise."""

    @asynccontextmanager
    async def mishap(practice: Practice) -> AsyncIterator[None]:
        practice.manager.runs(practice.unit, status, **properties)
        yield
        practice.runs_well()

    return mishap


def journal_tells(kind: EventKind, message: str) -> Mishap:
    """The journal has these words last, and loses them again."""

    @asynccontextmanager
    async def mishap(practice: Practice) -> AsyncIterator[None]:
        practice.manager.told(kind, message)
        yield
        (practice.manager.directory / "journal.jsonl").unlink()

    return mishap
