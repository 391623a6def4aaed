"""Version 1 at the issuer: sessions for whoever asks, by the keys of the locks in issuer.yaml."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.gatt_server import GattServer
from blelockd.adapters.clock import system_entropy
from blelockd.adapters.keyring import Keyring
from blelockd.adapters.mqtt import IssuerOutlet
from blelockd.config import BindAddress, IssuerConfig
from blelockd.roles.daemon import Daemon, Task
from blelockd.roles.radio import Alive
from blelockd.services.issuer.issuance import Issuance, IssuancePolicy
from blelockd.services.issuer.outbox import Outbox
from blelockd.services.issuer.provider import Provider, ProviderLimits
from blelockd.services.ports import CharacteristicWrite

_EXPIRE_SECONDS: Final = 10.0


class VersionOne:
    """The parts of version 1, wired. Raises KeyFileError when a key cannot be used."""

    def __init__(
        self, config: IssuerConfig, keyring: Keyring, outlet: IssuerOutlet, daemon: Daemon
    ) -> None:
        self._uuids = config.provisioning
        self._clock = daemon.clock
        self.outbox = Outbox(outlet, daemon.journal, daemon.clock)
        self._issuance = Issuance(
            keyring.private("issuer.pem"),
            issuance_policy(config, keyring),
            self.outbox,
            daemon.journal,
            daemon.clock,
            system_entropy,
        )
        limits = provider_limits(config)
        self._provider = Provider(self._issuance, limits, daemon.tally, daemon.clock)

    def tasks(self) -> Sequence[Task]:
        """What the daemon shall run."""
        return [("redelivery", self.outbox.run), ("expiry", self._expire)]

    @asynccontextmanager
    async def serving(self, controller: Controller) -> AsyncIterator[Alive]:
        """The provisioning characteristic on that adapter."""
        server = GattServer(controller, self._uuids.service_uuid, self._uuids.characteristic_uuid)

        async def on_write(write: CharacteristicWrite) -> None:
            await self._provider.on_write(server, write)

        await server.start(on_write)
        try:
            yield server.alive
        finally:
            await server.stop()

    def heed(self, config: IssuerConfig, policy: IssuancePolicy) -> None:
        """Go by these from now on."""
        self._issuance.policy = policy
        self._provider.limit(provider_limits(config))

    async def _expire(self) -> None:
        while True:
            await self._clock.sleep(_EXPIRE_SECONDS)
            self.outbox.forget_expired()


def issuance_policy(config: IssuerConfig, keyring: Keyring) -> IssuancePolicy:
    """Raises KeyFileError when the key of a lock cannot be used."""
    return IssuancePolicy(
        locks={lock.lock_id: keyring.public(lock.public_key) for lock in config.locks},
        lifetime_seconds=config.session.lifetime_seconds,
        clock_offset_limit_seconds=config.clock_offset_limit_seconds,
        bind_static_addresses=config.bind_address is BindAddress.STATIC,
    )


def provider_limits(config: IssuerConfig) -> ProviderLimits:
    """What strangers may cost, in either version."""
    limits = config.limits
    return ProviderLimits(
        requests_per_second=limits.requests_per_second,
        burst=limits.burst,
        requests_per_guest_per_minute=limits.requests_per_guest_per_minute,
        requests_per_guest_per_hour=limits.requests_per_guest_per_hour,
        pending=limits.pending,
    )
