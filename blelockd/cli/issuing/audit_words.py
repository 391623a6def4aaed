"""Audit events in words: a line for a table, a sentence with its reason for a story."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.v2.reports import Event as DoorEvent
from blelockd.protocol.v2.reports import EventType
from blelockd.protocol.verdict import RSSI_UNAVAILABLE_DBM
from blelockd.services.issuer.access import BY_GRANT
from blelockd.services.issuer.audit import AuditEvent, AuditKind
from blelockd.services.issuer.schedule import Calendar

_AT_ONCE_MS: Final = 5_000  # two clocks that agree, and a message on its way

_KINDS: Final[Mapping[AuditKind, str]] = {
    AuditKind.BEGUN: "the audit begins",
    AuditKind.LOCK_ADDED: "the operator added the lock",
    AuditKind.LOCK_REMOVED: "the operator removed the lock",
    AuditKind.LOCK_STARTED: "the lock has booted, or begun a new epoch",
    AuditKind.GUEST_INVITED: "the operator invited the guest",
    AuditKind.INVITE_VOIDED: "the invite was voided",
    AuditKind.ENROLMENT_REFUSED: "an enrolment was refused",
    AuditKind.GUEST_ENROLLED: "the guest enrolled with its device",
    AuditKind.GUEST_SUSPENDED: "the operator suspended the guest",
    AuditKind.GUEST_RESUMED: "the operator resumed the guest",
    AuditKind.GUEST_REMOVED: "the guest was removed",
    AuditKind.PERSON_FORGOTTEN: "the operator had the person forgotten",
    AuditKind.REQUEST_DENIED: "a request was denied before the guest was known",
    AuditKind.SESSION_REFUSED: "the issuer refused a session",
    AuditKind.SESSION_GRANTED: "the issuer granted a session",
    AuditKind.SESSION_DELIVERED: "the lock acknowledged the session",
    AuditKind.SESSION_REVOKED: "the issuer revoked the session",
    AuditKind.REVOCATION_SETTLED: "the revocation is settled",
    AuditKind.EVENTS_MISSING: "events of the lock are missing",
    AuditKind.RETENTION: "older events were let go",
    AuditKind.RESTORED: "the store was restored; what happened after its end is not here",
    AuditKind.ACCEPTED: "the operator accepted the audit as it was, whatever was signed before",
}
_DOOR: Final[Mapping[EventType, str]] = {
    EventType.OPENED: "the lock released the strike: the door could be opened",
    EventType.STRIKE_FAILED: "the door did not open: the strike failed, or the use was not counted",
    EventType.SESSION_LEARNT: "the lock learnt the session",
    EventType.SESSION_ENDED: "the session ended at the lock",
    EventType.SESSION_REVOKED: "the lock forgot the session, which was revoked",
    EventType.EVENTS_LOST: "the lock had no room for events",
    EventType.NO_RSSI: "refused: the adapter told no signal strength",
    EventType.NOT_LISTED: "refused: the phone is not among those listed at the lock",
    EventType.TOO_FAR: "refused: heard too weakly, the phone is too far away",
    EventType.WRONG_DEVICE: "refused: the session belongs to another address",
    EventType.NOT_YET: "refused: the session had not begun",
    EventType.EXPIRED: "refused: the session was over",
    EventType.SUSPENDED: "refused: the lock's time was not confirmed for too long",
    EventType.EARLY: "refused: the token is of a slot to come; compare the clocks",
    EventType.LATE: "refused: the token is of a slot that is over; compare the clocks",
    EventType.JUST_STARTED: "refused: the lock had just started, and may have seen it before",
    EventType.REPEAT: "refused: the token had opened the door already",
    EventType.REPLAY: "refused: the token was used before, and came from elsewhere",
    EventType.USES_SPENT: "refused: the session has no use left, or none could be counted",
    EventType.FORGED: "refused: the token's seal is false",
    EventType.WRONG_MODE: "refused: the token answers a challenge, or should have",
    EventType.NO_INTENT: "refused: the guest has not shown that they want to open",
    EventType.NOT_NEAR: "refused: the phone was not near for long enough",
    EventType.UNKNOWN: "refused: no session knows the token",
}


def when(at: Instant, calendar: Calendar) -> str:
    """An instant by the clock on the wall, to the second, with its zone."""
    moment = datetime.fromtimestamp(at / MS_PER_SECOND, calendar.zone)
    return moment.strftime("%Y-%m-%d %H:%M:%S %Z")


def name_of(event: AuditEvent) -> str:
    """What it is called: its kind, or what the door says."""
    if event.door is None:
        return event.kind.value
    return event.door.kind.name.lower().replace("_", "-")


def who(event: AuditEvent) -> str:
    """The person; somebody forgotten by what stands for them; `-` for nobody."""
    if event.person is not None:
        return event.person
    return "-" if event.reference is None else f"forgotten-{event.reference.hex()[:8]}"


def details(event: AuditEvent) -> str:
    """Rule, reason and what the lock measured, in short."""
    parts = [event.reason] if event.reason else []
    if event.rule is not None and event.kind is not AuditKind.SESSION_REVOKED:
        by = "by the invite" if event.rule == BY_GRANT else f"by rule {event.rule}"
        # What a door refuses, no rule has refused: that one gave the session.
        parts.append(by if event.door is None else f"session {by}")
    if event.door is not None:
        parts += _measured(event.door)
    parts += _told(event.time - event.happened)
    return ", ".join(parts)


def sentence(event: AuditEvent) -> str:
    """What happened, and why."""
    told = _KINDS[event.kind] if event.door is None else _DOOR[event.door.kind]
    more = details(event)
    return f"{told} ({more})" if more else told


def _told(late_ms: int) -> list[str]:
    """How much later the issuer has heard of it, where that is worth a word."""
    if abs(late_ms) <= _AT_ONCE_MS:
        return []
    if late_ms < 0:
        return [f"by a clock that is {_span(-late_ms)} ahead"]
    return [f"told {_span(late_ms)} later"]


def _span(span_ms: int) -> str:
    """A span in the largest unit of which it has two."""
    seconds = round(span_ms / MS_PER_SECOND)
    units = ((86_400, "days"), (3_600, "h"), (60, "min"))
    size, unit = next(((size, unit) for size, unit in units if seconds >= 2 * size), (1, "s"))
    return f"{seconds // size} {unit}"


def _measured(door: DoorEvent) -> list[str]:
    if door.kind is EventType.EVENTS_LOST:
        return [f"{door.slot} of them" if door.slot else "nobody knows how many"]
    return [] if door.rssi_dbm == RSSI_UNAVAILABLE_DBM else [f"{door.rssi_dbm} dBm"]
