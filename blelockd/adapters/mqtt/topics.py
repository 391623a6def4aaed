"""Every topic and fixed payload of the wire (docs/protocol.md)."""

from __future__ import annotations

from typing import Final

from blelockd.protocol.ids import LockId

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"

ANY_AVAILABILITY: Final = "locks/+/availability"
ANY_UP: Final = "locks/+/v2/up"


def session(lock_id: LockId) -> str:
    """Where a lock's sealed sessions are published."""
    return f"locks/{lock_id}/session"


def down(lock_id: LockId) -> str:
    """Where the issuer's envelopes to a lock are published (v2)."""
    return f"locks/{lock_id}/v2/down"


def up(lock_id: LockId) -> str:
    """Where a lock's reports to its issuer are published (v2)."""
    return f"locks/{lock_id}/v2/up"


def availability(lock_id: LockId) -> str:
    """Where a lock says, retained, whether it is there."""
    return f"locks/{lock_id}/availability"


def to_lock(lock_id: LockId) -> tuple[str, ...]:
    """All that the issuer says to a lock, and a lock hears."""
    return session(lock_id), down(lock_id)


def from_lock(lock_id: LockId) -> tuple[str, ...]:
    """All that a lock says, and the issuer hears."""
    return availability(lock_id), up(lock_id)


def lock_of(topic: str, pattern: str) -> LockId | None:
    """The lock in `topic`, None where that is none of `pattern`, which has `+` in its place.

    Raises Malformed.
    """
    before, after = pattern.split("+")
    if not (topic.startswith(before) and topic.endswith(after)):
        return None
    return LockId.parse(topic.removeprefix(before).removesuffix(after))
