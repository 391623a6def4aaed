"""How a guest comes to be known: by an invite that it proves, once."""

from __future__ import annotations

import asyncio
from typing import Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.v2.enroll import Enrolment, OpenedEnrolment, SealedEnrolment
from blelockd.protocol.v2.enrolled import write_enrolled
from blelockd.protocol.v2.headers import req_id
from blelockd.services.events import Event, EventKind, Severity
from blelockd.services.issuer.denials import Denial
from blelockd.services.issuer.identity import IssuerIdentity
from blelockd.services.issuer.records import Guest, NotKept, OpenInvite, StoreFailed
from blelockd.services.issuer.store import GuestRecords
from blelockd.services.issuer.trouble import StoreTrouble
from blelockd.services.ports import Clock, Entropy, Journal

_SEED_BYTES: Final = 32


class Enrolling:
    """Answers ENROLL."""

    def __init__(
        self,
        identity: IssuerIdentity,
        guests: GuestRecords,
        journal: Journal,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._identity = identity
        self._guests = guests
        self._journal = journal
        self._clock = clock
        self._entropy = entropy
        self._trouble = StoreTrouble(journal, clock)

    async def answer(self, sealed: SealedEnrolment) -> bytes:
        """ENROLLED, with the guest on the disk; raises Denial."""
        try:
            guest, answer = await asyncio.to_thread(self._enrol, sealed)
        except StoreFailed as error:
            self._trouble.tell(error)
            raise Denial("the store fails") from error
        self._journal.record(
            Event(
                EventKind.GUEST_ENROLLED,
                f"{guest.person} has enrolled {guest.label or 'a device'}",
                Severity.NOTICE,
                {
                    "person": guest.person,
                    "guest": guest.guest_id,
                    "label": guest.label,
                    "trace": req_id(sealed.raw).hex(),
                },
            )
        )
        return answer

    def _enrol(self, sealed: SealedEnrolment) -> tuple[Guest, bytes]:
        """Waits for the disk, and takes milliseconds of RSA: runs in a thread."""
        opened, invite = self._invited(sealed)
        enrolment = self._proven(opened, invite)
        try:
            guest = self._guests.enrol(
                opened.invite_id, enrolment.guest, enrolment.label, self._clock.now()
            )
        except NotKept as error:
            raise Denial(error.reason) from error
        keys = self._identity.signing_key, self._identity.card.seal_key
        seed = self._entropy(_SEED_BYTES)
        return guest, write_enrolled(enrolment, sealed.raw, invite.key, keys, seed)

    def _invited(self, sealed: SealedEnrolment) -> tuple[OpenedEnrolment, OpenInvite]:
        try:
            opened = sealed.open(self._identity.seal_key)
        except (Malformed, Unauthentic) as error:
            raise Denial("an enrolment whose seal does not open") from error
        invite = self._guests.open_invite(opened.invite_id, self._clock.now())
        if invite is None:
            raise Denial("an enrolment by an invite that is not open")
        return opened, invite

    def _proven(self, opened: OpenedEnrolment, invite: OpenInvite) -> Enrolment:
        try:
            return opened.verify(invite.key)
        except Unauthentic as error:
            left = self._guests.wrong_try(opened.invite_id, self._clock.now())
            reason = f"an enrolment that does not prove its invite; tries left: {left}"
            raise Denial(reason, audited=True) from error
