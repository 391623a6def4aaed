"""Version 2 at the issuer: sessions for guests who have enrolled, kept in the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.gatt_server_v2 import V2GattServer
from blelockd.adapters.clock import system_entropy
from blelockd.adapters.keyring import IEK, ISK, Keyring
from blelockd.adapters.mqtt import IssuerOutlet
from blelockd.adapters.store import Store
from blelockd.config import IssuerConfig
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.roles.daemon import Daemon, Task
from blelockd.roles.issuer_v1 import provider_limits
from blelockd.roles.radio import Alive, alongside
from blelockd.services.issuer.archive import Archive
from blelockd.services.issuer.identity import IssuerIdentity
from blelockd.services.issuer.office import HouseRules, Office, Surroundings
from blelockd.services.issuer.permission import UsualTerms
from blelockd.services.ports import CharacteristicWrite


def issuer_identity(keyring: Keyring) -> IssuerIdentity:
    """Who the issuer is; raises KeyFileError."""
    return IssuerIdentity(keyring.own(ISK), keyring.own(IEK))


class VersionTwo:
    """The parts of version 2, wired."""

    def __init__(
        self, config: IssuerConfig, identity: IssuerIdentity, outlet: IssuerOutlet, daemon: Daemon
    ) -> None:
        around = Surroundings(daemon.journal, daemon.tally, daemon.clock, system_entropy)
        store, part = Store(config.state_directory), daemon.liveness.part("store")
        self._store = store
        self._archive = Archive(
            store.audit, identity.signing_key, daemon.journal, daemon.clock, config.audit.keep_days
        )
        self.office = Office(identity, store, outlet, _house_rules(config), around, part)

    def tasks(self) -> Sequence[Task]:
        """What the daemon shall run."""
        return [("store", self._keep_store)]

    def close(self) -> None:
        """Let go of the store; a thread that is still at work opens it again."""
        self._store.close()

    async def _keep_store(self) -> None:
        """Until cancelled; it is let go of when the last who uses it has ended."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.office.run())
                group.create_task(self._archive.run())
        finally:
            self.close()

    @asynccontextmanager
    async def serving(self, controller: Controller) -> AsyncIterator[Alive]:
        """INFO, REQ and RSP on that adapter."""
        server, reception = V2GattServer(controller), self.office.reception

        async def on_write(write: CharacteristicWrite) -> None:
            await reception.on_write(server, write)

        await server.start(reception.info, on_write, reception.forget)
        try:
            async with alongside(reception.run(server)) as tidying:

                async def alive() -> None:
                    if tidying.done():
                        tidying.result()
                    await server.alive()

                yield alive
        finally:
            await server.stop()

    def heed(self, config: IssuerConfig) -> None:
        """Go by these from now on."""
        self.office.heed(_house_rules(config))
        self._archive.keep_days = config.audit.keep_days


def _house_rules(config: IssuerConfig) -> HouseRules:
    session = config.session
    usual = UsualTerms(session.lifetime_seconds, session.slot_seconds * MS_PER_SECOND)
    return HouseRules(config.access.policy(), usual, provider_limits(config))
