"""The lock's parts for version 2, wired: what it hears from its issuer, and what it tells it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from blelockd.adapters.clock import system_entropy
from blelockd.adapters.keyring import LEK, LSK, Keyring
from blelockd.adapters.mqtt import Ear, topics
from blelockd.adapters.spool import SqliteSpool
from blelockd.config import Guests, LockConfig
from blelockd.protocol.instants import LATEST, MS_PER_SECOND
from blelockd.protocol.v2.down import EPOCH_BYTES
from blelockd.protocol.v2.gate import Gate
from blelockd.protocol.verifier import Rules, Verifier
from blelockd.roles.daemon import Daemon, Task
from blelockd.roles.lock_beacon import LockBeacon
from blelockd.services.lock.correspondence import Correspondence
from blelockd.services.lock.enrolled import EnrolledLock
from blelockd.services.lock.event_delivery import EventDelivery
from blelockd.services.lock.event_log import EventLog
from blelockd.services.lock.greeting import Greeting
from blelockd.services.lock.holdings import HoldingLimits, Holdings
from blelockd.services.lock.ledger import EventLedger
from blelockd.services.lock.rivalry import Rivalry
from blelockd.services.lock.timekeeping import Timekeeper
from blelockd.services.lock.voice import Voice
from blelockd.services.ports import Post

_SESSIONS_PER_PIECE: Final = 32
_EXPIRE_SECONDS: Final = 1.0


def enrolled_lock(config: LockConfig, keyring: Keyring) -> EnrolledLock:
    """The lock with its keys, and the issuer that it trusts; raises KeyFileError."""
    own = keyring.own(LEK), keyring.own(LSK)
    return EnrolledLock(config.lock_id, *own, keyring.issuer_card())


class VersionTwo:
    """A boot of an enrolled lock: its epoch is drawn here, and stored nowhere."""

    def __init__(
        self, config: LockConfig, lock: EnrolledLock, rules: Rules, daemon: Daemon, post: Post
    ) -> None:
        clock, journal, liveness = daemon.clock, daemon.journal, daemon.liveness
        self._clock = clock
        entropy, epoch = system_entropy, system_entropy(EPOCH_BYTES)
        gate, voice = Gate(lock.gate_keys(), epoch), Voice(lock, post, entropy)
        self.verifier = Verifier(rules, LATEST)
        self.time = Timekeeper(self.verifier, clock, liveness.part("time"))
        self._spool = SqliteSpool(config.own_directory)
        self._log = EventLog(
            self._spool,
            epoch,
            entropy,
            self.time.now,
            liveness.part("events"),
            journal,
            clock,
            most_events=config.limits.events,
        )
        self.holdings = Holdings(
            self.verifier, holding_limits(config), self.time.now, self._log, journal, clock
        )
        self._delivery = EventDelivery(self._log, voice, clock)
        self._greeting = Greeting(gate, self.time, voice, self._counts, entropy, clock)
        self._log.on_readable = self._greeting.arrive  # SYNC names what was not learnt meanwhile
        correspondence = Correspondence(
            gate,
            self.time,
            self.holdings,
            self._delivery,
            Rivalry(gate, self._greeting.arrive, entropy, journal, clock),
            voice,
            journal,
            daemon.tally,
            clock,
        )
        self.ear = Ear(topics.down(lock.lock_id), correspondence.on_envelope)
        self._beacon = None
        if config.challenge_seconds is not None:
            part = liveness.part("challenge")
            self._beacon = LockBeacon(config, config.challenge_seconds, self.verifier, part, clock)
        self.ledger = EventLedger(self._log, self.verifier)

    def tasks(self) -> tuple[Task, ...]:
        """What the daemon shall run."""
        return (
            ("greeting", self._greeting.greet),
            ("status", self._greeting.tell_status),
            ("events", self._keep_events),
            ("delivery", self._delivery.run),
            ("expiry", self._expire),
            *(() if self._beacon is None else (("challenge", self._beacon.run),)),
        )

    def heed(self, new: LockConfig) -> None:
        """Take up what a running lock can: whether it asks questions is no part of that."""
        asks = self.holdings.limits.asks_questions
        self.holdings.limits = replace(holding_limits(new), asks_questions=asks)

    def arrive(self) -> None:
        """The link to the broker is up."""
        self._greeting.arrive()
        self._delivery.arrive()

    async def _expire(self) -> None:
        """End sessions whose time is over, a few at a time."""
        while True:
            more = self.holdings.expire(_SESSIONS_PER_PIECE)
            await self._clock.sleep(0 if more else _EXPIRE_SECONDS)

    async def _keep_events(self) -> None:
        try:
            await self._log.run()
        finally:
            self._spool.close()

    def _counts(self) -> tuple[int, int]:
        return len(self.holdings), self._log.waiting


def holding_limits(config: LockConfig) -> HoldingLimits:
    """What of the configuration bounds the sessions of version 2."""
    limits = config.limits
    return HoldingLimits(
        sessions=limits.sessions,
        sessions_per_guest=limits.sessions_per_guest,
        longest_lifetime_ms=limits.lifetime_seconds * MS_PER_SECOND,
        one_guest=config.guests is Guests.ONE,
        asks_questions=config.challenge_seconds is not None,
    )
