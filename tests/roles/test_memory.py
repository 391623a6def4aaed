"""The collector's pauses stay short, and no garbage is kept for it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from blelockd.roles import memory


class Link:
    """A connection that refers to itself, as those of most libraries do."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    """Only the test itself collects, and what it did to the collector is undone."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def test_what_outlives_a_collection_of_the_new_is_not_gone_through_again() -> None:
    lives = [Link() for _ in range(100)]
    before = gc.get_freeze_count()
    with memory.short_pauses():
        gc.collect(1)
        assert gc.get_freeze_count() >= before + len(lives)


def test_new_garbage_is_collected_before_anything_is_kept() -> None:
    link = Link()
    gone = weakref.ref(link)
    with memory.short_pauses():
        del link
        gc.collect(1)
        assert gone() is None


def test_a_link_that_was_lost_later_is_collected_when_memory_is_settled() -> None:
    link = Link()
    gone = weakref.ref(link)
    with memory.short_pauses():
        gc.collect(1)
        del link
        gc.collect()
        assert gone() is not None  # it was kept: that is the price
        memory.settle()
        assert gone() is None


def test_the_collector_is_left_as_it_was_found() -> None:
    before = gc.get_threshold(), list(gc.callbacks)
    with memory.short_pauses():
        assert gc.get_threshold() != before[0]
    assert (gc.get_threshold(), list(gc.callbacks)) == before
    assert gc.get_freeze_count() == 0
