"""Steps with a title, a time limit and a progress line; the first that fails ends the run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.vm.machine import PATIENCE


class StepFailed(Exception):
    """A step failed; its title and reason have been told."""


class Steps:
    """Tells each step on standard output: when it ended, how long it took, what it is."""

    def __init__(self, release: str) -> None:
        self._release = release
        self._began = time.monotonic()

    @asynccontextmanager
    async def __call__(self, title: str, *, seconds: float) -> AsyncIterator[None]:
        """A step that may take `seconds`, times PATIENCE; raises StepFailed."""
        began = time.monotonic()
        seconds *= PATIENCE
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            self._tell(began, f"{title}: FAILED, it took longer than {seconds:g} s")
            raise StepFailed(title) from error
        except Exception as error:
            self._tell(began, f"{title}: FAILED\n{error}")
            raise StepFailed(title) from error
        self._tell(began, title)

    def figures(self, role: str, text: str) -> None:
        """What a daemon costs on this release."""
        self.note(f"figures, {self._release}: blelock-{role}: {text}")

    def note(self, text: str) -> None:
        """A fact or a figure that was found on the way."""
        print(f"{self._release:<8} {'':17}  {text}", flush=True)

    def _tell(self, began: float, text: str) -> None:
        now = time.monotonic()
        seconds = f"{now - self._began:6.1f} s {now - began:6.1f} s"
        print(f"{self._release:<8} {seconds}  {text}", flush=True)
