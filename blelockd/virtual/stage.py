"""A whole system on one machine: hosts on a virtual air, a broker, keys, and real daemons.

The demo, the stories and the benches play on it. Every daemon is a process of its own, started
through its command, and tells its events as JSON lines, which are kept and can be waited for.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from blelockd.adapters import keyring
from blelockd.adapters.keyring import GSK, IEK, ISK, LEK, LSK
from blelockd.virtual.broker import Broker, Terms, running_broker
from blelockd.virtual.host import Host
from blelockd.virtual.hosts import VirtualAir
from blelockd.virtual.scratch import scratch

LOCK_ID: Final = "lock_01"
GONE_SECONDS: Final = 10.0
LONGEST_LINE_BYTES: Final = 1 << 20

Settings = Mapping[str, Any]
_OF_VERSION_1: Final[Mapping[str, Settings]] = {
    "issuer": {"locks": {LOCK_ID: None}},
    "lock": {"slot_seconds": 3},
    "guest": {"issuer": {"public_key": "issuer.pub"}},
}
_GENEROUS: Final = {
    "requests_per_second": 100,
    "burst": 100,
    "requests_per_guest_per_minute": 600,
    "requests_per_guest_per_hour": 6000,
}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told:
    """One event as a daemon told it."""

    kind: str
    message: str
    fields: Mapping[str, Any]
    at: float
    """When it was read, in seconds of the event loop's clock."""


class NotTold(AssertionError):
    """An event did not come in time; the text has what came instead."""


class DaemonProcess:
    """One daemon: started, killed, started again; its events since the first start."""

    def __init__(self, role: str, host: Host, config: Path) -> None:
        self.role = role
        self.host = host
        self.config = config
        self.log = config.with_suffix(".log")
        self.words: Sequence[str] = ()  # in place of its command
        self.events: list[Told] = []
        self.unparsed: list[str] = []
        self.on_event: Callable[[DaemonProcess, Told], None] = lambda _daemon, _told: None
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()

    @property
    def pid(self) -> int:
        """The process id; raises RuntimeError when it does not run."""
        if self._process is None or not self.is_running:
            raise RuntimeError(f"blelock-{self.role} does not run")
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._process is None else self._process.returncode

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self, **environment: str) -> None:
        """Start the daemon through its command."""
        self._process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", "--", *(self.words or (command(self.role),))),
            *("run", "--config", str(self.config), "--log", "json"),
            env={**self.host.environment(), "PYTHONUNBUFFERED": "1", **environment},
            stdin=DEVNULL,
            stderr=PIPE,
            start_new_session=True,
            limit=LONGEST_LINE_BYTES,
        )
        self._reader = asyncio.create_task(self._read(self._process))

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit status; SIGKILL if it does not end in time."""
        process = self._process
        if process is None:
            raise RuntimeError(f"blelock-{self.role} was never started")
        if process.returncode is None:
            process.send_signal(how)
        try:
            status = await asyncio.wait_for(process.wait(), GONE_SECONDS)
        except TimeoutError:
            process.kill()
            status = await process.wait()
        if self._reader is not None:
            await self._reader
        return status

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, such as SIGHUP."""
        os.kill(self.pid, number)

    async def told(
        self, kind: str, timeout_seconds: float = 20.0, *, since: int = 0, **fields: Any
    ) -> Told:
        """The first event of that kind and those fields, from number `since` on.

        Waits for it; raises NotTold when it does not come in time.
        """

        def first(events: Sequence[Told]) -> Told | None:
            return next((e for e in events if _is(e, kind, fields)), None)

        return await self.until(first, timeout_seconds, f"{kind} {fields or ''}", since=since)

    async def until(
        self,
        find: Callable[[Sequence[Told]], T | None],
        timeout_seconds: float,
        wanted: str,
        *,
        since: int = 0,
    ) -> T:
        """What `find` finds in the events from number `since` on, as soon as it is not None.

        Waits for it; raises NotTold, which names what was `wanted`, when it does not come in time.
        """

        def found() -> bool:
            return find(self.events[since:]) is not None

        async with self._news:
            try:
                async with asyncio.timeout(timeout_seconds):  # wait_for may miss a cancellation
                    await self._news.wait_for(found)
            except TimeoutError:
                raise NotTold(self._instead(wanted)) from None
        result = find(self.events[since:])
        assert result is not None
        return result

    def _instead(self, wanted: str) -> str:
        told = "\n".join(f"  {e.kind}: {e.message}" for e in self.events[-12:])
        said = "\n".join(f"  {line}" for line in self.unparsed[-12:])
        return f"blelock-{self.role} did not tell {wanted}, but:\n{told}\n{said}"

    async def _read(self, process: Process) -> None:
        assert process.stderr is not None
        with self.log.open("ab", buffering=0) as log:
            async for raw in process.stderr:
                log.write(raw)
                await self._take(raw.decode(errors="replace").rstrip("\n"))

    async def _take(self, line: str) -> None:
        try:
            event = json.loads(line)
            now = asyncio.get_running_loop().time()
            told = Told(event["event"], event["message"], event["fields"], now)
        except (ValueError, KeyError, TypeError):
            self.unparsed.append(line)
            return
        async with self._news:
            self.events.append(told)
            self._news.notify_all()
        self.on_event(self, told)


