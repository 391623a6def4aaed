"""`run` and `unlock` end with a reason when there is nothing to run with."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from blelockd.adapters.keyring import GSK, LEK, LSK, generate
from blelockd.cli.exits import Exit
from blelockd.config import GuestConfig
from blelockd.protocol.ids import LockId
from blelockd.services.guest.provisioning import Obstacle, ProvisioningFailed
from blelockd.services.ports import LinkDown
from tests.cli.commands import MAINS, config, execute, status_of

V1: Final = "compat_v1: true\n"


def runnable(folder: Path, role: str, text: str = "") -> Path:
    """A configuration for `run`, which keeps its things in `folder` and not in /var/lib."""
    return config(folder, role, f"state_directory: {folder / 'state'}\n{text}")


@pytest.mark.parametrize("role", MAINS)
def test_a_wrong_configuration_is_told_before_anything_runs(
    role: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(role, "run", "--config", config(tmp_path, role, "adapter: usb\n")) == (
        Exit.CONFIG
    )
    assert "adapter: found" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["", V1])
@pytest.mark.parametrize("role", ["issuer", "lock"])
def test_a_daemon_without_its_key_names_the_remedy(role: str, version: str, tmp_path: Path) -> None:
    ended = execute(role, "run", "--config", runnable(tmp_path, role, version))

    assert ended.returncode == Exit.NO_INPUT
    assert f"`blelock-{role} keygen`" in ended.stderr


def test_a_daemon_whose_key_is_open_to_others_names_the_remedy(tmp_path: Path) -> None:
    generate(tmp_path / "keys" / "lock.pem", 2048)
    (tmp_path / "keys" / "lock.pem").chmod(0o640)
    ended = execute("lock", "run", "--config", runnable(tmp_path, "lock", V1))

    assert ended.returncode == Exit.NO_PERMISSION
    assert "chmod 600" in ended.stderr


def test_a_strike_that_cannot_be_run_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    generate(tmp_path / "keys" / "lock.pem", 2048)
    generate(tmp_path / "keys" / "issuer.pem", 2048)
    strike = V1 + "strike: {type: command, command: [/nonexistent/open]}\n"
    ended = execute("lock", "run", "--config", runnable(tmp_path, "lock", strike))

    assert ended.returncode == Exit.CONFIG
    assert "/nonexistent/open" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_guest_without_a_bus_ends_with_a_reason(tmp_path: Path) -> None:
    ended = execute("guest", "unlock", "front", "--config", config(tmp_path, "guest", V1))

    assert ended.returncode == Exit.UNAVAILABLE
    assert "Traceback" not in ended.stderr
    assert "\n  " in ended.stderr


def test_a_lock_that_trusts_no_issuer_is_told_to(tmp_path: Path, keys: Path) -> None:
    keys.mkdir()
    LEK.make(keys)
    LSK.make(keys)
    ended = execute("lock", "run", "--config", runnable(tmp_path, "lock"))

    assert ended.returncode == Exit.NO_INPUT
    assert "no issuer is trusted here yet" in ended.stderr
    assert "`blelock-lock trust`" in ended.stderr


@pytest.mark.parametrize("verb", [("run",), ("unlock", "front")])
def test_a_guest_that_has_not_enrolled_is_told_to(
    verb: tuple[str, ...], keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.mkdir()
    GSK.make(keys)

    assert status_of("guest", *verb, "--config", config(tmp_path, "guest")) == Exit.NO_INPUT
    told = capsys.readouterr().err
    assert "no issuer is trusted here yet" in told
    assert "blelock-guest enrol" in told


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, Exit.OK),
        (LinkDown("nobody there"), Exit.UNAVAILABLE),
        (ProvisioningFailed("busy", Obstacle.BUSY), Exit.UNAVAILABLE),
        (
            ProvisioningFailed("unknown lock", Obstacle.UNKNOWN_LOCK, temporary=False),
            Exit.DATA,
        ),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
    ],
)
def test_unlock_tells_each_step_and_how_it_ended(
    error: BaseException | None,
    status: Exit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def unlock(config: GuestConfig, lock_id: LockId, *, seconds: float, tell: object) -> str:
        assert (str(lock_id), seconds) == ("front", 5)
        assert callable(tell)
        tell("looking for the issuer")
        if error is not None:
            raise error
        return "3 tokens shown"

    monkeypatch.setattr("blelockd.roles.unlock.unlock", unlock)
    argv = ("unlock", "front", "--seconds", "5", "--config", config(tmp_path, "guest", V1))

    assert status_of("guest", *argv) == status
    told = capsys.readouterr()
    assert "s  looking for the issuer\n" in told.out
    assert ("3 tokens shown\n" in told.out) == (error is None)
    assert (str(error) in told.err) if error is not None else (told.err == "")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon", "100000"])
def test_unlock_takes_no_senseless_time(seconds: str) -> None:
    assert status_of("guest", "unlock", "front", f"--seconds={seconds}") == Exit.USAGE


def test_run_hands_over_to_the_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[tuple[Path, str]] = []

    async def run(path: Path, *, journal: str) -> int:
        handed.append((path, journal))
        return 70

    monkeypatch.setattr("blelockd.roles.lock.run", run)
    file = config(tmp_path, "lock", V1)

    assert status_of("lock", "run", "--config", file, "--log", "json") == 70
    assert handed == [(file, "json")]
