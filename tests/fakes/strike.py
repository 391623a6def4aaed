"""Strikes: one that does what it is told and writes it down, one that fails, one that is slow."""

from __future__ import annotations

from blelockd.protocol.verdict import Admit
from blelockd.services.ports import Clock, StrikeFailed


class RecordingStrike:
    """A strike that obeys; `acts` is all it was told, with the monotonic second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._released = False
        self.admits: list[Admit] = []
        self.acts: list[tuple[float, str]] = []

    async def release(self, admit: Admit) -> None:
        """Let the door open."""
        self.admits.append(admit)
        self._released = True
        self.acts.append((self._clock.monotonic_seconds(), "release"))

    async def secure(self) -> None:
        """Hold the door."""
        self._released = False
        self.acts.append((self._clock.monotonic_seconds(), "secure"))

    def is_released(self) -> bool:
        """Whether the door can be opened now."""
        return self._released

    @property
    def releases(self) -> list[float]:
        """When it was released."""
        return [at for at, act in self.acts if act == "release"]


class FailingStrike(RecordingStrike):
    """A strike that fails as long as `release_fails` or `secure_fails` say so."""

    def __init__(
        self,
        clock: Clock,
        *,
        release_fails: bool = False,
        secure_fails: bool = False,
        may_have_opened: bool = False,
    ) -> None:
        super().__init__(clock)
        self.may_have_opened = may_have_opened
        self.release_fails = release_fails
        self.secure_fails = secure_fails

    async def release(self, admit: Admit) -> None:
        """Let the door open, or raise StrikeFailed."""
        if self.release_fails:
            self.acts.append((self._clock.monotonic_seconds(), "failed release"))
            raise StrikeFailed("the relay does not answer", may_have_opened=self.may_have_opened)
        await super().release(admit)

    async def secure(self) -> None:
        """Hold the door, or raise StrikeFailed."""
        if self.secure_fails:
            self.acts.append((self._clock.monotonic_seconds(), "failed secure"))
            raise StrikeFailed("the relay is stuck")
        await super().secure()


class SlowStrike(RecordingStrike):
    """A strike that takes `seconds` to release."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__(clock)
        self.seconds = seconds

    async def release(self, admit: Admit) -> None:
        """Let the door open, after a while."""
        await self._clock.sleep(self.seconds)
        await super().release(admit)