def _is(event: Told, kind: str, fields: Settings) -> bool:
    return event.kind == kind and all(event.fields.get(k) == v for k, v in fields.items())


async def _in_threads(*work: Callable[[], T]) -> list[T]:
    """What each comes to; a thread that still writes when this is cancelled is waited for."""
    working = asyncio.gather(*map(asyncio.to_thread, work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await working
        raise


def command(role: str) -> str:
    """The command of a role: where BLELOCK_COMMANDS says, as the package of the demo does, else
    beside the Python that runs this, or on the path.
    """
    name = f"blelock-{role}"
    beside = Path(os.environ.get("BLELOCK_COMMANDS") or Path(sys.executable).parent) / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is not installed: pip install -e . (make demo does that)")
    return found


@dataclass(slots=True)
class Stage:
    """The scenery: directories, keys, air and broker. Made by `stage()`."""

    directory: Path
    air: VirtualAir
    broker: Broker
    daemons: list[DaemonProcess] = field(default_factory=list)

    def keys(self, role: str) -> Path:
        """That role's keys directory."""
        return self.directory / role / "keys"

    async def make_keys(self, bits: int = 2048, guests: Sequence[str] = ("guest",)) -> None:
        """Generate the key of each party and give each the public keys that it must know."""
        names = {"issuer": "issuer.pem", LOCK_ID: "lock.pem", **dict.fromkeys(guests, "guest.pem")}
        making = (partial(keyring.generate, self.keys(p) / name, bits) for p, name in names.items())
        issuer, lock, *_ = await _in_threads(*making)
        keyring.import_public(lock, self.keys("issuer") / "locks" / f"{LOCK_ID}.pub")
        for party in (LOCK_ID, *guests):
            keyring.import_public(issuer, self.keys(party) / "issuer.pub")

    async def make_own_keys(self, guests: Sequence[str] = ("guest",), bits: int = 2048) -> None:
        """What installing does on each machine: its own keys, those of version 1 of so many bits;
        nobody knows another's yet.
        """
        version_2 = {"issuer": (ISK, IEK), LOCK_ID: (LEK, LSK), **dict.fromkeys(guests, (GSK,))}
        version_1 = {"issuer": "issuer.pem", LOCK_ID: "lock.pem"}
        of_2 = (partial(key.make, self.keys(p)) for p, own in version_2.items() for key in own)
        of_1 = (partial(keyring.generate, self.keys(p) / n, bits) for p, n in version_1.items())
        await _in_threads(*of_2, *of_1)

    def settings(self, role: str, *, compat_v1: bool = False) -> dict[str, Any]:
        """A working configuration of that role here, to be changed as the play wants."""
        keys = self.keys(LOCK_ID if role == "lock" else role)
        common = {"compat_v1": compat_v1, "journal": {"summary_seconds": 1}}
        own = {**common, "keys_directory": str(keys), **self._own_settings(role)}
        return {**own, **_OF_VERSION_1[role]} if compat_v1 else own

    def _own_settings(self, role: str) -> dict[str, Any]:
        mqtt = {"host": self.broker.host, "port": self.broker.port}
        state = {"state_directory": str(self.directory / role / "state")}
        if role == "issuer":
            return {"mqtt": mqtt, "limits": dict(_GENEROUS), **state}
        if role == "lock":
            return {"mqtt": mqtt, "lock_id": LOCK_ID, **state}
        return {"locks": [LOCK_ID], "retry": {"first_seconds": 0.5, "longest_seconds": 3}}

    def daemon(self, role: str, host: Host, settings: Settings | None = None) -> DaemonProcess:
        """A daemon of that role on `host`, not yet started."""
        number = len(self.daemons)
        config = self.directory / f"{role}-{number}.yaml"
        config.write_text(yaml.safe_dump(dict(settings or self.settings(role)), sort_keys=False))
        process = DaemonProcess(role, host, config)
        self.daemons.append(process)
        return process

    async def strike_set(self) -> None:
        """End every daemon that still runs."""
        for daemon in self.daemons:
            if daemon.returncode is None:
                try:
                    await daemon.stop()
                except RuntimeError:
                    continue  # it was never started


@asynccontextmanager
async def stage(terms: Terms | None = None) -> AsyncIterator[Stage]:
    """A stage with air and broker, without hosts yet; all of it is gone at the end."""
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(scratch())
        air = await stack.enter_async_context(VirtualAir())
        broker = stack.enter_context(running_broker(terms))
        scenery = Stage(directory, air, broker)
        stack.push_async_callback(scenery.strike_set)
        yield scenery
