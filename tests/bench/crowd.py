"""Who is on the air: strangers with a fresh token in every advert, and now and then a guest's."""

from __future__ import annotations

import time
from collections.abc import Sequence

from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.session import Session
from tests.bench.scenery import stranger

_NS_PER_MS = 1_000_000
_FLAGS = b"\x02\x01\x06"  # LE only, discoverable
_COMPANY = b"\xff\xff\xff"  # the type of the structure, and whose it is
BEFORE_THE_TOKEN = len(_FLAGS) + 1 + len(_COMPANY)


class Crowd:
    """Adverts in turn; every `guest_every`-th is a guest's, where one has an unspent token.

    `sent` has when each token left, in nanoseconds of the monotonic clock, guests' and all.
    """

    def __init__(self, sessions: Sequence[Session], guest_every: int, version: int = 1) -> None:
        self._sessions = sessions
        self._version = version
        self._guest_every = guest_every
        self._spent: dict[int, Slot] = {}
        self._next = 0
        self.sent: dict[bytes, int] = {}
        self.guests: set[bytes] = set()

    def advert(self, number: int) -> bytes:
        """The data of the `number`-th advert, which leaves now."""
        token = self._guests_token() if number % self._guest_every == 0 else None
        if token is None:
            token = stranger(self._version)
        else:
            self.guests.add(token)
        self.sent[token] = time.monotonic_ns()
        return _FLAGS + bytes([len(_COMPANY) + len(token)]) + _COMPANY + token

    def forget(self) -> None:
        """Begin a new count; what the guests have spent is spent."""
        self.sent.clear()
        self.guests.clear()

    def _guests_token(self) -> bytes | None:
        if not self._sessions:
            return None
        number = self._next = (self._next + 1) % len(self._sessions)
        session = self._sessions[number]
        slot = session.slot_at(Instant(time.time_ns() // _NS_PER_MS))
        if self._spent.get(number) == slot:
            return None
        self._spent[number] = slot
        return session.scheme.token(slot).reveal()
