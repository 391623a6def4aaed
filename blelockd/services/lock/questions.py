"""The lock in challenge mode: it asks by a beacon of its own, and only fresh answers count.

A token that was made ahead, by whoever had the phone for a moment, answers no question that is
drawn later. The question before the present one counts, too: an answer was on its way.
"""

from __future__ import annotations

from typing import Final

from blelockd.protocol.ids import LockId
from blelockd.protocol.v2 import question
from blelockd.protocol.v2.tokens import CHALLENGE_BYTES, NO_CHALLENGE
from blelockd.protocol.verifier import Verifier
from blelockd.services.ports import Broadcaster, Clock, Entropy

QUESTIONS_THAT_COUNT: Final = 2


class Questions:
    """Asks one question after the other, for `verifier` to take the answers."""

    def __init__(
        self,
        lock_id: LockId,
        verifier: Verifier,
        entropy: Entropy,
        clock: Clock,
        each_seconds: float,
    ) -> None:
        self._lock_id = lock_id
        self._verifier = verifier
        self._entropy = entropy
        self._clock = clock
        self._each_seconds = each_seconds

    @property
    def on_air(self) -> bool:
        """Whether a question is asked now."""
        return bool(self._verifier.challenges)

    async def run(self, broadcaster: Broadcaster) -> None:
        """Ask until cancelled; raises LinkDown when the radio fails. Then no answer counts."""
        try:
            while True:
                challenge = self._drawn()
                before = self._verifier.challenges[: QUESTIONS_THAT_COUNT - 1]
                await broadcaster.broadcast(question.write(self._lock_id, challenge))
                self._verifier.challenges = (challenge, *before)
                await self._clock.sleep(self._each_seconds)
        finally:
            self._verifier.challenges = ()
            await broadcaster.silence()

    def _drawn(self) -> bytes:
        while (challenge := self._entropy(CHALLENGE_BYTES)) == NO_CHALLENGE:
            pass
        return challenge
