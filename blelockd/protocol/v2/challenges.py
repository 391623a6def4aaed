"""The issuer's challenges: one to each connection, good once, for 30 s. It draws none."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from blelockd.protocol.errors import Malformed

CHALLENGE_SECONDS: Final = 30.0


class Challenges:
    """Which challenge was given to which connection. Holds `most`; the oldest makes room."""

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._given: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._given)

    def give(self, connection: str, challenge: bytes, now_seconds: float) -> None:
        """`challenge`, 16 random bytes, is that connection's only one from now (monotonic)."""
        self._given.pop(connection, None)
        self._given[connection] = (challenge, now_seconds)
        if len(self._given) > self._most:
            self._given.popitem(last=False)

    def spend(self, connection: str, challenge: bytes, now_seconds: float) -> None:
        """Returns if `challenge` was given to that connection, and is neither old nor spent.

        Raises Malformed. In either case the connection has none any more.
        """
        given, since_seconds = self._given.pop(connection, (b"", 0.0))
        if given != challenge:
            raise Malformed("the challenge is not the one that was given")
        if now_seconds - since_seconds > CHALLENGE_SECONDS:
            raise Malformed("the challenge is too old")

    def forget(self, connection: str) -> None:
        """The connection is gone."""
        self._given.pop(connection, None)
