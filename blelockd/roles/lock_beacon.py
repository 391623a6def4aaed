"""The lock's own beacon, by which it asks its questions: beside the scan, on the same adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from blelockd.adapters.bluez.broadcaster import Advertisement, LeBroadcaster
from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.clock import system_entropy
from blelockd.config import LockConfig
from blelockd.protocol.verifier import Verifier
from blelockd.roles.advert import broadcasting
from blelockd.roles.radio import Alive, RadioKeeper
from blelockd.services.liveness import Part
from blelockd.services.lock.questions import Questions
from blelockd.services.ports import Clock


class LockBeacon:
    """Kept on the air through a connection to the bus of its own: where it fails, the scan goes on,
    and only who must answer it stays outside.
    """

    def __init__(
        self, config: LockConfig, each_seconds: int, verifier: Verifier, part: Part, clock: Clock
    ) -> None:
        self._advertisement = Advertisement(config.scan.company_id)
        lock_id = config.lock_id
        self._questions = Questions(lock_id, verifier, system_entropy, clock, each_seconds)
        self._radio = RadioKeeper(config.adapter, part, clock)

    async def run(self) -> None:
        """Ask until cancelled."""
        await self._radio.run(self._ask)

    @asynccontextmanager
    async def _ask(self, controller: Controller) -> AsyncIterator[Alive]:
        broadcaster, questions = LeBroadcaster(controller, self._advertisement), self._questions
        asking = questions.run(broadcaster)
        async with broadcasting(controller, broadcaster, asking, lambda: questions.on_air) as alive:
            yield alive
