"""What the issuer remembers of a lock to address it: the epoch of its boot, and the sequence."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.envelope import Address
from blelockd.protocol.v2.reports import Hello

MOST_RETIRED: Final = 256


class LockView:
    """One lock as its issuer sees it. An epoch that was followed by another never comes back."""

    def __init__(self, issuer_id: bytes, lock_key_id: bytes) -> None:
        self._ids = issuer_id, lock_key_id
        self._retired: OrderedDict[bytes, None] = OrderedDict()
        self.epoch: bytes | None = None
        self.seq = 0

    def greet(self, hello: Hello) -> bool:
        """Take the epoch of a HELLO that verified; False for one of an earlier boot: a replay."""
        if hello.epoch in self._retired:
            return False
        if self.epoch != hello.epoch:
            if self.epoch is not None:
                self._retire(self.epoch)
            self.epoch, self.seq = hello.epoch, 0
        self.seq = max(self.seq, hello.last_seq)
        return True

    def address(self, now: Instant, lives_ms: int) -> Address | None:
        """Where the next envelope goes, good for `lives_ms`; None before the first HELLO."""
        if self.epoch is None:
            return None
        self.seq += 1
        issuer_id, lock_key_id = self._ids
        expires = Instant(now + lives_ms)
        return Address(issuer_id, lock_key_id, self.epoch, self.seq, now, expires)

    def _retire(self, epoch: bytes) -> None:
        self._retired[epoch] = None
        if len(self._retired) > MOST_RETIRED:
            self._retired.popitem(last=False)
