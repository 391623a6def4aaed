"""`unlock`, as far as it goes before the air: which error reaches the person at the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from blelockd.adapters.bluez.errors import Cause, RadioDown
from blelockd.config import GuestConfig
from blelockd.protocol.v1 import answer
from blelockd.roles import unlock as unlock_module
from blelockd.roles.unlock import unlock
from blelockd.services.guest.provisioning import Obstacle, ProvisioningFailed
from blelockd.services.ports import CharacteristicWrite, LinkDown
from tests.fakes.central import FakePeripheral
from tests.fakes.clock import FakeTime
from tests.fakes.house import GuestSide
from tests.fakes.keys import LOCK_ID

CONFIG = GuestConfig.from_yaml(f"compat_v1: true\nlocks: [{LOCK_ID}]", "guest.yaml")


@asynccontextmanager
async def an_adapter(*_: object) -> AsyncIterator[None]:
    yield None


async def attempt(monkeypatch: pytest.MonkeyPatch, issuer: FakePeripheral | None) -> list[str]:
    """Unlock with that issuer in range; returns the steps told."""
    guest, steps = GuestSide(FakeTime(), issuer), list[str]()
    monkeypatch.setattr(unlock_module, "ready_adapter", an_adapter)
    monkeypatch.setattr(unlock_module, "provisioning", lambda *_, **__: guest.provisioning)
    await unlock(CONFIG, LOCK_ID, seconds=1, tell=steps.append)
    return steps


async def test_an_issuer_out_of_reach_is_the_radios_own_error_which_knows_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(LinkDown, match="no issuer heard"):
        await attempt(monkeypatch, None)


async def test_an_issuer_who_refuses_is_told_with_what_is_in_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    issuer = FakePeripheral()

    async def refuse(write: CharacteristicWrite) -> None:
        await issuer.notify(write.device, [answer.encode_denial("busy")])

    issuer.on_write = refuse
    with pytest.raises(ProvisioningFailed) as caught:
        await attempt(monkeypatch, issuer)
    assert caught.value.obstacle is Obstacle.BUSY


class NoBus:
    """A connection to a bus on which nothing happens."""

    @classmethod
    async def connect(cls) -> NoBus:
        """Always there."""
        return cls()

    async def close(self) -> None:
        """Nothing to close."""


class NeverReady:
    """An adapter that is off, and then gone, for as long as anybody waits."""

    def __init__(self, bus: NoBus, name: str) -> None:
        self.name = name

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to close."""

    async def wait_ready(self, on_down: Callable[[RadioDown], object]) -> None:
        """Tell each cause twice, as the real one does every few seconds."""
        for cause, reason in ((Cause.ADAPTER_OFF, "off"), (Cause.NO_ADAPTER, "gone")):
            for _ in range(2):
                on_down(RadioDown(cause, f"{self.name} is {reason}"))
        await asyncio.Event().wait()


async def test_what_is_waited_for_is_told_at_once_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unlock_module, "Bus", NoBus)
    monkeypatch.setattr(unlock_module, "Controller", NeverReady)
    monkeypatch.setattr(unlock_module, "_ADAPTER_SECONDS", 0.01)
    steps: list[str] = []
    with pytest.raises(RadioDown, match="hci0 is gone") as caught:
        await unlock(CONFIG, LOCK_ID, seconds=1, tell=steps.append)

    assert caught.value.cause is Cause.NO_ADAPTER
    assert [step.split(": ")[1] for step in steps] == ["hci0 is off", "hci0 is gone"]
