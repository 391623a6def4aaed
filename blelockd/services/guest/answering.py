"""The guest before a lock in challenge mode: it shows nothing until it has heard the question."""

from __future__ import annotations

import asyncio

from blelockd.protocol.v2.question import challenge_in
from blelockd.protocol.v2.tokens import V2Tokens
from blelockd.services.guest.presence import Presence
from blelockd.services.guest.provisioning import Carried
from blelockd.services.ports import Sighting


class Answering:
    """Has the tokens of one session of version 2 answer what its lock asks, as it is heard."""

    def __init__(self, presence: Presence, carried: Carried) -> None:
        self._presence = presence
        self._carried = carried
        self._challenge = b""
        self.heard = asyncio.Event()
        """The lock has asked."""

    def on_sighting(self, sighting: Sighting) -> None:
        """An advert, of whomever."""
        session = self._carried.session
        challenge = challenge_in(sighting.payload, session.lock_id)
        if challenge is None or challenge == self._challenge:
            return
        tokens = session.scheme
        if not isinstance(tokens, V2Tokens):
            raise TypeError("a session of version 1 answers no question")
        tokens.answer(challenge)
        self._challenge = challenge
        self._presence.carry(self._carried)
        self.heard.set()
