"""What the libraries complain about is in the journal, and does not bury it."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
from collections.abc import Iterator

import pytest

from blelockd.adapters.journal import LibraryLog
from blelockd.services.events import EventKind, Severity
from tests.fakes.clock import FakeClock, FakeTime
from tests.fakes.journal import RememberingJournal


class Listening:
    """A journal that listens to the libraries, on a clock of its own."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.journal = RememberingJournal()
        self.log = LibraryLog(self.journal, FakeClock(self.time), per_minute=3)


@pytest.fixture
def listening() -> Iterator[Listening]:
    """From the installation to its end."""
    made = Listening()
    made.log.install()
    yield made
    made.log.uninstall()


BLEAK = logging.getLogger("bleak.backends.bluezdbus.manager")


def test_a_library_s_warning_is_an_event_and_its_chatter_is_not(listening: Listening) -> None:
    BLEAK.info("chatter")
    BLEAK.warning("adapter %s is gone", "hci0")
    BLEAK.error("and the bus, too")
    first, second = listening.journal.events
    assert (first.kind, first.severity) == (EventKind.FAULT, Severity.WARNING)
    assert first.message == "bleak.backends.bluezdbus.manager: adapter hci0 is gone"
    assert first.fields == {"library": BLEAK.name}
    assert second.severity is Severity.ERROR


def test_an_exception_is_named(listening: Listening) -> None:
    try:
        raise OSError("no such device")
    except OSError:
        BLEAK.exception("scan ended")
    assert listening.journal.events[0].message.endswith("scan ended (OSError: no such device)")


def test_a_flood_is_cut_off_counted_and_told_a_minute_later(listening: Listening) -> None:
    for number in range(1000):
        BLEAK.warning("warning %d", number)
    assert len(listening.journal.events) == 3
    listening.time.jump(60.0)
    BLEAK.warning("once more")
    assert len(listening.journal.events) == 4
    assert listening.journal.events[3].fields["withheld"] == 997
    BLEAK.warning("and again")
    assert "withheld" not in listening.journal.events[4].fields


async def test_what_asyncio_finds_lost_is_told(listening: Listening) -> None:
    async def fail() -> None:
        raise RuntimeError("nobody looked")

    task = asyncio.ensure_future(fail())
    await asyncio.wait([task])
    del task
    gc.collect()
    assert "nobody looked" in listening.journal.events[0].message
    assert listening.journal.events[0].fields["library"] == "asyncio"


def test_python_s_own_warnings_are_told(listening: Listening) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        listening.log.uninstall()
        listening.log.install()  # pytest keeps warnings for itself until here
        warnings.warn("soon gone", DeprecationWarning, stacklevel=1)
    assert "soon gone" in listening.journal.events[0].message


def test_a_library_that_stumbles_over_its_own_words_is_understood(listening: Listening) -> None:
    # straight to our handler: pytest's own would raise
    listening.log.handle(
        logging.LogRecord("bleak", logging.WARNING, "", 0, "%d adverts", ("many",), None)
    )
    assert "%d adverts (arguments do not fit: TypeError)" in listening.journal.events[0].message


def test_after_the_end_nobody_listens(listening: Listening) -> None:
    listening.log.uninstall()
    BLEAK.warning("to nobody")
    assert listening.journal.events == []
