"""A broker of one's own for each test of this room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.broker import Broker, Terms, running_broker


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A mosquitto that trusts everybody and forgets everything when it ends."""
    with running_broker() as running:
        yield running


@pytest.fixture
def remembering_broker() -> Iterator[Broker]:
    """A mosquitto that keeps sessions and messages on disk."""
    with running_broker(Terms(persistence=True, extra="autosave_interval 1")) as running:
        yield running
