"""A journal that fails must not take the door with it, and must confess afterwards."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from blelockd.adapters.journal.shapes import LARGEST_LINE_BYTES, prefixed
from blelockd.adapters.journal.sinks import Gate, LineJournal, NativeJournal
from blelockd.services.events import Event, EventKind, Severity
from tests.fakes.clock import FakeClock, FakeTime


def event(number: int, severity: Severity = Severity.INFO) -> Event:
    """An event that can be told from others."""
    return Event(EventKind.UNLOCK, f"event {number}", severity)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A reader that may be slow, and a writer that must not be."""
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        try:
            os.close(end)
        except OSError:
            continue  # the test has closed it


def lines(reader: int) -> list[str]:
    """What is in the pipe."""
    os.set_blocking(reader, False)
    return os.read(reader, 1 << 20).decode().splitlines()


def line_journal(descriptor: int | None) -> LineJournal:
    """A journal of prefixed lines."""
    return LineJournal(descriptor, prefixed, FakeClock(FakeTime()))


def test_every_event_is_a_line_at_once(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    journal = line_journal(writer)
    journal.record(event(1))
    assert lines(reader) == ["<6>unlock: event 1"]
    journal.record(event(2))
    assert lines(reader) == ["<6>unlock: event 2"]


def test_a_reader_that_sleeps_costs_lines_but_no_time_and_is_told_how_many(
    pipe: tuple[int, int],
) -> None:
    reader, writer = pipe
    journal = line_journal(writer)
    for number in range(20_000):
        journal.record(event(number))
    kept = lines(reader)
    assert journal.lost > 0
    assert len(kept) + journal.lost == 20_000
    journal.record(event(20_000))
    assert lines(reader) == [
        f"<4>fault: {journal.lost} events before this one could not be written to the journal"
        f" lost={journal.lost}",
        "<6>unlock: event 20000",
    ]


def test_a_reader_that_is_gone_is_counted(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)
    journal = line_journal(writer)
    for number in range(3):
        journal.record(event(number))
    assert journal.lost == 3


def test_a_stream_that_is_closed_is_counted(pipe: tuple[int, int]) -> None:
    _, writer = pipe
    os.close(writer)
    for journal in (line_journal(writer), line_journal(None)):
        journal.record(event(1))
        assert journal.lost == 1


def test_a_disk_that_is_full_is_counted() -> None:
    with open("/dev/full", "wb") as full:
        journal = line_journal(full.fileno())
        journal.record(event(1))
    assert journal.lost == 1


def test_a_line_never_grows_beyond_one_step_of_a_pipe() -> None:
    fields = {f"field_{n}": "ä" * 5000 for n in range(50)}
    with tempfile.TemporaryFile() as file:
        line_journal(file.fileno()).record(Event(EventKind.FAULT, "ö" * 5000, fields=fields))
        file.seek(0)
        written = file.read()
    assert written.endswith(b"\n")
    assert written.count(b"\n") == 1
    assert len(written) <= LARGEST_LINE_BYTES + 1


def test_what_is_below_the_level_is_not_told(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    journal = line_journal(writer)
    journal.record(event(1, Severity.DEBUG))
    journal.record(event(2, Severity.NOTICE))
    journal.level = Severity.WARNING
    journal.record(event(3, Severity.NOTICE))
    journal.record(event(4, Severity.ERROR))
    assert lines(reader) == ["<5>unlock: event 2", "<3>unlock: event 4"]
    assert journal.lost == 0


def test_a_journald_that_is_away_is_told_afterwards() -> None:
    sent: list[str] = []
    away = True

    def send(*fields: str) -> None:
        if away:
            raise ConnectionRefusedError
        sent.append(fields[0])

    journal = NativeJournal(send, "blelock-lock", Gate("/nowhere"))
    journal.record(event(1))
    journal.record(event(2))
    away = False
    journal.record(event(3))
    assert journal.lost == 2
    assert sent == [
        "MESSAGE=2 events before this one could not be written to the journal",
        "MESSAGE=event 3",
    ]


def test_a_journald_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    """The sender here waits for its reader, as libsystemd's does."""
    address = str(tmp_path / "journald")
    journald = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journald.bind(address)
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.connect(address)
    gate = Gate(address)
    journal = NativeJournal(lambda *fields: sender.send(fields[0].encode()), "blelock-lock", gate)
    for number in range(1000):
        journal.record(event(number))
    assert 0 < journal.lost < 1000
    for _ in range(1000 - journal.lost):
        journald.recv(4096)
    journal.record(event(1000))
    assert b"could not be written" in journald.recv(4096)
    assert journald.recv(4096) == b"MESSAGE=event 1000"
    for held in (journal, sender, journald):
        held.close()


def test_without_a_socket_to_ask_at_the_gate_is_open(tmp_path: Path) -> None:
    assert Gate(str(tmp_path / "missing")).is_open()
