"""A real mosquitto of one's own, on a free loopback port, to be killed, stopped and brought back.

It dies with the process that started it, and its directory goes with it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from blelockd.virtual.scratch import scratch

_READY_SECONDS: Final = 10.0
_PORT_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms the broker serves.

    `passwords` by user name; none means that anybody may connect. `access` is the text of an
    access list (mosquitto.conf(5), acl_file). `extra` are further lines of configuration.
    """

    passwords: Mapping[str, str] = field(default_factory=dict)
    access: str = ""
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    client_certificate_required: bool = False
    persistence: bool = False
    extra: str = ""


class Broker:
    """One mosquitto; keeps its port and, with persistence, its memory from start to start."""

    host: Final = "127.0.0.1"

    def __init__(self, directory: Path, terms: Terms) -> None:
        self.directory = directory
        self.terms = terms
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running broker."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it has logged so far."""
        return (self.directory / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start, and return when it accepts connections."""
        if self.port:
            self._launch()
            return
        for left in reversed(range(_PORT_TRIES)):
            self.port = _free_port()
            try:
                self._launch()
                return
            except RuntimeError:  # somebody else may have taken the port in between
                if not left:
                    raise

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to end (it saves what it has to), and wait until it is gone."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Let it stop answering, its connections left open."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        if how != signal.SIGKILL:
            process.send_signal(signal.SIGCONT)  # it may be paused
        try:
            process.wait(_READY_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _launch(self) -> None:
        (self.directory / "conf").write_text(self._configuration())
        with open(self.directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", _mosquitto(), "-c", "conf", "-v"],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        give_up = time.monotonic() + _READY_SECONDS
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > give_up:
                self.kill()
                raise RuntimeError(f"mosquitto did not start:\n{self.log}")
            time.sleep(0.01)

    def _accepts(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=1.0):
                return True
        except OSError:
            return False

    def _configuration(self) -> str:
        terms = self.terms
        lines = [
            "user root",  # else it changes its user id, and would outlive us
            f"listener {self.port} {self.host}",
            f"persistence {str(terms.persistence).lower()}",
            f"persistence_location {self.directory}/",
            f"allow_anonymous {str(not terms.passwords).lower()}",
        ]
        if terms.passwords:
            self._write_passwords()
            lines.append(f"password_file {self.directory / 'passwords'}")
        if terms.access:
            _private(self.directory / "access").write_text(terms.access)
            lines.append(f"acl_file {self.directory / 'access'}")
        if terms.certificate_file is not None:
            lines += [
                f"cafile {terms.ca_file}",
                f"certfile {terms.certificate_file}",
                f"keyfile {terms.key_file}",
                f"require_certificate {str(terms.client_certificate_required).lower()}",
            ]
        return "\n".join([*lines, terms.extra, ""])

    def _write_passwords(self) -> None:
        file = _private(self.directory / "passwords")
        file.write_text("".join(f"{n}:{p}\n" for n, p in self.terms.passwords.items()))
        subprocess.run(["mosquitto_passwd", "-U", file], check=True, capture_output=True)


@contextmanager
def running_broker(terms: Terms | None = None) -> Iterator[Broker]:
    """A broker that accepts connections; gone with its directory at the end."""
    with scratch() as directory:
        broker = Broker(directory, terms or Terms())
        broker.start()
        try:
            yield broker
        finally:
            broker.kill()


def _mosquitto() -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"  # not on a user's path
    found = shutil.which("mosquitto", path=path)
    assert found is not None, "mosquitto is not installed: apt install mosquitto"
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((Broker.host, 0))
        return int(probe.getsockname()[1])


def _private(path: Path) -> Path:
    path.touch(mode=0o600)
    return path
