"""A daemon begins where no other of its kind runs, and a disk that fails keeps no door shut."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from blelockd.adapters.journal.sinks import Sink
from blelockd.adapters.pidfile import HeldByAnother, PidFile
from blelockd.roles import alone as module
from blelockd.roles.alone import alone
from blelockd.roles.daemon import Daemon
from blelockd.services.events import Event, EventKind, Severity


class KeptJournal(Sink):
    """A journal for a test to read."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []

    def _write(self, event: Event) -> bool:
        self.events.append(event)
        return True


@pytest.fixture
def journal() -> KeptJournal:
    return KeptJournal()


@pytest.fixture
def daemon(journal: KeptJournal) -> Daemon:
    return Daemon("blelock-lock", journal)


async def test_one_that_still_ends_is_waited_for(
    tmp_path: Path, daemon: Daemon, journal: KeptJournal
) -> None:
    before = PidFile(tmp_path)
    asyncio.get_running_loop().call_later(0.3, before.close)
    async with alone(tmp_path, daemon):
        with pytest.raises(HeldByAnother):
            PidFile(tmp_path)
    PidFile(tmp_path).close()
    assert journal.events == []


async def test_one_that_stays_is_not_waited_for_longer_than_said(
    tmp_path: Path, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.3)
    staying = PidFile(tmp_path)
    with pytest.raises(HeldByAnother):
        async with alone(tmp_path, daemon):
            pytest.fail("two at once")
    staying.close()


async def test_a_disk_that_fails_is_told_and_keeps_nobody_out(
    tmp_path: Path, daemon: Daemon, journal: KeptJournal
) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    came_in = False
    async with alone(tmp_path / "state", daemon):
        came_in = True
    assert came_in
    (event,) = journal.events
    assert (event.kind, event.severity) == (EventKind.UNGUARDED, Severity.WARNING)
    assert "state/daemon.pid: file exists" in event.message
