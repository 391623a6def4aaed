"""Child processes that do not outlive their parent, however it ends.

setpriv (util-linux) asks the kernel to kill the child when the thread that started it is gone.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Final

READY_SECONDS: Final = 20.0
GONE_SECONDS: Final = 5.0
TAIL: Final = 2_000


class StartError(RuntimeError):
    """A child did not come up. The text says which, what it said, and what to do."""


class Child:
    """One process that serves. It prints one line when it is ready; its errors go to `log`."""

    def __init__(self, package: str, log: Path) -> None:
        self._package = package  # what to install when the program is missing
        self._process: Process | None = None
        self.log = log

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and running else None

    async def start(self, *command: str, env: Mapping[str, str] | None = None) -> None:
        """Start `command` and wait for its first line. Raises StartError."""
        for program in ("setpriv", command[0]):
            if shutil.which(program) is None:
                package = "util-linux" if program == "setpriv" else self._package
                raise StartError(f"{program} is not installed. Remedy: apt install {package}")
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "--", *command),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=log,
                env=env,
                start_new_session=True,  # a Ctrl-C in the terminal is for the parent alone
            )
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), READY_SECONDS)
        except TimeoutError:
            line = b""
        if not line:
            await self.stop(signal.SIGKILL)
            raise StartError(f"{command[0]} did not become ready; it said: {self.said()}")

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process and wait for it: `how` first, SIGKILL when that does not do."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.send_signal(how)
        try:
            await asyncio.wait_for(process.wait(), GONE_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

    def said(self) -> str:
        """The end of what it wrote to its log."""
        return self.log.read_text(errors="replace")[-TAIL:] if self.log.exists() else ""
