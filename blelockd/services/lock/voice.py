"""What the lock says to its issuer: signed, sealed, and handed to the broker."""

from __future__ import annotations

import asyncio
from typing import Final

from blelockd.protocol.v2 import up
from blelockd.protocol.v2.reports import UpMessage
from blelockd.services.lock.enrolled import EnrolledLock
from blelockd.services.ports import Entropy, Post

_SEED_BYTES: Final = 32


class Voice:
    """One lock's voice. Nothing that is said is sure to arrive: the issuer's answer tells."""

    def __init__(self, lock: EnrolledLock, post: Post, entropy: Entropy) -> None:
        self._lock_id = lock.lock_id
        self._sender = lock.sender()
        self._keys = lock.signing_key, lock.issuer.seal_key
        self._post = post
        self._entropy = entropy

    async def say(self, message: UpMessage) -> bool:
        """Say `message`; False where nobody would take it."""
        lock_id, seed = self._lock_id, self._entropy(_SEED_BYTES)
        report = await asyncio.to_thread(up.write, self._sender, message, lock_id, self._keys, seed)
        return self._post(report)
