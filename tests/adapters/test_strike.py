"""The strike as a command: real programs that obey, fail, hang, chatter and leave children."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import pytest

from blelockd.adapters import strike as strike_module
from blelockd.adapters.strike import CommandStrike
from blelockd.protocol.ids import LockId, SessionId
from blelockd.protocol.instants import Slot
from blelockd.protocol.verdict import Admit
from blelockd.services.ports import Strike, StrikeFailed
from tests.adapters.conftest import Program
from tests.fakes.waiting import until

LOCK = LockId("lock_01")
ADMIT = Admit(SessionId(bytes(range(16))), LOCK, Slot(577), -50, "AA:BB:CC:DD:EE:FF")


def strike(*argv: str, secure: tuple[str, ...] = (), limit_seconds: float = 10.0) -> Strike:
    """A strike that runs `argv`."""
    return CommandStrike(LOCK, argv, secure or None, time_limit_seconds=limit_seconds)


async def test_a_release_runs_the_program_with_its_arguments_as_they_are(
    program: Program, tmp_path: Path
) -> None:
    arguments = ("--pin", "17", "a b; touch x", "$HOME", "*")
    await strike(program("printf '%s\\n' \"$@\" >arguments"), *arguments).release(ADMIT)
    assert (tmp_path / "arguments").read_text().splitlines() == list(arguments)


async def test_the_program_gets_the_facts_and_nothing_else_of_ours(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    look = program("env >environment; readlink /proc/self/fd/0 >input; ls /proc/self/fd >files")
    await strike(look, secure=(look,)).release(ADMIT)
    assert _environment(tmp_path) == {
        "BLELOCK_ACTION": "release",
        "BLELOCK_LOCK": "lock_01",
        "BLELOCK_SESSION": "000102030405060708090a0b0c0d0e0f",
        "BLELOCK_SLOT": "577",
        "BLELOCK_RSSI_DBM": "-50",
        "BLELOCK_ADDRESS": "AA:BB:CC:DD:EE:FF",
    }
    assert (tmp_path / "input").read_text().strip() == "/dev/null"
    assert (tmp_path / "files").read_text().split() == ["0", "1", "2", "3"]  # 3 is that of ls
    await strike(look, secure=(look,)).secure()
    assert _environment(tmp_path) == {"BLELOCK_ACTION": "secure", "BLELOCK_LOCK": "lock_01"}


def _environment(directory: Path) -> dict[str, str]:
    """What the program found, without what any shell sets."""
    lines = (directory / "environment").read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert found.pop("LANG") == "C.UTF-8"
    assert "/usr/bin" in found.pop("PATH")
    return {
        name: value for name, value in found.items() if name not in ("PWD", "OLDPWD", "_", "SHLVL")
    }


async def test_without_a_program_for_it_securing_does_nothing(program: Program) -> None:
    await strike(program("exit 1")).secure()


async def test_a_program_that_fails_is_reported_with_the_end_of_what_it_said(
    program: Program,
) -> None:
    failing = program("seq 100000; echo 'no such relay' >&2; exit 3")
    with pytest.raises(StrikeFailed) as failure:
        await strike(failing).release(ADMIT)
    assert failure.value.reason.startswith(f"{failing} ended with status 3: ")
    assert failure.value.reason.endswith("99999 100000 no such relay")
    assert len(failure.value.reason) < 1200
    with pytest.raises(StrikeFailed, match=r"ended with signal 9$"):
        await strike(program("kill -9 $$")).release(ADMIT)


async def test_what_a_program_says_cannot_forge_a_line_in_the_journal(program: Program) -> None:
    with pytest.raises(StrikeFailed) as failure:
        await strike(program(r"printf 'bad\n<5>unlock\033[2J\377'; exit 1")).release(ADMIT)
    assert failure.value.reason.isprintable()


async def test_a_program_that_is_not_there_is_a_failure_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(StrikeFailed, match=r"cannot be run \(No such file"):
        await strike(str(tmp_path / "missing")).release(ADMIT)


async def test_a_program_that_hangs_is_ended_with_all_its_children(
    program: Program, tmp_path: Path
) -> None:
    hanging = program("sleep 1000 & echo $! >child; echo $$ >parent; wait")
    with pytest.raises(StrikeFailed, match=r"took longer than 0\.5 s and was killed"):
        await strike(hanging, limit_seconds=0.5).release(ADMIT)
    await until(lambda: not _alive(tmp_path / "child") and not _alive(tmp_path / "parent"))


@pytest.mark.parametrize(
    ("text", "may_have"),
    [("echo open >state; sleep 60", True), ("kill -9 $$", True), ("exit 1", False)],
)
async def test_a_program_that_was_killed_may_have_opened_the_door(
    program: Program, text: str, may_have: bool
) -> None:
    with pytest.raises(StrikeFailed) as failure:
        await strike(program(text), limit_seconds=0.5).release(ADMIT)
    assert failure.value.may_have_opened is may_have


async def test_a_program_that_could_not_be_started_has_not_opened_the_door(tmp_path: Path) -> None:
    with pytest.raises(StrikeFailed) as failure:
        await strike(str(tmp_path / "missing")).release(ADMIT)
    assert not failure.value.may_have_opened


async def test_a_program_that_will_not_end_is_ended_by_force(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strike_module, "GRACE_SECONDS", 0.2)
    stubborn = program("trap '' TERM; echo $$ >parent; while :; do sleep 0.05; done")
    with pytest.raises(StrikeFailed, match="was killed"):
        await strike(stubborn, limit_seconds=0.5).release(ADMIT)
    assert not _alive(tmp_path / "parent")


async def test_a_program_that_is_asked_to_end_may_tidy_up(program: Program, tmp_path: Path) -> None:
    tidy = program("trap 'echo secured >state; exit' TERM; sleep 1000 & wait")
    with pytest.raises(StrikeFailed):
        await strike(tidy, limit_seconds=0.5).release(ADMIT)
    assert (tmp_path / "state").read_text() == "secured\n"


async def test_when_the_daemon_stops_nothing_is_left_running(
    program: Program, tmp_path: Path
) -> None:
    release = asyncio.ensure_future(
        strike(program("echo $$ >parent; exec sleep 1000")).release(ADMIT)
    )
    await until((tmp_path / "parent").exists)
    release.cancel()
    with pytest.raises(asyncio.CancelledError):
        await release
    assert not _alive(tmp_path / "parent")


async def test_a_child_that_keeps_the_output_open_does_not_hold_up_the_door(
    program: Program, tmp_path: Path
) -> None:
    await asyncio.wait_for(strike(program("sleep 1000 & echo $! >child")).release(ADMIT), 5.0)
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


async def test_a_program_that_chatters_without_end_is_heard_out(program: Program) -> None:
    await strike(program("head -c 20000000 /dev/zero")).release(ADMIT)


async def test_a_hundred_releases_leave_no_file_open(program: Program) -> None:
    once = strike(program("exit 0"))
    await once.release(ADMIT)
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(100):
        await once.release(ADMIT)
    await until(lambda: sorted(os.listdir("/proc/self/fd")) == before)


def _alive(file: Path) -> bool:
    """Whether the process whose id is in `file` still runs."""
    state = Path(f"/proc/{int(file.read_text())}/stat")
    try:
        return state.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_program_that_became_another_user_is_told_and_not_waited_for(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    start = strike_module._start

    async def remembered(*of: Any) -> Process:
        started.append(await start(*of))
        return started[-1]

    def forbidden(_group: int, _number: int) -> None:
        raise PermissionError(1, "Operation not permitted")  # as where sudo runs the program

    monkeypatch.setattr(strike_module, "_start", remembered)
    monkeypatch.setattr(strike_module, "GRACE_SECONDS", 0.05)
    setuid = program("exec sleep 1")
    with monkeypatch.context() as only_here:
        only_here.setattr(os, "killpg", forbidden)
        with pytest.raises(StrikeFailed, match="runs on, as another user"):
            await strike(setuid, limit_seconds=0.3).release(ADMIT)
    (process,) = started
    assert process.returncode is None
    await process.wait()
