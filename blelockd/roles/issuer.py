"""blelock-issuer: a beacon, a provisioning service, and sealed sessions on their way to locks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from blelockd.adapters.bluez.broadcaster import LeBroadcaster
from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.keyring import KeyFileError, KeyFileMissing, Keyring
from blelockd.adapters.mqtt import IssuerOutlet
from blelockd.config import IssuerConfig
from blelockd.protocol.ids import LockId
from blelockd.roles.advert import advertisement
from blelockd.roles.broker import broker_settings, report_to
from blelockd.roles.daemon import Daemon, ReloadRefused, Work
from blelockd.roles.issuer_v1 import VersionOne, issuance_policy
from blelockd.roles.issuer_v2 import VersionTwo, issuer_identity
from blelockd.roles.radio import Alive, RadioKeeper
from blelockd.roles.reload import Reloader
from blelockd.roles.start import start
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.issuer.identity import IssuerIdentity


async def run(path: Path, *, journal: str) -> int:
    """Run the issuer with the configuration at `path` until SIGTERM; returns the exit status."""
    return await start(IssuerConfig, path, journal, _work, lambda config: config.state_directory)


def _work(config: IssuerConfig, keyring: Keyring, daemon: Daemon, path: Path) -> Work:
    return IssuerRole(config, keyring, daemon, path).work()


def _identity(config: IssuerConfig, keyring: Keyring, daemon: Daemon) -> IssuerIdentity | None:
    """None for an issuer that speaks version 1 and has no other keys; raises KeyFileError."""
    try:
        return issuer_identity(keyring)
    except KeyFileMissing as missing:
        if not config.compat_v1:
            raise
        message = f"version 1 alone is spoken: {missing}"
        daemon.journal.record(Event(EventKind.COMPAT_V1, message, Severity.WARNING))
        return None


class IssuerRole:
    """The issuer's parts, wired: what the versions share is a beacon and one connection."""

    def __init__(self, config: IssuerConfig, keyring: Keyring, daemon: Daemon, path: Path) -> None:
        self._config = config
        self._keyring = keyring
        self._daemon = daemon
        self._reloader = Reloader(config, path)
        self._v1: VersionOne | None = None
        self._v2: VersionTwo | None = None
        self._is_linked = False
        self._report_link = report_to(daemon.liveness.part("broker"))
        self._outlet = IssuerOutlet(
            broker_settings(config.mqtt),
            self._on_available if config.compat_v1 else None,
            self._on_report,
            self._on_link,
            daemon.tally,
        )
        if config.compat_v1:
            self._v1 = VersionOne(config, keyring, self._outlet, daemon)
        identity = _identity(config, keyring, daemon)
        if identity is not None:
            self._v2 = VersionTwo(config, identity, self._outlet, daemon)
        self._radio = RadioKeeper(config.adapter, daemon.liveness.part("beacon"), daemon.clock)

    def work(self) -> Work:
        """What the daemon shall run."""
        versions = (self._v1, self._v2)
        return Work(
            tasks=(
                ("broker", self._outlet.run),
                ("beacon", lambda: self._radio.run(self._serve)),
                *(task for version in versions if version is not None for task in version.tasks()),
            ),
            reload=self._reload,
        )

    @asynccontextmanager
    async def _serve(self, controller: Controller) -> AsyncIterator[Alive]:
        """Beacon and GATT services; the beacon comes last, so that nobody finds half an issuer."""
        beacon = LeBroadcaster(controller, advertisement(self._config.beacon))
        async with AsyncExitStack() as stack:
            served = [
                await stack.enter_async_context(version.serving(controller))
                for version in (self._v1, self._v2)
                if version is not None
            ]

            async def alive() -> None:
                for service_alive in served:
                    await service_alive()
                await beacon.alive()

            try:
                await beacon.broadcast(self._config.beacon.payload)
                yield alive
            finally:
                await beacon.silence()

    def _on_available(self, lock_id: LockId) -> None:
        if self._v1 is not None:
            self._v1.outbox.on_available(lock_id)

    def _on_report(self, lock_id: LockId, report: bytes) -> None:
        if self._v2 is not None:
            self._v2.office.correspondence.on_report(lock_id, report)

    def _on_link(self, is_up: bool, detail: str) -> None:
        self._report_link(is_up, detail)
        if is_up and not self._is_linked and self._v2 is not None:
            self._v2.office.revoking.hurry()
        self._is_linked = is_up

    def _reload(self) -> str:
        new = self._reloader.read()
        if self._v1 is not None:
            try:
                policy = issuance_policy(new, self._keyring)
            except KeyFileError as error:
                raise ReloadRefused(str(error)) from error
            self._v1.heed(new, policy)
        if self._v2 is not None:
            self._v2.heed(new)
        self._daemon.heed(new.journal)
        return self._reloader.heed(new)
