"""What the issuer is for: a guest asks for a lock; the lock and the guest get the same session.

Nothing is published before the guest's answer is ready, and the guest is answered only once the
broker has taken the lock's copy.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from blelockd.protocol.errors import Malformed
from blelockd.protocol.ids import BluetoothAddress, LockId, SessionId
from blelockd.protocol.instants import MS_PER_SECOND
from blelockd.protocol.keys import PrivateKey, PublicKey
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.v1 import answer, envelope
from blelockd.protocol.v1.request import Request
from blelockd.protocol.v1.tokens import V1Tokens
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.issuer.outbox import Outbox
from blelockd.services.ports import Clock, Entropy, Journal, LinkDown, Peer

_URLSAFE_NONCE_BYTES: Final = 8


class SessionDenied(Exception):
    """No session for this request; `code` goes to the guest, `reason` to the journal."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class IssuancePolicy:
    """What the issuer grants: for which locks, for how long, bound to what.

    With `bind_static_addresses` a session names the guest's address where the guest keeps it.
    """

    locks: Mapping[LockId, PublicKey]
    lifetime_seconds: int = 300
    clock_offset_limit_seconds: int = 30
    bind_static_addresses: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class _Minted:
    session_id: SessionId
    expiry: int
    sealed: bytes
    answer: bytes


class Issuance:
    """Mints sessions. `policy` may be replaced while running."""

    def __init__(
        self,
        issuer_key: PrivateKey,
        policy: IssuancePolicy,
        outbox: Outbox,
        journal: Journal,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._issuer_key = issuer_key
        self.policy = policy
        self._outbox = outbox
        self._journal = journal
        self._clock = clock
        self._entropy = entropy

    async def issue(self, request: Request, peer: Peer) -> bytes:
        """The answer for the guest, with the lock's copy on its way; raises SessionDenied."""
        try:
            return await self._issue(request, peer)
        except SessionDenied as denied:
            self._denied(request, peer, denied)
            raise

    async def _issue(self, request: Request, peer: Peer) -> bytes:
        lock_key = self.policy.locks.get(request.lock_id)
        if lock_key is None:
            raise SessionDenied(
                f"Unknown lock id {request.lock_id}", f"{request.lock_id} is not among the locks"
            )
        grant = self._mint(request, peer)
        try:
            minted = await asyncio.to_thread(self._seal, request, grant, lock_key)
        except Malformed as error:
            raise SessionDenied("invalid_request", error.reason) from error
        try:
            await self._outbox.send(
                request.lock_id, minted.session_id, minted.sealed, minted.expiry * MS_PER_SECOND
            )
        except LinkDown as error:
            raise SessionDenied("internal_error", f"the broker: {error.reason}") from error
        self._issued(request, peer, minted)
        return minted.answer

    def _mint(self, request: Request, peer: Peer) -> answer.Grant:
        now_seconds = self._clock.now() // MS_PER_SECOND
        offset = None
        if request.client_time is not None:
            offset = request.client_time - now_seconds
            limit = self.policy.clock_offset_limit_seconds
            if abs(offset) > limit:
                raise SessionDenied(
                    "clock_offset_too_large",
                    f"the guest's clock is {offset:+d} s off; {limit} s are allowed",
                )
        return answer.Grant(
            SessionKey(self._entropy(SessionKey.SIZE)),
            now_seconds + self.policy.lifetime_seconds,
            base64.urlsafe_b64encode(self._entropy(_URLSAFE_NONCE_BYTES)).decode("ascii"),
            self._binding(request, peer),
            offset,
        )

    def _binding(self, request: Request, peer: Peer) -> BluetoothAddress | None:
        """The address to bind to. A guest that names one vouches that it keeps it."""
        if not self.policy.bind_static_addresses:
            return None
        if request.phone_mac is not None:
            return request.phone_mac
        address = peer.address
        if address is not None and address.is_static(random=peer.address_is_random):
            return address
        return None

    def _seal(self, request: Request, grant: answer.Grant, lock_key: PublicKey) -> _Minted:
        """Both copies of the session. Takes milliseconds of RSA: runs in a thread."""
        guest_key = request.unlocker_public_key
        if guest_key is None:
            reply = answer.encode_plain(grant)
        else:
            client_id = request.client_id or guest_key.fingerprint()
            reply = answer.encode_sealed(grant, client_id, guest_key, self._issuer_key)
        sealed = envelope.seal(request.lock_id, grant, lock_key, self._issuer_key)
        session_id = V1Tokens(grant.session_key, grant.nonce).session_id()
        return _Minted(session_id, grant.expiry, sealed, reply)

    def _issued(self, request: Request, peer: Peer, minted: _Minted) -> None:
        self._journal.record(
            Event(
                EventKind.SESSION_ISSUED,
                f"session {minted.session_id} for {request.lock_id} issued",
                Severity.NOTICE,
                {
                    "session": minted.session_id,
                    "lock": request.lock_id,
                    "address": peer.address or "",
                    "not_after": minted.expiry,
                    "sealed_to_guest": request.unlocker_public_key is not None,
                },
            )
        )

    def _denied(self, request: Request, peer: Peer, denied: SessionDenied) -> None:
        self._journal.record(
            Event(
                EventKind.SESSION_DENIED,
                f"no session for {request.lock_id}: {denied.reason}",
                Severity.WARNING,
                {"lock": request.lock_id, "address": peer.address or "", "reason": denied.code},
            )
        )
