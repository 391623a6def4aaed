"""Which journal a daemon gets, by where its standard error leads."""

from __future__ import annotations

import io
import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import TextIO

import pytest

from blelockd.adapters import journal as journal_module
from blelockd.adapters.journal import MESSAGE_IDS, for_mode
from blelockd.adapters.journal.sinks import NativeJournal
from blelockd.services.events import Event, EventKind
from tests.checkout import ROOT

EVENT = Event(EventKind.UNLOCK, "lock_01 opens", fields={"lock": "lock_01"})


@pytest.fixture
def stream() -> Iterator[TextIO]:
    """Something that leads nowhere in particular."""
    with tempfile.TemporaryFile("w+") as file:
        yield file


@pytest.fixture
def journal_stream(stream: TextIO) -> dict[str, str]:
    """The environment in which `stream` is the one that journald gave us."""
    status = os.fstat(stream.fileno())
    return {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}


def written(stream: TextIO) -> str:
    """What is in it."""
    stream.seek(0)
    return stream.read()


def _pretend(monkeypatch: pytest.MonkeyPatch, *, python3_systemd: bool) -> list[tuple[str, ...]]:
    sent: list[tuple[str, ...]] = []

    def send(*fields: str) -> None:
        sent.append(fields)

    monkeypatch.setattr(journal_module, "_native_send", lambda: send if python3_systemd else None)
    return sent


def test_under_systemd_it_is_journald_with_all_fields(
    stream: TextIO, journal_stream: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = _pretend(monkeypatch, python3_systemd=True)
    journal = for_mode("auto", "blelock-lock", stream=stream, environment=journal_stream)
    journal.record(EVENT)
    journal.close()
    assert isinstance(journal, NativeJournal)
    assert "SYSLOG_IDENTIFIER=blelock-lock" in sent[0]
    assert written(stream) == ""


def test_without_python3_systemd_it_is_lines_with_a_priority(
    stream: TextIO, journal_stream: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(monkeypatch, python3_systemd=False)
    for_mode("auto", "blelock-lock", stream=stream, environment=journal_stream).record(EVENT)
    assert written(stream) == "<6>unlock: lock_01 opens lock=lock_01\n"


def test_a_stream_that_somebody_led_elsewhere_is_no_journal(
    stream: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(monkeypatch, python3_systemd=True)
    for environment in ({"JOURNAL_STREAM": "8:1"}, {"JOURNAL_STREAM": "nonsense"}, {}):
        journal = for_mode("auto", "blelock-lock", stream=stream, environment=environment)
        journal.record(EVENT)
        journal.close()
    assert written(stream).count(" unlock           lock_01 opens lock=lock_01\n") == 3


def test_json_is_one_object_per_line(stream: TextIO) -> None:
    journal = for_mode("json", "blelock-lock", stream=stream)
    journal.record(EVENT)
    journal.record(EVENT)
    events = [json.loads(line) for line in written(stream).splitlines()]
    assert [event["event"] for event in events] == ["unlock", "unlock"]


def test_a_terminal_gets_colours_unless_it_or_its_owner_cannot_stand_them() -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal, open(ours, "rb", buffering=0) as screen:

        def shown(environment: dict[str, str]) -> bytes:
            for_mode("auto", "blelock", stream=terminal, environment=environment).record(EVENT)
            return screen.read(4096)

        assert b"\x1b[" in shown({"TERM": "xterm"})
        assert b"\x1b[" in shown({"TERM": "xterm", "NO_COLOR": ""})
        assert b"\x1b[" not in shown({"TERM": "xterm", "NO_COLOR": "1"})
        assert b"\x1b[" not in shown({"TERM": "dumb"})


def test_a_stream_without_a_file_behind_it_is_survived() -> None:
    journal = for_mode("auto", "blelock-lock", stream=io.StringIO(), environment={})
    journal.record(EVENT)
    assert journal.lost == 1


def test_another_mode_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="one of auto, journal, text, json"):
        for_mode("syslog", "blelock-lock")


_A_DAEMON = """
import sys
from blelockd.adapters.journal import for_mode
from blelockd.services.events import Event, EventKind
journal = for_mode("auto", "blelock-lock")
for _ in range(3):
    journal.record(Event(EventKind.UNLOCK, "lock_01 opens"))
sys.stdout.write(str(journal.lost))
"""


def test_a_daemon_whose_standard_error_is_closed_lives_on() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, _A_DAEMON],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "3"


_WITH_A_JOURNALD = """
import os, socket, subprocess, sys
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
os.makedirs("/run/systemd/journal")
journald = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journald.bind("/run/systemd/journal/socket")
journald.settimeout(10)
from blelockd.adapters.journal import for_mode
from blelockd.services.events import Event, EventKind, Severity
event = Event(EventKind.UNLOCK, "lock_01 \\u00f6ffnet", Severity.NOTICE, {"lock": "lock_01"})
for_mode("journal", "blelock-lock").record(event)
sys.stdout.buffer.write(journald.recv(65536))
"""


def _may_have_a_run_of_our_own() -> bool:
    unshare = shutil.which("unshare")
    return (
        unshare is not None and not subprocess.run([unshare, "-rm", "true"], check=False).returncode
    )


def test_what_reaches_journald_s_socket_is_what_was_meant() -> None:
    """The real python3-systemd, at a socket in journald's place, in a mount namespace."""
    pytest.importorskip("systemd.journal", reason="python3-systemd is not installed here")
    if not _may_have_a_run_of_our_own():
        pytest.skip("this machine allows no mount namespaces")
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", _WITH_A_JOURNALD],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=30,
        check=True,
    )
    fields = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
    assert fields == {
        "MESSAGE": "lock_01 öffnet",
        "PRIORITY": "5",
        "MESSAGE_ID": MESSAGE_IDS[EventKind.UNLOCK],
        "SYSLOG_IDENTIFIER": "blelock-lock",
        "BLELOCK_EVENT": "unlock",
        "BLELOCK_LOCK": "lock_01",
    }
