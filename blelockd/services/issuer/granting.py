"""What an enrolled guest is answered: a session, on the disk and with its lock, or why not.

Who is not known, or does not sign for whom it names, is denied; from then on every answer is sealed
and signed, and says why.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.ids import SessionId
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.v2 import answer
from blelockd.protocol.v2.answer import Granted, RefusalCode, Refused, Times
from blelockd.protocol.v2.down import SessionForLock
from blelockd.protocol.v2.reports import Result
from blelockd.protocol.v2.request import Request, SealedRequest
from blelockd.services.issuer.delivery import Delivery
from blelockd.services.issuer.denials import Denial, OverLimit
from blelockd.services.issuer.identity import IssuerIdentity
from blelockd.services.issuer.permission import Permission, Permitted, Refusal
from blelockd.services.issuer.records import Guest, NotKept, StoreFailed
from blelockd.services.issuer.register import Asked, Register
from blelockd.services.issuer.revoking import Revoking
from blelockd.services.issuer.store import GuestRecords, SessionRecords
from blelockd.services.issuer.trouble import StoreTrouble
from blelockd.services.ports import Clock, Entropy, LinkDown

MOST_LIVE: Final = 2
"""Sessions of one guest with one lock: the one in use and the one that comes after it."""

_BEGUN_BEFORE_MS: Final = 2 * MS_PER_SECOND
"""So much may the lock's clock be behind; it is off by 1 s at most."""
_TOLD_WITHIN_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 5
_SEED_BYTES: Final = 32
_BUSY: Final = Refusal(RefusalCode.BUSY, _RETRY_SECONDS)
_USELESS: Final = {
    Result.UNREADABLE: RefusalCode.LOCK_OFFLINE,
    Result.WRONG_LOCK: RefusalCode.LOCK_OFFLINE,
    Result.MALFORMED: RefusalCode.LOCK_OFFLINE,
    Result.FULL: RefusalCode.BUSY,
    Result.UNABLE: RefusalCode.LOCK_UNABLE,
}
"""What a lock may say of a session that it will never have."""


