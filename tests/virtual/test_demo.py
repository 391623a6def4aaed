"""The demo, played to the end, spoilt by real means, and broken off: nothing of it is ever left."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from blelockd.virtual.demo import EXIT_CANNOT_START, EXIT_OK, EXIT_STUMBLED
from blelockd.virtual.demo.encore import stay
from blelockd.virtual.demo.evening import Evening
from blelockd.virtual.demo.narrator import Narrator
from blelockd.virtual.demo.performance import SCENES, perform
from blelockd.virtual.demo.play import Outcome, Play, Scene
from blelockd.virtual.demo.visitor import visiting

DEMO: Final = (sys.executable, "-m", "blelockd.virtual.demo")
PATIENCE_SECONDS: Final = 120
COLUMNS: Final = 80
BARE: Final = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "NO_COLOR": "1"}
CTRL_C: Final = b"\x03"

pytestmark = pytest.mark.timeout(2 * PATIENCE_SECONDS)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the demo may leave nothing. Its path is short, for sockets must fit into it."""
    directory = Path(tempfile.mkdtemp(prefix="demo-"))
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield directory
    shutil.rmtree(directory)


def processes_of(place: Path) -> list[str]:
    """Who runs with that temporary directory, but for this process."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it has just ended, or is another user's
        if f"TMPDIR={place}".encode() in environment and int(process.name) != os.getpid():
            found.append(command)
    return found


def assert_nothing_is_left(place: Path) -> None:
    assert not processes_of(place)
    assert not list(place.iterdir())


def assert_only_logs_are_left(place: Path, told: str) -> None:
    (logs,) = place.iterdir()
    assert [str(logs)] == re.findall(r"every process are in (\S+)", told)
    assert '"event":"unlock"' in (logs / "lock.log").read_text()
    names = {path.stem for path in logs.glob("*.log")}
    assert names >= {"issuer", "lock", "guest", "mosquitto", "bluetoothd-lock"}
    assert not list(logs.rglob("*.pem"))
    assert not processes_of(place)


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
    performance = await perform(narrator, scenes=SCENES[:4], is_passive=True)
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


async def test_what_is_printed_to_be_typed_opens_the_door(place: Path) -> None:
    output, leave = io.StringIO(), asyncio.Event()
    typed, typing = os.pipe()

    async def encore(play: Play) -> None:
        staying = asyncio.create_task(stay(play, leave, typed))
        play.mark()
        await play.told(play.cast.issuer, "reloaded", "the issuer to read its file again")
        os.write(typing, b"visitor 0.5\nvisitor nowhere\n")
        command = re.search(r"^  (DBUS_SYSTEM_BUS_ADDRESS=.* unlock .*)$", output.getvalue(), re.M)
        assert command is not None
        unlock = await asyncio.create_subprocess_shell(command.group(1))
        try:
            received = await play.told(play.cast.lock, "session-received", "the session")
            await play.opens(received.fields["session"], "the door to open for what was typed")
            os.close(typing)
        finally:
            await unlock.wait()
            leave.set()
            await staying

    narrator = Narrator(output, width=COLUMNS)
    performance = await perform(narrator, scenes=SCENES[:1], encore=encore)
    os.close(typed)
    assert performance.is_good, output.getvalue()
    assert "visitor   > is 0.5 m from the door: -49 dBm there" in output.getvalue()
    assert "understands `PHONE METRES`" in output.getvalue()
    assert re.search(r"blelock-lock\W+\d+\W+host lock", output.getvalue())
    assert_nothing_is_left(place)


# --- spoilt --------------------------------------------------------------------------------------


async def test_a_lock_that_opens_to_weak_signals_spoils_the_play(place: Path) -> None:
    output = io.StringIO()
    changes = {"lock": {"rssi_threshold_dbm": -100}}
    status = await Evening(Narrator(output, width=COLUMNS), changes=changes).run()
    assert status == EXIT_STUMBLED
    assert f"0 of {len(SCENES)} scenes ended as they should" in output.getvalue()
    told = " ".join(output.getvalue().split())
    assert "expected the lock to refuse the token from 00:1B:DC:00:00:03 as too-far" in told
    assert re.search(r"but blelock-lock told .*unlock: lock_01 opens", told)
    assert_only_logs_are_left(place, told)


async def test_an_unlock_that_no_scene_expects_spoils_the_play(place: Path) -> None:
    """Somebody with a good session passes by, in a scene that is about something else."""

    async def interrupted(play: Play) -> Outcome:
        play.walk("visitor", 0.5)
        async with visiting(play.cast, lambda _line: None):
            await play.told(play.cast.lock, "unlock", "the door to open")
        return Outcome("nothing of note")

    output = io.StringIO()
    scenes = (SCENES[0], Scene("Another scene", "Nobody is expected.", interrupted), *SCENES[1:])
    performance = await perform(Narrator(output, width=COLUMNS), scenes=scenes)
    first, second, *others = performance.played
    assert first.outcome is not None
    assert second.stumble is not None
    assert second.stumble.expected == "the door to stay shut"
    assert not any(other.outcome or other.stumble for other in others)
    assert "not played" in output.getvalue()


async def test_a_daemon_that_dies_spoils_the_play(place: Path) -> None:
    async def deadly(play: Play) -> Outcome:
        await play.cast.issuer.stop(signal.SIGKILL)
        return Outcome("nobody has noticed")

    output = io.StringIO()
    scene = Scene("A death", "The issuer is gone.", deadly)
    performance = await perform(Narrator(output, width=COLUMNS), scenes=(scene,))
    assert not performance.is_good
    assert "expected blelock-issuer to go on running" in output.getvalue()


async def test_a_scene_that_never_ends_is_ended(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(play: Play) -> Outcome:
        nobody: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        return await nobody

    monkeypatch.setattr("blelockd.virtual.demo.performance.LONGEST_SCENE_SECONDS", 0.1)
    output = io.StringIO()
    scene = Scene("Waiting", "Nobody comes.", endless)
    performance = await perform(Narrator(output, width=COLUMNS), scenes=(scene,))
    assert not performance.is_good
    assert "but TimeoutError: it took too long" in output.getvalue()


# --- broken off ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scene", ["Protocol v1", "1  A guest", "4  A stranger"])
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
