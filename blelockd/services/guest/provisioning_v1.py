"""How a guest gets a session by version 1: find the issuer, ask, check the answer.

With the issuer's key pinned, nothing is believed that this key has not signed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import BluetoothAddress, LockId
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.keys import PrivateKey, PublicKey
from blelockd.protocol.v1 import answer, chunks
from blelockd.protocol.v1.envelope import session_at_guest
from blelockd.protocol.v1.request import Request
from blelockd.services.guest.provisioning import (
    LONGEST_LIFETIME_MS,
    Carried,
    Obstacle,
    Progress,
    ProvisioningFailed,
    ProvisioningLimits,
)
from blelockd.services.ports import Central, Clock, Connection, IssuerMark, LinkDown


@dataclass(frozen=True, slots=True)
class GuestIdentity:
    """What the guest brings: its own key, and the issuer's where that is pinned.

    Without a key of its own the guest asks as the seed's first clients did, in plain sight.
    """

    own_key: PrivateKey | None = None
    issuer_key: PublicKey | None = None
    phone_mac: BluetoothAddress | None = None


class V1Provisioning:
    """Obtains sessions from the issuer that bears `mark`, one at a time."""

    def __init__(
        self,
        central: Central,
        mark: IssuerMark,
        identity: GuestIdentity,
        limits: ProvisioningLimits,
        slot_ms: int,
        clock: Clock,
    ) -> None:
        self._central = central
        self._mark = mark
        self._identity = identity
        self.limits = limits
        self._slot_ms = slot_ms
        self._clock = clock
        self._radio = asyncio.Lock()

    async def obtain(self, lock_id: LockId, progress: Progress = lambda _: None) -> Carried:
        """A fresh session for `lock_id`; raises ProvisioningFailed. `progress` hears each step."""
        async with self._radio:
            try:
                grant = await self._exchange(lock_id, progress)
            except answer.Denied as denied:
                raise _denied(denied.code) from denied
            except Unauthentic as error:
                raise self._unauthentic(error) from error
            except Malformed as error:
                reason = f"the answer is malformed: {error.reason}"
                raise ProvisioningFailed(reason, Obstacle.MALFORMED) from error
            except LinkDown as error:
                raise ProvisioningFailed(error.reason, Obstacle.OUT_OF_REACH) from error
            except TimeoutError as error:
                reason = "the issuer did not answer in time"
                raise ProvisioningFailed(reason, Obstacle.SILENT) from error
        session = session_at_guest(lock_id, grant, self._slot_ms)
        return _checked(Carried(session, self._clock.now))

    async def _exchange(self, lock_id: LockId, progress: Progress) -> answer.Grant:
        progress("looking for the issuer")
        handle = await self._central.find(self._mark, self.limits.scan_seconds)
        progress(f"connecting to the issuer at {handle}")
        async with self._central.connect(handle) as connection:
            progress(f"asking for a session with {lock_id}")
            request = self._request(lock_id)
            for frame in chunks.frames(request.encode(), connection.largest_write_bytes):
                await connection.write(frame)
            return await self._grant(connection)

    def _request(self, lock_id: LockId) -> Request:
        key = self._identity.own_key
        return Request(
            lock_id,
            client_time=self._clock.now() // MS_PER_SECOND,
            phone_mac=self._identity.phone_mac,
            unlocker_public_key=None if key is None else key.public_key,
        )

    async def _grant(self, connection: Connection) -> answer.Grant:
        """The grant among all that is notified: BlueZ below 5.80 tells every guest everything.

        What may be another's is passed over; if nothing else comes, it was for us.
        """
        reassembler = chunks.Reassembler(most_peers=1)
        objection: answer.Denied | Malformed | Unauthentic | None = None
        now_seconds = asyncio.get_running_loop().time
        until = now_seconds() + self.limits.response_seconds
        try:
            async with asyncio.timeout_at(until) as limit:
                while True:
                    frame = await connection.receive()
                    try:
                        if (grant := self._read(frame, reassembler)) is not None:
                            return grant
                    except answer.Denied as denied:
                        objection = denied
                        limit.reschedule(min(until, now_seconds() + self.limits.patience_seconds))
                    except (Malformed, Unauthentic) as error:
                        objection = objection or error
        except (LinkDown, TimeoutError):
            if objection is None:
                raise
        raise objection

    def _read(self, frame: bytes, reassembler: chunks.Reassembler) -> answer.Grant | None:
        message = reassembler.feed("issuer", frame, self._clock.monotonic_seconds())
        if message is None:
            return None
        return answer.decode(message, self._identity.own_key, self._identity.issuer_key)

    def _unauthentic(self, error: Unauthentic) -> ProvisioningFailed:
        pinned = self._identity.issuer_key
        if pinned is None:
            reason = "the answer is sealed to another key than this guest's"
            return ProvisioningFailed(reason, Obstacle.NOT_FOR_US)
        return ProvisioningFailed(
            f"the answer is not the pinned issuer's, whose key is {pinned.fingerprint()}: "
            f"{error.reason}",
            Obstacle.IMPOSTOR,
        )


def _checked(carried: Carried) -> Carried:
    if not 0 < carried.left_ms <= LONGEST_LIFETIME_MS:
        reason = "the session's end is not within a day from now: check the clocks"
        raise ProvisioningFailed(reason, Obstacle.CLOCKS_APART)
    return carried


# docs/protocol.md, v1, the answer: a denial's messages, and whether another try may help.
_DENIALS: Final = {
    "clock_offset_too_large": (Obstacle.CLOCKS_APART, True),
    "busy": (Obstacle.BUSY, True),
    "internal_error": (Obstacle.ISSUER_TROUBLE, True),
    "invalid_request": (Obstacle.REFUSED, False),
    "missing_lock_id": (Obstacle.REFUSED, False),
}


def _denied(code: str) -> ProvisioningFailed:
    obstacle, temporary = _DENIALS.get(code, (Obstacle.REFUSED, True))
    if code.startswith("Unknown lock id"):
        obstacle, temporary = Obstacle.UNKNOWN_LOCK, False
    reason = f"the issuer answered: {code}"
    return ProvisioningFailed(reason, obstacle, temporary=temporary)
