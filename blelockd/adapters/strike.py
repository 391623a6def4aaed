"""The strike: what an admitted guest sets in motion. Refusing is over by now: only an Admit comes.

A command gets the facts in its environment and nothing else of ours: no shell, no input, no
secret, no file. It ends within its time limit, or it and all its children are ended. Only by a
status of its own can it say that the door did not open: where a signal ended it, it may have.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from blelockd.adapters.journal.record import clean
from blelockd.adapters.place import PlaceUnsafe, check_place, is_ours
from blelockd.protocol.ids import LockId
from blelockd.protocol.verdict import Admit
from blelockd.services.ports import StrikeFailed

OUTPUT_BYTES: Final = 1024  # of a command's output, its end, goes into the error
GRACE_SECONDS: Final = 1.0  # between SIGTERM and SIGKILL

_FIRST_LINE_BYTES: Final = 256  # as many as Linux looks at, execve(2)
_OF_KERNEL: Final = ("proc", "sys")

_CLEAN_ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}


class LogStrike:
    """ports.Strike without a door: what it would do is in the journal already."""

    async def release(self, admit: Admit) -> None:
        """Nothing moves."""

    async def secure(self) -> None:
        """Nothing moves."""


def check_command(argv: Sequence[str]) -> None:
    """Raises StrikeFailed, with the remedy, if `argv` could not be run now or by anybody safely.

    What is run is more than the program: a file that an argument names by its absolute path may be
    a script, and the `#!` line of a script names what runs it. Nobody else may change those either.
    """
    if not argv:
        raise StrikeFailed("the strike has no command; give a program and its arguments")
    path = Path(argv[0])
    if not path.is_absolute():
        raise StrikeFailed(f"{path} is not an absolute path; write it from / on")
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise StrikeFailed(f"{path} is not a program; give the path of one")
        if not os.access(path, os.X_OK):
            raise StrikeFailed(f"{path} may not be executed; chmod +x {path}")
    except OSError as error:
        raise _cannot_be_run(path, error) from error
    _check_files(argv)


def _check_files(argv: Sequence[str]) -> None:
    waiting, seen = [*reversed(argv)], set[Path]()
    while waiting:
        path = Path(waiting.pop())
        if path in seen or not _is_on_disk(path):
            continue
        seen.add(path)
        try:
            _check_changeable(path, path.stat())
            check_place(path)
            waiting += reversed(_named_by_first_line(path))
        except PlaceUnsafe as unsafe:
            raise StrikeFailed(f"{path}: {unsafe}") from unsafe
        except OSError as error:
            raise _cannot_be_run(error.filename or path, error) from error


def _is_on_disk(path: Path) -> bool:
    """Whether it is an absolute path of a file. A device is none, nor is a pin in /sys, which may
    well be a group's: what is written there is a command, and not a program for us.
    """
    if not path.is_absolute() or not os.path.isfile(path):
        return False
    return path.resolve().parts[1] not in _OF_KERNEL


def _named_by_first_line(path: Path) -> list[str]:
    """Of a script: what runs it, and what that is given before the script. Raises OSError where
    there is no such program.
    """
    try:
        with path.open("rb") as file:
            line = file.read(_FIRST_LINE_BYTES).partition(b"\n")[0].partition(b"\0")[0]
    except PermissionError:
        return []  # nor could what runs it read it
    words = os.fsdecode(line[2:]).split() if line.startswith(b"#!") else []
    if not words:
        return []
    interpreter = Path("/", words[0])  # we start it in /
    interpreter.stat()
    return [str(interpreter), *words[1:]]


def _cannot_be_run(path: Path | str, error: OSError) -> StrikeFailed:
    return StrikeFailed(f"{path} cannot be run ({error.strerror}); install it or correct the path")


def _check_changeable(path: Path, status: os.stat_result) -> None:
    """Who writes it opens the door: it is root's or this user's, and nobody else's."""
    if not is_ours(status):
        raise StrikeFailed(f"user {status.st_uid} may change {path}; chown root {path}")
    if status.st_mode & stat.S_IWOTH:
        raise StrikeFailed(f"anybody may change {path}; chmod go-w {path}")
    if status.st_mode & stat.S_IWGRP:
        raise StrikeFailed(f"group {status.st_gid} may change {path}; chmod g-w {path}")


