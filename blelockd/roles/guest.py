"""blelock-guest: gets sessions from the issuer and shows their tokens on the air."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from blelockd.adapters.bluez.broadcaster import LeBroadcaster
from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.gatt_client import GattCentral
from blelockd.adapters.bluez.gatt_endpoints import V2_ENDPOINT, Endpoint
from blelockd.adapters.clock import system_entropy
from blelockd.adapters.keyring import GSK, Keyring
from blelockd.config import GuestConfig
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.v2.tokens import Presented
from blelockd.roles.advert import advertisement, broadcasting
from blelockd.roles.daemon import Daemon, Work
from blelockd.roles.radio import Alive, RadioKeeper
from blelockd.roles.reload import Reloader
from blelockd.roles.start import start
from blelockd.services.guest.dialogue import Issuer
from blelockd.services.guest.presence import Presence
from blelockd.services.guest.provisioning import Provisioning, ProvisioningLimits
from blelockd.services.guest.provisioning_v1 import GuestIdentity, V1Provisioning
from blelockd.services.guest.provisioning_v2 import V2Identity, V2Provisioning
from blelockd.services.guest.renewal import Renewal, RenewalPolicy
from blelockd.services.ports import Clock, IssuerMark


async def run(path: Path, *, journal: str) -> int:
    """Run the guest with the configuration at `path` until SIGTERM; returns the exit status."""
    return await start(GuestConfig, path, journal, _work)


def _work(config: GuestConfig, keyring: Keyring, daemon: Daemon, path: Path) -> Work:
    return GuestRole(config, keyring, daemon, path).work()


class GuestRole:
    """The guest's parts, wired."""

    def __init__(self, config: GuestConfig, keyring: Keyring, daemon: Daemon, path: Path) -> None:
        self._config = config
        self._daemon = daemon
        self._reloader = Reloader(config, path)
        clock, journal, liveness = daemon.clock, daemon.journal, daemon.liveness
        self._presence = Presence(journal, clock)
        self._provisioning = provisioning(config, keyring, clock)
        self._radio = RadioKeeper(config.adapter, liveness.part("advertisement"), clock)
        self._renewals = [
            Renewal(
                lock_id,
                self._provisioning,
                self._presence,
                _renewal_policy(config),
                liveness.part(f"session {lock_id}", silent_after_seconds=90),
                journal,
                clock,
            )
            for lock_id in config.locks
        ]

    def work(self) -> Work:
        """What the daemon shall run."""
        renewals = [(f"renewal {n}", renewal.run) for n, renewal in enumerate(self._renewals)]
        radio = ("advertisement", lambda: self._radio.run(self._show))
        return Work(tasks=(radio, *renewals), reload=self._reload)

    @asynccontextmanager
    async def _show(self, controller: Controller) -> AsyncIterator[Alive]:
        async with showing(self._presence, controller, self._config) as alive:
            yield alive

    def _reload(self) -> str:
        new = self._reloader.read()
        self._provisioning.limits = _provisioning_limits(new)
        for renewal in self._renewals:
            renewal.policy = _renewal_policy(new)
        self._daemon.heed(new.journal)
        return self._reloader.heed(new)


@asynccontextmanager
async def showing(
    presence: Presence, controller: Controller, config: GuestConfig
) -> AsyncIterator[Alive]:
    """`presence` on the air through that adapter while the context lasts."""
    broadcaster = LeBroadcaster(controller, advertisement(config.advertisement))
    work = presence.run(broadcaster)
    async with broadcasting(controller, broadcaster, work, lambda: presence.on_air) as alive:
        yield alive


def provisioning(
    config: GuestConfig, keyring: Keyring, clock: Clock, *, intent: bool = False
) -> Provisioning:
    """How this guest gets sessions; raises KeyFileError when a key cannot be used.

    `intent`: the guest means to open, here and now.
    """
    if config.compat_v1:
        return _v1_provisioning(config, keyring, clock)
    presented = Presented(config.advertisement.tx_power_dbm, intent)
    identity = V2Identity(keyring.own(GSK), keyring.issuer_card(), presented)
    return V2Provisioning(way_to_issuer(config, clock), identity, clock, system_entropy)


def way_to_issuer(config: GuestConfig, clock: Clock) -> Issuer:
    """The way to the issuer by version 2."""
    return Issuer(_central(config, V2_ENDPOINT), _mark(config), _provisioning_limits(config), clock)


def _v1_provisioning(config: GuestConfig, keyring: Keyring, clock: Clock) -> V1Provisioning:
    issuer, uuids = config.issuer, config.provisioning
    pinned = None if issuer.public_key is None else keyring.public(issuer.public_key)
    return V1Provisioning(
        _central(config, Endpoint.of_v1(uuids.service_uuid, uuids.characteristic_uuid)),
        _mark(config),
        GuestIdentity(keyring.private_if_any("guest.pem"), pinned, config.phone_mac),
        _provisioning_limits(config),
        config.slot_seconds * MS_PER_SECOND,
        clock,
    )


def _central(config: GuestConfig, endpoint: Endpoint) -> GattCentral:
    connect_seconds = config.timeouts.connect_seconds
    return GattCentral(config.adapter, endpoint, connect_seconds=connect_seconds)


def _mark(config: GuestConfig) -> IssuerMark:
    return IssuerMark(config.issuer.address, config.issuer.name, config.issuer.company_id)


def _provisioning_limits(config: GuestConfig) -> ProvisioningLimits:
    timeouts = config.timeouts
    return ProvisioningLimits(timeouts.scan_seconds, timeouts.response_seconds)


def _renewal_policy(config: GuestConfig) -> RenewalPolicy:
    return RenewalPolicy(
        config.renew_before_seconds, config.retry.first_seconds, config.retry.longest_seconds
    )
