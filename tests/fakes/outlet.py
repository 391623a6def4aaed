"""A broker in a dict: sessions on their way from the issuer to the locks, and what can befall them.

The real one is in tests/fakes/broker.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from blelockd.protocol.ids import LockId
from blelockd.services.ports import LinkDown

Hear = Callable[[bytes], Awaitable[None]]


class FakeOutlet:
    """ports.SessionOutlet with the locks behind it: each `inbox` hears what is for it.

    While `down`, nothing is taken. `log` is what an eavesdropper at the broker has.
    """

    def __init__(self) -> None:
        self.inboxes: dict[LockId, Hear] = {}
        self.log: list[tuple[LockId, bytes]] = []
        self.expiries: list[int | None] = []
        self.down = False
        self.before_delivery: Callable[[], Awaitable[None]] | None = None

    async def deliver(
        self, lock_id: LockId, sealed: bytes, *, expiry_seconds: int | None = None
    ) -> None:
        """Take `sealed`, and hand it to the lock if it listens."""
        if self.before_delivery is not None:
            await self.before_delivery()
        if self.down:
            raise LinkDown("no connection to the broker")
        self.log.append((lock_id, sealed))
        self.expiries.append(expiry_seconds)
        inbox = self.inboxes.get(lock_id)
        if inbox is not None:
            await inbox(sealed)

    def sent_to(self, lock_id: LockId) -> list[bytes]:
        """What was sent to that lock."""
        return [sealed for receiver, sealed in self.log if receiver == lock_id]
