"""One event for every decision, with fields a journal can filter by. No secret may enter one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from blelockd.protocol.ids import SessionId


class Severity(IntEnum):
    """Priorities of syslog (RFC 5424, 6.2.1), those that are used here."""

    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


class EventKind(StrEnum):
    """What happened; the value of the journal field BLELOCK_EVENT."""

    STARTED = "started"
    STOPPING = "stopping"
    UNGUARDED = "unguarded"
    COMPAT_V1 = "compat-v1"
    RELOADED = "reloaded"
    RELOAD_REFUSED = "reload-refused"
    LINK_UP = "link-up"
    LINK_LOST = "link-lost"
    LINK_REGAINED = "link-regained"
    SESSION_ISSUED = "session-issued"
    SESSION_DENIED = "session-denied"
    SESSIONS_REDELIVERED = "sessions-redelivered"
    SESSION_DELIVERED = "session-delivered"
    GUEST_ENROLLED = "guest-enrolled"
    ENROLMENT_DENIED = "enrolment-denied"
    LOCK_GREETED = "lock-greeted"
    LOCK_STATUS = "lock-status"
    REVOCATION = "revocation"
    DOOR = "door"
    STORE_FAILED = "store-failed"
    STORE_RESTORED = "store-restored"
    AUDIT_SIGNED = "audit-signed"
    AUDIT_NOT_SIGNED = "audit-not-signed"
    SESSION_RECEIVED = "session-received"
    SESSION_REFUSED = "session-refused"
    SESSION_REVOKED = "session-revoked"
    ENVELOPE_REFUSED = "envelope-refused"
    RIVAL = "rival"
    EVENTS_LOST = "events-lost"
    SESSION_OBTAINED = "session-obtained"
    SESSION_FAILED = "session-failed"
    SESSION_ENDED = "session-ended"
    UNLOCK = "unlock"
    REFUSAL = "refusal"
    WAITING = "waiting"
    HELD_BACK = "held-back"
    STRIKE_FAILED = "strike-failed"
    SECURED = "secured"
    SUMMARY = "summary"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Event:
    """A decision or a change of state, told once.

    `message` is a sentence for people. `fields` become journal fields `BLELOCK_<NAME>`
    (names in lower case, `[a-z0-9_]+`); their values are shown with `str()`.
    """

    kind: EventKind
    message: str
    severity: Severity = Severity.INFO
    fields: Mapping[str, object] = field(default_factory=dict)


def of_session(session_id: SessionId, **more: object) -> dict[str, object]:
    """The fields of an event of that session, whose id is also its trace from request to strike."""
    return {"session": session_id, "trace": session_id, **more}