class CommandStrike:
    """ports.Strike that runs `argv` to release and, where given, `secure_argv` to secure.

    The programs find BLELOCK_ACTION (release or secure) and BLELOCK_LOCK in their environment;
    on release also BLELOCK_SESSION, BLELOCK_SLOT, BLELOCK_RSSI_DBM and BLELOCK_ADDRESS.
    """

    def __init__(
        self,
        lock_id: LockId,
        argv: Sequence[str],
        secure_argv: Sequence[str] | None = None,
        *,
        time_limit_seconds: float = 5.0,
    ) -> None:
        self._lock_id = lock_id
        self._argv = tuple(argv)
        self._secure_argv = tuple(secure_argv or ())
        self._time_limit_seconds = time_limit_seconds

    async def release(self, admit: Admit) -> None:
        """Run the program; raises StrikeFailed unless it ends with status 0 in time.

        The door may have opened where the program was started and did not end by itself.
        """
        facts = {
            "BLELOCK_SESSION": str(admit.session_id),
            "BLELOCK_SLOT": str(admit.slot),
            "BLELOCK_RSSI_DBM": str(admit.rssi_dbm),
            "BLELOCK_ADDRESS": clean(admit.address),
        }
        await self._run(self._argv, "release", facts)

    async def secure(self) -> None:
        """Run the program for it, if there is one; raises StrikeFailed as release() does."""
        if self._secure_argv:
            await self._run(self._secure_argv, "secure", {})

    async def _run(self, argv: tuple[str, ...], action: str, facts: Mapping[str, str]) -> None:
        environment = {
            **_CLEAN_ENVIRONMENT,
            "BLELOCK_ACTION": action,
            "BLELOCK_LOCK": str(self._lock_id),
            **facts,
        }
        with _OutputEnd() as output:
            status = await self._status_of(await _start(argv, environment, output), argv[0])
            if status:
                how = f"status {status}" if status > 0 else f"signal {-status}"
                raise StrikeFailed(
                    f"{argv[0]} ended with {how}{output.said()}", may_have_opened=status < 0
                )

    async def _status_of(self, process: Process, name: str) -> int:
        try:
            async with asyncio.timeout(self._time_limit_seconds):
                return await process.wait()
        except TimeoutError:
            limit = f"{self._time_limit_seconds:g} s"
            how = "was killed" if await _end_group(process) else "runs on, as another user"
            raise StrikeFailed(
                f"{name} took longer than {limit} and {how}", may_have_opened=True
            ) from None
        except BaseException:
            await _end_group(process)
            raise


async def _start(
    argv: tuple[str, ...], environment: Mapping[str, str], output: _OutputEnd
) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=DEVNULL,
            stdout=output.for_child,
            stderr=output.for_child,
            env=environment,
            cwd="/",
            start_new_session=True,  # a group of its own, to be ended as a whole
        )
    except OSError as error:
        raise StrikeFailed(
            f"{argv[0]} cannot be run ({error.strerror}); see check-config"
        ) from error
    finally:
        output.close_child_end()


async def _end_group(process: Process) -> bool:
    """SIGTERM, then SIGKILL, to the process and its children; returns when it is gone. False where
    we may not: a program that became another user, as sudo does.
    """
    if process.returncode is not None:
        return True
    gone = asyncio.ensure_future(process.wait())
    try:
        _signal_group(process.pid, signal.SIGTERM)
        await asyncio.wait([gone], timeout=GRACE_SECONDS)
    finally:  # also for children that SIGTERM did not end
        is_ours = _signal_group(process.pid, signal.SIGKILL)
    if is_ours:
        await gone
    gone.cancel()
    return is_ours


def _signal_group(group: int, number: signal.Signals) -> bool:
    """False where nobody of it may be signalled by us."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass  # nobody is left
    except PermissionError:
        return False
    return True


class _OutputEnd:
    """A pipe for a command's output, of which only the last OUTPUT_BYTES are kept.

    Our own, not asyncio's: a child of the command that keeps it open must not keep us waiting.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._kept = b""
        self._for_us, self.for_child = os.pipe()
        os.set_blocking(self._for_us, False)
        self._loop.add_reader(self._for_us, self._read)

    def __enter__(self) -> _OutputEnd:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_child_end()
        self._loop.remove_reader(self._for_us)
        os.close(self._for_us)

    def close_child_end(self) -> None:
        """The command has it now."""
        if self.for_child >= 0:
            os.close(self.for_child)
            self.for_child = -1

    def said(self) -> str:
        """The end of the output, as the end of a sentence."""
        self._read()
        text = clean(self._kept.decode("utf-8", "replace"), 2 * OUTPUT_BYTES).strip()
        return f": {text}" if text else ""

    def _read(self) -> None:
        try:
            chunk = os.read(self._for_us, 65_536)
        except BlockingIOError:
            return
        if not chunk:
            self._loop.remove_reader(self._for_us)
        self._kept = (self._kept + chunk)[-OUTPUT_BYTES:]
