"""Which session does a token belong to? One dict look-up, however many sessions live.

For each session the index holds the tokens of its current slot, of those the lock still accepts,
and of one neighbour on each side, so that a token that is early or late can be named as such.
The tokens of the next slot are there a whole slot before they count, so the work of a slot roll
can be done in pieces (`advance`) while adverts are judged in between.
"""

from __future__ import annotations

import heapq
from typing import Final

from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.session import Session

SMALLEST_STEP_MS: Final = 1000
"""Steps back of the clock up to the shortest slot are covered by the neighbour that is kept."""


class Entry:
    """A live session at the lock, with what the index and the verifier keep about it.

    There may be 100,000 of them, and the garbage collector visits every container: so no more
    containers to a session than needed, and none that outlives a slot.
    """

    __slots__ = (
        "heard",
        "indexed",
        "keys",
        "last_address",
        "last_slot",
        "next_slot",
        "session",
        "uses",
    )

    def __init__(self, session: Session, last_slot: Slot) -> None:
        self.session = session
        self.last_slot = last_slot
        """The newest slot that can no longer unlock: spent, or too old to trust."""
        self.last_address = ""
        """Where the token of `last_slot` was heard."""
        self.heard = False
        """Whether any of its tokens was heard, whatever came of it."""
        self.keys: tuple[bytes, ...] = ()
        """The index keys of successive slots, the last of them that before `next_slot`."""
        self.next_slot = Slot(0)
        """The first slot whose token is not in the index yet."""
        self.indexed = True
        """False once it has left the index."""
        self.uses = 0
        """How often the door has opened for it."""

    def slot_of(self, key: bytes) -> Slot:
        """The slot of a key by which the index has found this entry."""
        return Slot(self.next_slot - len(self.keys) + self.keys.index(key))


class TokenIndex:
    """All tokens that may be heard now, and whose they are."""

    __slots__ = ("_due", "_instants", "_newest", "_overdue", "_tokens", "find")

    def __init__(self) -> None:
        self._tokens: dict[bytes, Entry] = {}
        self._due: dict[Instant, list[Entry]] = {}
        """The entries by when their slot changes: few instants, many entries to each."""
        self._instants: list[Instant] = []
        """The keys of `_due`, as a heap."""
        self._overdue: list[list[Entry]] = []
        self._newest = Instant(0)
        self.find = self._tokens.get
        """`find(index_key)`: the entry with that token (its `slot_of` knows which), or None."""

    def __len__(self) -> int:
        return len(self._tokens)

    def add(self, entry: Entry, now: Instant) -> None:
        """Index the tokens of `entry` that may be heard at `now`."""
        self._newest = max(now, self._newest)
        self._roll(entry, now)

    def remove(self, entry: Entry) -> None:
        """Forget the tokens of `entry`."""
        entry.indexed = False
        self._drop(entry, len(entry.keys))

    def advance(self, now: Instant, at_most: int) -> int:
        """Roll up to `at_most` entries whose slot has changed; returns how many were rolled.

        A result below `at_most` means that nothing more is due. When the clock was set back by
        more than SMALLEST_STEP_MS, every entry is due at once.
        """
        if now < self._newest - SMALLEST_STEP_MS:
            self._newest = now
            self._overdue += self._due.values()
            self._due = {}
            self._instants = []
        self._newest = max(now, self._newest)
        rolled = 0
        while rolled < at_most and (entry := self._next_due(now)) is not None:
            self._roll(entry, now)
            rolled += 1
        return rolled

    def _next_due(self, now: Instant) -> Entry | None:
        while (entries := self._entries_due(now)) is not None:
            while entries:
                entry = entries.pop()
                if entry.indexed:
                    return entry
        return None

    def _entries_due(self, now: Instant) -> list[Entry] | None:
        """Entries of one instant that is over, as long as there are any."""
        while self._overdue:
            if self._overdue[-1]:
                return self._overdue[-1]
            self._overdue.pop()
        while self._instants and self._instants[0] <= now:
            if self._due[self._instants[0]]:
                return self._due[self._instants[0]]
            del self._due[heapq.heappop(self._instants)]
        return None

    def _roll(self, entry: Entry, now: Instant) -> None:
        session = entry.session
        current = session.slot_at(now)
        first = current - session.slots_back - 1
        end = current + session.slots_ahead + 2
        held_from = entry.next_slot - len(entry.keys)
        if not held_from <= first <= entry.next_slot <= end:
            self._drop(entry, len(entry.keys))
            entry.next_slot = Slot(first)
        else:
            self._drop(entry, first - held_from)
        index_key = session.scheme.index_key
        fresh = [index_key(Slot(slot)) for slot in range(entry.next_slot, end)]
        for key in fresh:
            self._tokens[key] = entry
        entry.keys = (*entry.keys, *fresh)
        entry.next_slot = Slot(end)
        self._put_off(entry, session.start_of(Slot(current + 1)))

    def _put_off(self, entry: Entry, until: Instant) -> None:
        entries = self._due.get(until)
        if entries is None:
            entries = self._due[until] = []
            heapq.heappush(self._instants, until)
        entries.append(entry)

    def _drop(self, entry: Entry, count: int) -> None:
        for key in entry.keys[:count]:
            if self._tokens.get(key) is entry:
                del self._tokens[key]
        entry.keys = entry.keys[count:]