class Granting:
    """Answers REQ."""

    def __init__(
        self,
        identity: IssuerIdentity,
        guests: GuestRecords,
        sessions: SessionRecords,
        permission: Permission,
        delivery: Delivery,
        revoking: Revoking,
        register: Register,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._identity = identity
        self._guests = guests
        self._sessions = sessions
        self._permission = permission
        self._delivery = delivery
        self._revoking = revoking
        self._register = register
        self._clock = clock
        self._entropy = entropy
        self._trouble = StoreTrouble(register.journal, clock)
        self._counting: set[str] = set()
        """Persons of whom it is being decided who has their limited uses."""

    async def answer(self, sealed: SealedRequest, received: Instant) -> bytes:
        """RSP, a grant or a refusal; `received` is when the request was complete.

        Raises Denial, and OverLimit where all guests together have asked too often.
        """
        try:
            request, guest = await asyncio.to_thread(self._identified, sealed)
        except StoreFailed as error:
            self._trouble.tell(error)
            raise Denial("the store fails") from error
        is_allowed = self._register.allows(guest)
        has_room = self._register.has_room if is_allowed else self._register.has_room_for_busy
        if not has_room():
            raise OverLimit
        asked = Asked(sealed.raw, request, guest)
        try:
            said = await self._said(asked) if is_allowed else _BUSY
        except StoreFailed as error:
            self._trouble.tell(error)
            said = _BUSY
        await self._register.enter(asked, said)
        return await asyncio.to_thread(self._write, asked, said, received)

    def _identified(self, sealed: SealedRequest) -> tuple[Request, Guest]:
        """Who asks what; waits for the disk."""
        try:
            opened = sealed.open(self._identity.seal_key)
        except (Malformed, Unauthentic) as error:
            raise Denial("a request whose seal does not open") from error
        guest = self._guests.get(opened.guest_id)
        if guest is None:
            raise Denial("a request of a guest that has not enrolled")
        try:
            return opened.verify(guest.key), guest
        except Unauthentic as error:
            raise Denial(f"a request that {guest.guest_id} has not signed") from error

    async def _said(self, asked: Asked) -> SessionForLock | Refusal:
        permitted = await self._ask_permission(asked)
        if isinstance(permitted, Refusal):
            return permitted
        if permitted.has_limited_uses:
            return await self._of_limited_uses(asked, permitted)
        return await self._opened(asked, permitted)

    async def _of_limited_uses(
        self, asked: Asked, permitted: Permitted
    ) -> SessionForLock | Refusal:
        """What is still allowed elsewhere would be allowed twice, and so would what two requests at
        once are both allowed: one after the other.
        """
        person = asked.guest.person
        if person in self._counting:
            return Refusal(RefusalCode.BUSY, _RETRY_SECONDS, permitted.rule)
        self._counting.add(person)
        try:
            if not await self._call_in(asked.guest, permitted.rule):
                return Refusal(RefusalCode.LOCK_OFFLINE, _RETRY_SECONDS, permitted.rule)
            now_permitted = await self._ask_permission(asked)
            if isinstance(now_permitted, Refusal):
                return now_permitted
            if now_permitted.rule != permitted.rule:  # whose sessions are not called in
                return Refusal(RefusalCode.BUSY, _RETRY_SECONDS, now_permitted.rule)
            return await self._opened(asked, now_permitted)
        finally:
            self._counting.discard(person)

    async def _opened(self, asked: Asked, permitted: Permitted) -> SessionForLock | Refusal:
        lock_id = asked.request.lock_id
        if not await self._revoking.spares_new(lock_id, _TOLD_WITHIN_SECONDS):
            return Refusal(RefusalCode.LOCK_OFFLINE, _RETRY_SECONDS, permitted.rule)
        session = self._mint(asked.guest, permitted)
        now = self._clock.now()
        try:
            await asyncio.to_thread(self._sessions.open, session, permitted.rule, now)
        except NotKept:  # suspended, or the lock removed, a moment ago
            return Refusal(RefusalCode.REVOKED)
        try:
            return await self._delivered(asked, permitted, session)
        except NotKept:  # revoked on its way: who asks again hears whether that is for good
            return Refusal(RefusalCode.BUSY, _RETRY_SECONDS, permitted.rule)

    async def _ask_permission(self, asked: Asked) -> Permitted | Refusal:
        now = self._clock.now()
        return await asyncio.to_thread(self._permission.of, asked.guest, asked.request, now)

    async def _call_in(self, guest: Guest, rule: str) -> bool:
        """End the sessions that count against the same limit of uses; whether all locks have told
        each of their openings.
        """
        ended = await asyncio.to_thread(self._end_those_of, guest, rule)
        return not ended or await self._revoking.told(ended, _TOLD_WITHIN_SECONDS)

    def _end_those_of(self, guest: Guest, rule: str) -> set[SessionId]:
        reason = "its uses go to a newer one"
        return self._sessions.call_in(guest, rule, reason, self._clock.now())

    def _mint(self, guest: Guest, permitted: Permitted) -> SessionForLock:
        return SessionForLock(
            SessionId(self._entropy(16)),
            SessionKey(self._entropy(SessionKey.SIZE)),
            guest.guest_id,
            Instant(self._clock.now() - _BEGUN_BEFORE_MS),
            permitted.terms,
        )

    async def _delivered(
        self, asked: Asked, permitted: Permitted, session: SessionForLock
    ) -> SessionForLock | Refusal:
        """The session, with the mark whether its lock has it; else it has ended."""
        code, result = RefusalCode.LOCK_OFFLINE, None
        try:
            result = await self._delivery.session(permitted.card, session)
            if result not in _USELESS:
                await asyncio.to_thread(self._displace, asked)
                self._revoking.owe()
                lock_has_it = result is Result.APPLIED
                return replace(session, terms=replace(session.terms, lock_has_it=lock_has_it))
            code = _USELESS[result]
        except LinkDown:
            result = None
        await asyncio.to_thread(
            self._sessions.revoke, session.session_id, "its lock has it not", self._clock.now()
        )
        return Refusal(code, _RETRY_SECONDS, permitted.rule)

    def _displace(self, asked: Asked) -> None:
        """End the oldest sessions of that guest with that lock, beyond two: nobody uses them."""
        now = self._clock.now()
        live = [
            session
            for session in self._sessions.lives_of(asked.guest.guest_id, now)
            if session.lock_id == asked.request.lock_id
        ]
        live.sort(key=lambda session: session.not_before)
        for session in live[:-MOST_LIVE]:
            self._sessions.revoke(session.session_id, "displaced by newer ones", now)

    def _write(self, asked: Asked, said: SessionForLock | Refusal, received: Instant) -> bytes:
        """Takes milliseconds of RSA: runs in a thread."""
        times = Times(received, max(received, self._clock.now()))
        if isinstance(said, Refusal):
            reply: Granted | Refused = Refused(
                said.code, said.retry_seconds, times, asked.request.lock_id
            )
        else:
            reply = Granted(said.session_id, said.session_key, times, said.terms)
        seed, guest = self._entropy(_SEED_BYTES), asked.request.ephemeral
        return answer.write(reply, asked.message, guest, self._identity.signing_key, seed)
