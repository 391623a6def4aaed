"""`blelock-guest unlock LOCK`: one session, shown for a while, with every step told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from blelockd.adapters.bluez.bus import Bus
from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.observer import Observer, ScanMode
from blelockd.adapters.clock import SystemClock
from blelockd.adapters.keyring import Keyring
from blelockd.config import GuestConfig
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.roles.guest import provisioning, showing
from blelockd.roles.radio import Alive
from blelockd.services.events import Event
from blelockd.services.guest.answering import Answering
from blelockd.services.guest.presence import Presence
from blelockd.services.guest.provisioning import Carried, ProvisioningFailed
from blelockd.services.ports import Clock, LinkDown

_ADAPTER_SECONDS: Final = 10.0
_CHECK_SECONDS: Final = 0.5
_QUESTION_SECONDS: Final = 20.0

Tell = Callable[[str], None]


class _NoJournal:
    def record(self, event: Event) -> None:
        """What happens is told to the person at the terminal instead."""


async def unlock(config: GuestConfig, lock_id: LockId, *, seconds: float, tell: Tell) -> str:
    """Obtain a session for `lock_id` and advertise its tokens for `seconds`; returns how it ended.

    `tell` hears each step. The lock only listens, so whether the door opened is to be seen at the
    door and in the lock's journal. Raises KeyFileError, LinkDown when the radio fails or the
    issuer is out of reach, ProvisioningFailed for whatever else keeps the session away.
    """
    clock = SystemClock()
    presence = Presence(_NoJournal(), clock)
    way = provisioning(config, Keyring(config.keys_directory), clock, intent=True)
    async with ready_adapter(config.adapter, tell) as controller:
        try:
            carried = await way.obtain(lock_id, tell)
        except ProvisioningFailed as failed:
            if isinstance(failed.__cause__, LinkDown):
                raise failed.__cause__ from failed  # it knows the remedy
            raise
        left_seconds = carried.left_ms / MS_PER_SECOND
        session_id = carried.session.session_id
        tell(f"session {session_id} obtained, good for {_rounded(left_seconds)} s")
        began = clock.monotonic_seconds()
        async with (
            _readied(presence, carried, controller, config, tell),
            showing(presence, controller, config) as alive,
        ):
            tell(f"showing tokens to {lock_id} for {_rounded(min(seconds, left_seconds))} s")
            await _show(carried, alive, clock, seconds)
        shown_seconds = clock.monotonic_seconds() - began
    return how_it_ended(
        lock_id, presence.tokens_broadcast, shown_seconds, expired=carried.left_ms <= 0
    )


def how_it_ended(lock_id: LockId, tokens: int, seconds: float, *, expired: bool) -> str:
    """What was done, and where to see whether the door opened: the lock does not answer."""
    shown = f"showed {tokens} token{'' if tokens == 1 else 's'} to {lock_id}"
    until = ", then the session was over" if expired else ""
    where = "Whether it opened is seen at the door or in the lock's journal"
    return f"{shown} for {_rounded(seconds)} s{until}. {where}."


def _rounded(seconds: float) -> str:
    return f"{round(seconds, 1):g}" if seconds < 10 else f"{seconds:.0f}"


@asynccontextmanager
async def ready_adapter(name: str, tell: Tell) -> AsyncIterator[Controller]:
    """The adapter, ready; raises LinkDown with the cause when it is not within the time."""
    bus = await Bus.connect()
    controller = Controller(bus, name)
    cause: list[LinkDown] = []

    def on_down(down: LinkDown) -> None:
        if not cause or down.reason != cause[0].reason:
            tell(f"waiting, at most {_ADAPTER_SECONDS:g} s: {down.reason}")
        cause.insert(0, down)

    try:
        await controller.start()
        try:
            async with asyncio.timeout(_ADAPTER_SECONDS):
                await controller.wait_ready(on_down)
        except TimeoutError:
            raise (cause or [LinkDown(f"{name} is not ready")])[0] from None
        yield controller
    finally:
        await controller.close()
        await bus.close()


@asynccontextmanager
async def _readied(
    presence: Presence, carried: Carried, controller: Controller, config: GuestConfig, tell: Tell
) -> AsyncIterator[None]:
    """The session is shown: at once, or as soon as its lock has asked and as often as it asks."""
    lock_id = carried.session.lock_id
    if not carried.session.challenge_mode:
        presence.carry(carried)
        yield
        return
    answering = Answering(presence, carried)
    company_id = config.advertisement.company_id
    async with Observer(controller, ScanMode.AUTO, company_id, answering.on_sighting):
        tell(f"{lock_id} opens to answers only: listening for its question")
        try:
            async with asyncio.timeout(_QUESTION_SECONDS):
                await answering.heard.wait()
        except TimeoutError:
            raise LinkDown(
                f"no question of {lock_id} was heard for {_QUESTION_SECONDS:g} s: go nearer to it"
            ) from None
        tell(f"answering {lock_id}")
        yield


async def _show(carried: Carried, alive: Alive, clock: Clock, seconds: float) -> None:
    until = clock.monotonic_seconds() + seconds
    while carried.left_ms > 0 and (left := until - clock.monotonic_seconds()) > 0:
        await alive()
        await clock.sleep(min(left, _CHECK_SECONDS))
