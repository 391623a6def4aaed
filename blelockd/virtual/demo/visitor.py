"""A second phone, used by hand: `blelock-guest unlock`, with every step that it tells."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from blelockd.virtual.demo.cast import Cast
from blelockd.virtual.stage import LOCK_ID, command

SHOWN_SECONDS: Final = 60
GONE_SECONDS: Final = 5.0


class Visitor:
    """One run of the command. Made by `visiting()`."""

    def __init__(self, process: Process, on_line: Callable[[str], None]) -> None:
        self._process = process
        self._on_line = on_line
        self._news = asyncio.Condition()
        self.said: list[tuple[float, str]] = []
        """When (event loop) and what."""

    async def listen(self) -> None:
        """Take in what it says, until it has nothing more to say."""
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = raw.decode(errors="replace").strip()
            async with self._news:
                self.said.append((asyncio.get_running_loop().time(), line))
                self._news.notify_all()
            self._on_line(line.partition(" s  ")[2] or line)

    async def says(self, part: str, seconds: float) -> float:
        """When it said a line with that part. Raises TimeoutError."""

        def found() -> float | None:
            return next((at for at, line in self.said if part in line), None)

        async with self._news, asyncio.timeout(seconds):
            await self._news.wait_for(lambda: found() is not None)
        at = found()
        assert at is not None
        return at


@asynccontextmanager
async def visiting(cast: Cast, on_line: Callable[[str], None]) -> AsyncIterator[Visitor]:
    """A visitor who asks for a session and shows its tokens; gone at the end."""
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *(command("guest"), "unlock", LOCK_ID, "--config", str(cast.visitor)),
        *("--seconds", str(SHOWN_SECONDS)),
        env=cast.stage.air.hosts["visitor"].environment(),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
    )
    visitor = Visitor(process, on_line)
    listening = asyncio.create_task(visitor.listen())
    try:
        yield visitor
    finally:
        await _end(process)
        listening.cancel()
        await asyncio.wait({listening})


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), GONE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
