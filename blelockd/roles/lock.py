"""blelock-lock: hears sealed sessions at the broker and tokens in the air, and opens the door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blelockd.adapters.bluez.controller import Controller
from blelockd.adapters.bluez.observer import Observer, ScanMode
from blelockd.adapters.keyring import KeyFileMissing, Keyring
from blelockd.adapters.mqtt import LockInbox
from blelockd.adapters.signal_feed import SignalFeed
from blelockd.config import BindAddress, LockConfig
from blelockd.protocol.verdict import Verdict
from blelockd.protocol.verifier import Rules, Verifier
from blelockd.roles.broker import broker_settings, report_to
from blelockd.roles.daemon import Daemon, ReloadRefused, Work
from blelockd.roles.lock_v1 import VersionOne, intake_limits, lock_identity
from blelockd.roles.lock_v2 import VersionTwo, enrolled_lock
from blelockd.roles.radio import Alive, RadioKeeper
from blelockd.roles.reload import Reloader
from blelockd.roles.start import start
from blelockd.roles.strike import build_strike
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.lock.admission import Admission
from blelockd.services.lock.door import Door
from blelockd.services.lock.enrolled import EnrolledLock
from blelockd.services.lock.intake import LockIdentity
from blelockd.services.lock.judges import Judges, Now
from blelockd.services.lock.ledger import Ledger, NoLedger
from blelockd.services.lock.signals import signal_of
from blelockd.services.ports import Sighting, StrikeFailed

_ROLL_SECONDS: Final = 0.2
_SESSIONS_PER_PIECE: Final = 32  # some 0.2 ms of hashing between two looks at the air


@dataclass(frozen=True, slots=True)
class LockKeys:
    """Who the lock is in each version that it speaks."""

    v2: EnrolledLock | None
    v1: LockIdentity | None = None


async def run(path: Path, *, journal: str) -> int:
    """Run the lock with the configuration at `path` until SIGTERM; returns the exit status."""
    return await start(LockConfig, path, journal, _work, lambda config: config.own_directory)


def _work(config: LockConfig, keyring: Keyring, daemon: Daemon, path: Path) -> Work:
    v1 = lock_identity(config, keyring) if config.compat_v1 else None
    return LockRole(config, LockKeys(_enrolled(config, keyring, daemon), v1), daemon, path).work()


def _enrolled(config: LockConfig, keyring: Keyring, daemon: Daemon) -> EnrolledLock | None:
    """None for a lock that speaks version 1 and has not been enrolled; raises KeyFileError."""
    try:
        return enrolled_lock(config, keyring)
    except KeyFileMissing as missing:
        if not config.compat_v1:
            raise
        message = f"version 1 alone is spoken: {missing}"
        daemon.journal.record(Event(EventKind.COMPAT_V1, message, Severity.WARNING))
        return None


class LockRole:
    """The lock's parts, wired: what the versions share is one door and one connection."""

    def __init__(self, config: LockConfig, keys: LockKeys, daemon: Daemon, path: Path) -> None:
        self._config = config
        self._reloader = Reloader(config, path)
        self._daemon = daemon
        clock, journal, tally = daemon.clock, daemon.journal, daemon.tally
        rules = _rules(config)
        self._v1 = self._v2 = None
        if keys.v1 is not None:
            self._v1 = VersionOne(config, keys.v1, rules, daemon, lambda: self._inbox.announce())
        if keys.v2 is not None:
            self._v2 = VersionTwo(config, keys.v2, rules, daemon, lambda it: self._inbox.post(it))
        ledger: Ledger = NoLedger() if self._v2 is None else self._v2.ledger
        self._door = Door(
            build_strike(config),
            journal,
            clock,
            ledger,
            hold_seconds=config.strike.hold_seconds,
            rearm_seconds=config.strike.rearm_seconds,
        )
        self._admission = Admission(
            Judges(*self._verifiers()),
            self._door,
            journal,
            tally,
            clock,
            ledger,
            quiet_seconds=config.journal.summary_seconds,
            on_judged=self._show,
        )
        self._inbox = LockInbox(
            broker_settings(config.mqtt),
            config.lock_id,
            [version.ear for version in (self._v2, self._v1) if version is not None],
            report_to(daemon.liveness.part("broker")),
            tally,
            announces=self._v1 is not None,
            on_arrival=self._v2.arrive if self._v2 is not None else lambda: None,
        )
        self._radio = RadioKeeper(config.adapter, daemon.liveness.part("scan"), clock)
        self._signals = SignalFeed(config.own_directory)

    def work(self) -> Work:
        """What the daemon shall run."""
        versions = (self._v1, self._v2)
        return Work(
            tasks=(
                ("broker", self._inbox.run),
                ("scan", lambda: self._radio.run(self._listen)),
                ("door", self._door.run),
                ("slots", self._roll_slots),
                ("signals", self._signals.run),
                *(task for version in versions if version is not None for task in version.tasks()),
            ),
            reload=self._reload,
        )

    def _verifiers(self) -> list[tuple[Verifier, Now]]:
        """Each with the clock that its sessions live by."""
        verifiers: list[tuple[Verifier, Now]] = []
        if self._v2 is not None:
            verifiers.append((self._v2.verifier, self._v2.time.now))
        if self._v1 is not None:
            verifiers.append((self._v1.verifier, self._daemon.clock.now))
        return verifiers

    @asynccontextmanager
    async def _listen(self, controller: Controller) -> AsyncIterator[Alive]:
        scan = self._config.scan
        mode = ScanMode(scan.mode)
        async with Observer(
            controller, mode, scan.company_id, self._admission.on_sighting
        ) as observer:
            yield observer.alive

    def _show(self, sighting: Sighting, verdict: Verdict) -> None:
        """To who calibrates."""
        if self._signals.is_watched and (signal := signal_of(sighting, verdict)) is not None:
            self._signals.tell(signal)

    async def _roll_slots(self) -> None:
        """Index the tokens of coming slots, and judge those that waited for this one, a few
        sessions at a time.
        """
        verifiers = self._verifiers()
        while True:
            done = [self._admission.look_again(_SESSIONS_PER_PIECE)]
            for verifier, now in verifiers:
                if (instant := now()) is not None:
                    done.append(verifier.advance(instant, _SESSIONS_PER_PIECE))
            more = _SESSIONS_PER_PIECE in done
            await self._daemon.clock.sleep(0 if more else _ROLL_SECONDS)

    def _reload(self) -> str:
        new = self._reloader.read()
        try:
            strike = build_strike(new)
        except StrikeFailed as error:
            raise ReloadRefused(f"strike: {error.reason}") from error
        for verifier, _ in self._verifiers():
            verifier.rules = _rules(new)
        if self._v1 is not None:
            self._v1.intake.limits = intake_limits(new)
        if self._v2 is not None:
            self._v2.heed(new)
        self._door.use(strike)
        self._door.hold_seconds = new.strike.hold_seconds
        self._door.rearm_seconds = new.strike.rearm_seconds
        self._daemon.heed(new.journal)
        self._admission.quiet_seconds = new.journal.summary_seconds
        return self._reloader.heed(new)


def _rules(config: LockConfig) -> Rules:
    return Rules(
        rssi_threshold_dbm=config.rssi_threshold_dbm,
        phones={phone.address: phone.rssi_threshold_dbm for phone in config.phones},
        only_listed_phones=config.only_listed_phones,
        bind_address=config.bind_address is BindAddress.STATIC,
        path_loss_max_db=config.nearness.path_loss_max_db or 0,
        smoothing=config.nearness.smoothing(),
    )
