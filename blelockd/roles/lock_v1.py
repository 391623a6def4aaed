"""The lock's parts for version 1, wired; only where `compat_v1` asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from blelockd.adapters.keyring import Keyring
from blelockd.adapters.mqtt import Ear, topics
from blelockd.config import Guests, LockConfig
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.verifier import Rules, Verifier
from blelockd.roles.daemon import Daemon, Task
from blelockd.services.clock_steps import ClockSteps
from blelockd.services.lock.intake import Intake, IntakeLimits, LockIdentity

_SESSIONS_PER_PIECE: Final = 32
_EXPIRE_SECONDS: Final = 1.0


def lock_identity(config: LockConfig, keyring: Keyring) -> LockIdentity:
    """The lock and the issuer that it trusts; raises KeyFileError."""
    own, issuer = keyring.private("lock.pem"), keyring.public(config.issuer_key)
    return LockIdentity(config.lock_id, own, issuer)


class VersionOne:
    """Sessions by the wall clock. `announce` asks the issuer for all of them once more."""

    def __init__(
        self,
        config: LockConfig,
        identity: LockIdentity,
        rules: Rules,
        daemon: Daemon,
        announce: Callable[[], None],
    ) -> None:
        self._clock = daemon.clock
        self._announce = announce
        self.verifier = Verifier(rules, daemon.clock.now())
        self.intake = Intake(
            identity,
            self.verifier,
            intake_limits(config),
            config.slot_seconds * MS_PER_SECOND,
            daemon.journal,
            daemon.tally,
            daemon.clock,
        )
        self.ear = Ear(topics.session(config.lock_id), self.intake.on_message)

    def tasks(self) -> tuple[Task, ...]:
        """What the daemon shall run."""
        return (("expiry-v1", self._expire),)

    async def _expire(self) -> None:
        """End sessions whose time is over, a few at a time; ask for what was refused as over, or
        as too long, by a clock that has been set since.
        """
        steps = ClockSteps(self._clock)
        while True:
            if steps.stepped():
                self.intake.reconsider()
                self._announce()
            more = self.intake.expire(_SESSIONS_PER_PIECE)
            await self._clock.sleep(0 if more else _EXPIRE_SECONDS)


def intake_limits(config: LockConfig) -> IntakeLimits:
    """What of the configuration bounds the sessions of version 1."""
    return IntakeLimits(
        sessions=config.limits.sessions,
        sessions_per_phone=config.limits.sessions_per_phone,
        longest_lifetime_ms=config.limits.lifetime_seconds * MS_PER_SECOND,
        one_guest=config.guests is Guests.ONE,
    )
