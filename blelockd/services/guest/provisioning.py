"""How a guest gets a session, whatever the version: what it asks for, what may stand in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.protocol.session import Session


class Obstacle(StrEnum):
    """Why nothing was obtained of the issuer, as far as the guest can tell."""

    OUT_OF_REACH = "out-of-reach"  # the radio or the issuer: the LinkDown is the __cause__
    SILENT = "silent"
    IMPOSTOR = "impostor"  # what the pinned issuer has not signed
    NOT_FOR_US = "not-for-us"  # sealed to a key that is not this guest's
    MALFORMED = "malformed"
    CLOCKS_APART = "clocks-apart"
    UNKNOWN_LOCK = "unknown-lock"
    BUSY = "busy"
    ISSUER_TROUBLE = "issuer-trouble"
    REFUSED = "refused"
    OTHER_ISSUER = "other-issuer"
    DENIED = "denied"  # without a reason: v2 gives strangers none
    LOCK_OFFLINE = "lock-offline"
    LIFETIME = "lifetime"
    REVOKED = "revoked"
    OUTSIDE_SCHEDULE = "outside-schedule"
    USES_SPENT = "uses-spent"
    LOCK_UNABLE = "lock-unable"
    NOT_ALLOWED = "not-allowed"


class ProvisioningFailed(Exception):
    """Nothing was obtained. `temporary` tells whether trying again may help, not before
    `retry_seconds` have passed; `trace` is by what the issuer's journal knows the request.
    """

    def __init__(
        self,
        reason: str,
        obstacle: Obstacle,
        *,
        temporary: bool = True,
        retry_seconds: float = 0.0,
        trace: str = "",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.obstacle = obstacle
        self.temporary = temporary
        self.retry_seconds = retry_seconds
        self.trace = trace


@dataclass(frozen=True, slots=True)
class ProvisioningLimits:
    """How long each step may take. After a denial, which may be another guest's, the answer is
    awaited for `patience_seconds` more.
    """

    scan_seconds: float = 8.0
    response_seconds: float = 10.0
    patience_seconds: float = 1.0


LONGEST_LIFETIME_MS: Final = 86_400_000
"""Of a session; one that claims to live longer is not believed."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A session, and the time in which its slots and its end are counted."""

    session: Session
    now: Callable[[], Instant]

    @property
    def left_ms(self) -> int:
        """How long it is still good for; negative when it is over."""
        return self.session.not_after - self.now()


Progress = Callable[[str], None]


class Provisioning(Protocol):
    """Obtains sessions from the issuer, one at a time."""

    limits: ProvisioningLimits

    async def obtain(self, lock_id: LockId, progress: Progress = ...) -> Carried:
        """A fresh session for `lock_id`; raises ProvisioningFailed. `progress` hears each step."""
        ...
