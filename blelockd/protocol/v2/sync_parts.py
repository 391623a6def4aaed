"""When has a lock heard all of a SYNC? Only then may what was not named be taken for revoked."""

from __future__ import annotations

from blelockd.protocol.ids import SessionId
from blelockd.protocol.v2.down import Sync


class SyncParts:
    """The parts of one SYNC as they come, 0 first. A part that is missing makes the rest void."""

    def __init__(self) -> None:
        self._nonce = b""
        self._parts = 0
        self._next = 0
        self._named: set[SessionId] = set()

    def take(self, sync: Sync) -> frozenset[SessionId] | None:
        """All that lives, once the last part is here; None until then, or if any is missing.

        The caller has made sure that `sync` answers the last HELLO.
        """
        if sync.part == 0:
            self._nonce, self._parts, self._next, self._named = (
                sync.hello_nonce,
                sync.parts,
                0,
                set(),
            )
        if (sync.hello_nonce, sync.parts, sync.part) != (self._nonce, self._parts, self._next):
            self._parts = 0
            return None
        self._named |= {session.session_id for session in sync.sessions}
        self._next += 1
        return frozenset(self._named) if self._next == self._parts else None
