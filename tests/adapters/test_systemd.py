"""What systemd hears of us, at a real datagram socket in its place."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blelockd.adapters.systemd import Notifier


class Listener:
    """systemd's end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(5.0)

    def heard(self) -> dict[str, str]:
        """The assignments of the next datagram."""
        lines = self._socket.recv(65_536).decode().split("\n")
        return dict(line.split("=", 1) for line in lines)

    def close(self) -> None:
        """Hear nothing more."""
        self._socket.close()


@pytest.fixture
def notifier() -> Iterator[Notifier]:
    """Ours, which lets go of its socket at the end."""
    made = Notifier()
    yield made
    made.close()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """systemd at a socket in the file system."""
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    listener = Listener(address)
    yield listener
    listener.close()


def test_a_start_a_reload_and_a_stop_as_systemd_hears_them(
    notifier: Notifier, systemd: Listener
) -> None:
    notifier.ready("scan up; broker up")
    assert systemd.heard() == {"READY": "1", "STATUS": "scan up; broker up"}
    notifier.watchdog()
    assert systemd.heard() == {"WATCHDOG": "1"}
    notifier.status("broker down: nothing listens at localhost:1883")
    assert systemd.heard() == {"STATUS": "broker down: nothing listens at localhost:1883"}
    before_us = time.monotonic_ns() // 1000
    notifier.reloading()
    reload = systemd.heard()
    assert reload["RELOADING"] == "1"
    assert before_us <= int(reload["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    notifier.stopping()
    assert systemd.heard() == {"STOPPING": "1"}
    assert notifier.lost == 0


def test_an_abstract_socket_is_found_too(
    notifier: Notifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"blelock-test-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    listener = Listener(f"\0{name}")
    notifier.ready("up")
    assert listener.heard()["READY"] == "1"
    listener.close()


def test_a_status_is_one_line_in_any_language_and_smuggles_nothing_in(
    notifier: Notifier, systemd: Listener
) -> None:
    notifier.status("Tür offen … 門\nREADY=1\nMAINPID=1")
    assert systemd.heard() == {"STATUS": "Tür offen … 門 READY=1 MAINPID=1"}
    notifier.status("x" * 100_000)
    assert len(systemd.heard()["STATUS"]) <= 500


def test_without_systemd_nothing_happens(
    notifier: Notifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier.ready("up")
    notifier.watchdog()
    notifier.stopping()
    assert notifier.lost == 0


def test_a_systemd_that_does_not_read_is_not_waited_for_and_hears_ready_in_the_end(
    notifier: Notifier, systemd: Listener
) -> None:
    while not notifier.lost:
        notifier.watchdog()
    notifier.ready("up")
    assert notifier.lost == 2
    systemd.heard()
    notifier.watchdog()
    heard = systemd.heard()
    while "READY" not in heard:
        heard = systemd.heard()
    assert heard == {"READY": "1", "WATCHDOG": "1"}


def test_a_systemd_that_made_its_socket_anew_is_found_again(
    notifier: Notifier, systemd: Listener, tmp_path: Path
) -> None:
    notifier.watchdog()
    systemd.close()
    (tmp_path / "notify").unlink()
    again = Listener(str(tmp_path / "notify"))
    notifier.watchdog()
    assert notifier.lost == 1
    notifier.watchdog()
    assert again.heard() == {"WATCHDOG": "1"}
    again.close()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "18446744073709551615"}, None),
        ({"WATCHDOG_USEC": "9" * 400}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "me"}, None),
    ],
)
def test_the_watchdog_s_limit_is_in_seconds_if_it_is_meant_for_us(
    notifier: Notifier,
    environment: dict[str, str],
    expected: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert notifier.watchdog_seconds() == expected
