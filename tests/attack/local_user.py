"""100 sessions are issued while another user of the machine looks: they see no byte of a key.

Real daemons and commands on the virtual air. The directory that they live in is open to all, so
that nothing but their own care protects what is in there; the user may connect to every bus.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from blelockd.adapters.store import Store
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import Instant
from blelockd.virtual import typed
from blelockd.virtual.scratch import scratch
from blelockd.virtual.stage import LOCK_ID
from tests.attack.attacks import Attack, Effort, Outcome
from tests.checkout import ROOT
from tests.stories.whole_house import WholeHouse, whole_house

_LOOKS_SECONDS: Final = 60.0
_WINDOW_BYTES: Final = 8
"""So many bytes of a key in a row are no accident."""
_LINE_BYTES: Final = 64
_CANARY: Final = bytes(range(100, 132))


@dataclass(slots=True)
class Sight:
    """What the user saw."""

    counts: dict[str, int] = field(default_factory=dict)
    seen: bytes = b""


def forms_of(key: bytes) -> Iterator[bytes]:
    """Every form in which a piece of a key may lie about: raw, hex, decimal, base64."""
    for at in range(0, len(key), _WINDOW_BYTES):
        piece = key[at : at + _WINDOW_BYTES]
        yield piece
        yield piece.hex().encode()
        yield piece.hex().upper().encode()
        yield ", ".join(map(str, piece)).encode()
        yield ",".join(map(str, piece)).encode()
    for shift in range(3):  # wherever it begins in what was encoded
        whole = base64.b64encode(key[shift : shift + 24])
        yield whole
        yield whole.replace(b"+", b"-").replace(b"/", b"_")


def found(keys: Iterable[bytes], seen: bytes) -> int:
    """Of how many keys a piece was seen, in whatever form."""
    return sum(any(form in seen for form in forms_of(key)) for key in keys)


@asynccontextmanager
async def looked_at(house: WholeHouse) -> AsyncIterator[Sight]:
    """Somebody looks as long as the context lasts; then what they saw is there."""
    buses = [host.bus_address for host in house.hosts.values()]
    places = [house.stage.directory, *{Path(bus.partition("=")[2]).parent for bus in buses}]
    for place in places:
        place.chmod(0o755)
    sight = Sight()
    with scratch() as hidden:
        out = hidden / "seen"
        spy = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.attack.spy", str(out), str(house.stage.directory)),
            *buses,
            cwd=ROOT,
            stdin=PIPE,
            stdout=PIPE,
        )
        try:
            assert spy.stdout is not None
            assert await spy.stdout.readline() == b"ready\n"
            yield sight
            sight.counts = await _counts(spy)
            sight.seen = out.read_bytes()
        finally:
            if spy.returncode is None:
                spy.kill()
                await spy.wait()


async def _counts(spy: Process) -> dict[str, int]:
    told, _ = await asyncio.wait_for(spy.communicate(b"enough"), _LOOKS_SECONDS)
    counts: dict[str, int] = json.loads(told)
    return counts


def session_keys(house: WholeHouse) -> set[bytes]:
    """The keys of the sessions that live now, from the issuer's own store."""
    store = Store(house.stage.directory / "issuer" / "state")
    try:
        live = store.sessions.live(LockId(LOCK_ID), Instant(int(time.time() * 1000)))
        return {session.session_key.reveal() for session in live}
    finally:
        store.close()


def lines_of_private_keys(house: WholeHouse) -> set[bytes]:
    """Of every private key on the stage, but for those lines that all keys share."""
    return {
        line
        for file in house.stage.directory.rglob("*.pem")
        for line in file.read_bytes().splitlines()[2:-2]
        if len(line) == _LINE_BYTES
    }


def lines_found(lines: Iterable[bytes], seen: bytes) -> int:
    """How many of these lines of PEM were seen, as they are or as the bytes that they stand for."""
    raw = [(line, base64.b64decode(line)[:16]) for line in lines]
    return sum(line in seen or piece in seen for line, piece in raw)


async def _issue(issues: int) -> Outcome:
    async with whole_house(_CHATTY) as house:
        await house.enrol("--locks", LOCK_ID, "--valid", "1d")
        keys: set[bytes] = set()
        async with looked_at(house) as sight:
            (house.stage.directory / "canary").write_bytes(_CANARY)
            for _ in range(issues):
                await typed.type_in(
                    *("guest", "unlock", LOCK_ID, "--seconds", "0.1"),
                    *("--config", house.guest.config),
                    host=house.hosts["guest"],
                )
                keys |= session_keys(house)
        _check_the_spy(sight, len(house.hosts))
        if len(keys) < issues:
            raise AssertionError(f"{issues} sessions were issued, and {len(keys)} keys are known")
        lines = lines_of_private_keys(house)
        if not lines:
            raise AssertionError("there is no private key on the stage")
        return Outcome(issues, found(keys, sight.seen) + lines_found(lines, sight.seen))


_CHATTY: Final = {
    role: {"journal": {"level": "debug", "summary_seconds": 1}}
    for role in ("issuer", "lock", "guest")
}


def _check_the_spy(sight: Sight, buses: int) -> None:
    """One who sees nothing finds nothing: this one has seen what is for all to see."""
    heard = [sight.counts.get(f"bytes of bus {number}", 0) for number in range(buses)]
    if not (all(heard) and b"PropertiesChanged" in sight.seen):
        raise AssertionError(f"the user has heard nothing on a bus: {sight.counts}")
    if found([_CANARY], sight.seen) != 1 or b"blelock-issuer" not in sight.seen:
        raise AssertionError(f"the user has seen no file or process: {sight.counts}")
    if not (sight.counts["directory denied"] and sight.counts["proc denied"]):
        raise AssertionError(f"nothing was denied: is the user root? {sight.counts}")


def issued_under_their_eyes(effort: Effort) -> Outcome:
    """How many keys of the sessions, and of the daemons, were seen."""
    if os.geteuid() != 0:
        raise PermissionError("only root can become another user: run this as root")
    return asyncio.run(_issue(effort.of(100, 3)))


ATTACKS: Final = [
    Attack("another local user", "D-Bus, journal, /proc, disk: 100 issues", issued_under_their_eyes)
]
