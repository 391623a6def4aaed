"""A phone used by hand: `blelock-guest unlock`, with every step that it tells."""

from __future__ import annotations

import asyncio
import re
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from blelockd.virtual.demo.at_the_door import NEAR_METRES
from blelockd.virtual.demo.cast import Cast, Visit
from blelockd.virtual.demo.play import Latency, Play, Stumble
from blelockd.virtual.stage import LOCK_ID, command

SHOWN_SECONDS: Final = 60
GONE_SECONDS: Final = 5.0
VISIT_SECONDS: Final = 10.0
_OBTAINED: Final = re.compile(r"session ([0-9a-f]{32}) obtained")


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

    def session(self) -> str:
        """The session that it has said it obtained."""
        lines = (_OBTAINED.search(line) for _, line in self.said)
        return next(found[1] for found in lines if found)

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
async def visiting(
    cast: Cast, on_line: Callable[[str], None], machine: str = "visitor"
) -> AsyncIterator[Visitor]:
    """A visitor who asks for a session and shows its tokens; gone at the end."""
    at = cast.machines[machine]
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *(command(at.role), "unlock", LOCK_ID, "--config", str(at.config)),
        *("--seconds", str(SHOWN_SECONDS)),
        env=cast.stage.air.hosts[at.host].environment(),
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


async def visit(play: Play, machine: str = "visitor") -> tuple[Latency, ...]:
    """The visitor gets a session, comes to the door, is let in, and goes away again.

    It is the cast's last visit then. The phone shows its tokens until the cast's backstage is
    closed, or its session is over.
    """
    cast = play.cast
    play.act("visitor", f"blelock-guest unlock {LOCK_ID}")
    visitor = await cast.backstage.enter_async_context(
        visiting(cast, lambda line: play.narrator.line("visitor", line), machine)
    )
    try:
        asked = await visitor.says("asking", VISIT_SECONDS)
        play.walk("visitor", NEAR_METRES)
        obtained = await visitor.says("obtained", VISIT_SECONDS)
        session = visitor.session()
    except TimeoutError:
        said = "; ".join(line for _, line in visitor.said) or "nothing"
        raise Stumble("the visitor to obtain a session", f"it said {said}") from None
    expected = "the session to reach the lock"
    received = await play.told(cast.lock, "session-received", expected, session=session)
    unlock = await play.opens(session, "the door to open for the visitor")
    play.leave("visitor")
    shown_at = next(each.at for each in cast.recorder.of("visitor") if each.at > asked)
    cast.last_visit = Visit(session, int(received.fields["not_after"]) + 1)
    return (
        Latency("request to session", obtained - asked),
        Latency("token to unlock", unlock.at - shown_at),
        Latency("request to strike", unlock.at - asked),
    )
