"""Is the audit what was written? Pure: rows and signed heads go in, the first fault comes out.

What a chain shows: an event that was changed, put in, or taken from the middle; and a cut tail or
a chain written anew, against a head that is signed or was noted elsewhere. docs/audit.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from blelockd.protocol.errors import Unauthentic
from blelockd.protocol.v2.rsa_keys import IssuerSigningPublic
from blelockd.services.issuer.audit import AuditEvent, Head, SignedHead, link

NOT_SIGNED_REMEDY: Final = "see `blelock-issuer audit verify` with the heads that were noted"
"""Of an audit that the daemon does not sign. docs/audit.md says more."""


class Broken(Exception):
    """The audit is not what was written; `event_id` is the first bad event, if it is one."""

    def __init__(self, reason: str, event_id: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.event_id = event_id


@dataclass(frozen=True, slots=True)
class Verified:
    """The audit is whole, from behind `base` to `head`; `notes` say what could not be checked."""

    base: Head
    head: Head
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class ChainCheck:
    """Follows the events in their order. `base` is what retention has left to begin behind.

    `signed` is the newest signed head, `noted` are heads that somebody keeps elsewhere.
    """

    base: Head
    signed: SignedHead | None = None
    noted: tuple[Head, ...] = ()
    head: Head = field(init=False)
    _wanted: dict[int, list[tuple[Head, str]]] = field(init=False)

    def __post_init__(self) -> None:
        self.head = self.base
        self._wanted = {}
        wanted = [(head, "a head that was noted") for head in self.noted]
        if self.signed is not None:
            wanted.append((self.signed.head, "the signed head"))
        for head, what in wanted:
            self._wanted.setdefault(head.event_id, []).append((head, what))
        self._compare()

    def take(self, event_id: int, event: AuditEvent | None, stored: bytes) -> None:
        """The next row: its event (None where it cannot be read) and hash; raises Broken."""
        due = self.head.event_id + 1
        if event_id != due:
            missing = f"event {due}" if event_id == due + 1 else f"events {due} to {event_id - 1}"
            raise Broken(f"{missing} missing: taken away", due)
        if event is None:
            raise Broken(f"event {event_id} was changed: no event looks like this", event_id)
        if link(self.head.hash, event) != stored:
            raise Broken(f"event {event_id} was changed", event_id)
        self.head = Head(event_id, stored)
        self._compare()

    def _compare(self) -> None:
        for head, what in self._wanted.get(self.head.event_id, ()):
            if head.hash != self.head.hash:
                reason = f"event {head.event_id}, or one before it, was changed: it is not {what}"
                raise Broken(reason, head.event_id)

    def end(self, issuer: IssuerSigningPublic | None) -> Verified:
        """There are no more rows; raises Broken. `issuer` is whose signature to believe."""
        due = self.head.event_id + 1
        for event_id in sorted(self._wanted):
            if event_id > self.head.event_id:
                _, what = self._wanted[event_id][0]
                raise Broken(f"the end is missing, from event {due} on: {what} is {event_id}", due)
        notes = [
            f"event {head.event_id} was noted, and is older than what is kept"
            for head in self.noted
            if head.event_id < self.base.event_id
        ]
        return Verified(self.base, self.head, (*notes, *self._signature(issuer)))

    def _signature(self, issuer: IssuerSigningPublic | None) -> tuple[str, ...]:
        if self.signed is None:
            if self.base.event_id:
                raise Broken("older events are gone, and no head is signed: retention signs first")
            return ("no head is signed yet: a chain written anew would not show",)
        if self.base.event_id > self.signed.head.event_id:
            raise Broken("events behind the signed head are gone", self.base.event_id)
        if issuer is None:
            return ("the signature was not checked: the issuer's key cannot be read",)
        try:
            self.signed.verify(issuer)
        except Unauthentic as error:
            raise Broken("the signed head is not signed by this issuer") from error
        since = self.head.event_id - self.signed.head.event_id
        return (f"not signed yet: the events from {self.head.event_id - since + 1} on",) * (
            since > 0
        )
