"""The demo, played to the end, and broken off: nothing of it is ever left."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import pty
import re
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import yaml

from blelockd.virtual.demo import EXIT_CANNOT_START, EXIT_OK
from blelockd.virtual.demo.encore import stay
from blelockd.virtual.demo.narrator import Narrator
from blelockd.virtual.demo.performance import SCENES, perform
from blelockd.virtual.demo.play import Play
from blelockd.virtual.demo.version_1 import VERSION_1
from tests.fakes.waiting import until
from tests.virtual.theatre import (
    COLUMNS,
    PATIENCE_SECONDS,
    assert_nothing_is_left,
)

DEMO: Final = (sys.executable, "-m", "blelockd.virtual.demo")
BARE: Final = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "NO_COLOR": "1"}
CTRL_C: Final = b"\x03"

pytestmark = pytest.mark.timeout(2 * PATIENCE_SECONDS)


# --- to the end ----------------------------------------------------------------------------------


def test_every_scene_ends_as_it_should_and_nothing_is_left(place: Path) -> None:
    """On the poorest of outputs: no terminal, no colour, no locale."""
    done = subprocess.run(
        DEMO, env={**os.environ, **BARE}, capture_output=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == EXIT_OK, done.stdout.decode() + done.stderr.decode()
    text = done.stdout.decode("ascii")
    assert f"{len(SCENES)} of {len(SCENES)} scenes ended as they should" in text
    assert "\x1b" not in text
    assert "\r" not in text
    assert max(map(len, text.splitlines())) <= COLUMNS
    assert "pid" not in text.split()  # nobody can do anything with it: they are gone
    assert "seconds since the start" in text
    assert not done.stderr
    assert_nothing_is_left(place)


async def test_a_lock_that_scans_passively_plays_as_well(place: Path) -> None:
    output = io.StringIO()
    narrator = Narrator(output, width=COLUMNS)
    performance = await perform(narrator, scenes=SCENES[:6], is_passive=True)
    assert performance.is_good, output.getvalue()


def test_help_teaches_and_starts_nothing(place: Path) -> None:
    done = subprocess.run(
        (*DEMO, "--help"), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
    )
    assert "--keep" in done.stdout
    assert "exit status" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= COLUMNS
    assert_nothing_is_left(place)


def test_what_is_missing_is_named_with_its_remedy(place: Path) -> None:
    done = subprocess.run(
        DEMO,
        env={**os.environ, "PATH": ""},
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == EXIT_CANNOT_START
    assert b"dbus-daemon, setpriv not found: apt install dbus-daemon util-linux" in done.stderr
    assert_nothing_is_left(place)


async def typed(output: io.StringIO, pattern: str, event_id: str = "") -> str:
    """Type what was printed; what it tells."""
    found = re.search(rf"^  ({pattern}.*)$", output.getvalue(), re.M)
    assert found is not None, output.getvalue()
    line = found[1].replace("EVENT-ID", event_id)
    shell = await asyncio.create_subprocess_shell(line, stdout=PIPE, stderr=STDOUT)
    told, _ = await shell.communicate()
    return told.decode()


def refuse_once(terminal: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first read from `terminal` fails, as where it is another's; who was refused so far."""
    refused: list[int] = []

    def read(descriptor: int, size: int, really: Callable[[int, int], bytes] = os.read) -> bytes:
        if descriptor == terminal and not refused:
            refused.append(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really(descriptor, size)

    monkeypatch.setattr(os, "read", read)
    return refused


async def test_what_is_printed_to_be_typed_does_what_it_says(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 1, which the last scene turned on, is off again by then. The terminal is another's
    at first, as it is for a play in the background until `fg`.
    """
    output, leave = io.StringIO(), asyncio.Event()
    typing, hand = os.pipe()
    refused = refuse_once(typing, monkeypatch)

    async def encore(play: Play) -> None:
        staying = asyncio.create_task(stay(play, leave, typing))
        lock = play.cast.lock
        try:
            await until(lambda: "Here: `guest 0.5`" in output.getvalue())
            os.write(hand, b"visitor 0.5\nvisitor nowhere\ngest 1\n")
            unlocking = asyncio.create_task(typed(output, "DBUS_SYSTEM_BUS_ADDRESS=.* unlock "))
            received = await play.told(lock, "session-received", "the session")
            await play.opens(received.fields["session"], "the door to open for what was typed")
            assert "suspended" in await typed(output, ".* guest suspend Bob")
            assert "may not open" in await typed(output, "DBUS_SYSTEM_BUS_ADDRESS=.* unlock ")
            audit = await typed(output, ".* audit ")
            suspended = re.search(r"^ *(\S+) .* guest-suspended", audit, re.M)
            assert suspended is not None, audit
            assert "suspended" in await typed(output, ".* why EVENT-ID ", suspended[1])
            examined = await typed(output, "DBUS_SYSTEM_BUS_ADDRESS=.* doctor ")
            assert "adapter" in examined, examined
            assert "broker" in examined, examined
            assert "passive scanning" not in examined, "the lock is told to scan actively"
            port = yaml.safe_load(lock.config.read_text())["mqtt"]["port"]
            assert re.search(rf"this demo\W+{os.getpid()}\W.*port {port}:", output.getvalue())
            assert f"`kill {os.getpid()}`" in output.getvalue()
            os.close(hand)
            await unlocking
            assert refused
        finally:
            leave.set()
            await staying

    narrator = Narrator(output, width=COLUMNS)
    performance = await perform(narrator, scenes=(*SCENES[:2], VERSION_1), encore=encore)
    os.close(typing)
    assert performance.is_good, output.getvalue()
    assert "visitor   > is 0.5 m from the door: -49 dBm there" in output.getvalue()
    assert "cannot put a phone `nowhere` metres away" in output.getvalue()
    assert "knows no phone `gest`" in output.getvalue()
    assert re.search(r"blelock-lock\W+\d+\W+host lock", output.getvalue())
    assert_nothing_is_left(place)


# --- broken off ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scene", ["Protocol v2", "1  Issuer", "2  Two", "6  Bob"])
def test_sigterm_leaves_no_process_and_no_directory(place: Path, scene: str) -> None:
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert any(line.startswith(scene) for line in demo.stdout)
        demo.terminate()
        assert "SIGTERM: cleaning up" in demo.stdout.read()
    assert demo.returncode == 128 + signal.SIGTERM
    assert_nothing_is_left(place)


def test_ctrl_c_at_a_terminal_leaves_no_process_and_no_directory(place: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        ("setsid", "--ctty", *DEMO), env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as demo:
        os.close(theirs)
        shown = b""
        while "✔".encode() not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, CTRL_C)
        while b"SIGINT: cleaning up" not in shown:
            shown += os.read(ours, 4096)
    os.close(ours)
    assert demo.returncode == 128 + signal.SIGINT
    assert b"\x1b[" in shown  # in colour
    assert_nothing_is_left(place)


def test_a_reader_who_goes_away_ends_the_demo(place: Path) -> None:
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        demo.stdout.readline()
        demo.stdout.close()
        assert demo.stderr.read() == b""
    assert demo.returncode == 128 + signal.SIGPIPE
    assert_nothing_is_left(place)
