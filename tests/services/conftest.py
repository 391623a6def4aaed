"""Services are played on one thread, so that fake time cannot run away from real work."""

from __future__ import annotations

import pytest

from tests.fakes.threads import use_inline_threads


@pytest.fixture(autouse=True)
async def _inline_threads() -> None:
    use_inline_threads()
