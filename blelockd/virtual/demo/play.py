"""The rules of the play: a scene ends as it should, or it stumbles over what came instead.

What ought to happen is always checked on the daemons' own structured events. Every unlock must
have been expected by a scene: one too many spoils the play, whenever it comes.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from blelockd.virtual.demo.cast import FAR_METRES, REARM_SECONDS, Cast
from blelockd.virtual.demo.narrator import Narrator, in_short
from blelockd.virtual.stage import DaemonProcess, NotTold, Told

PATIENCE_SECONDS: Final = 8.0
MOST_SHOWN: Final = 12
T = TypeVar("T")


class Stumble(Exception):
    """A scene did not end as it should."""

    def __init__(self, expected: str, instead: str) -> None:
        super().__init__(f"expected {expected}; instead {instead}")
        self.expected = expected
        self.instead = instead


@dataclass(frozen=True, slots=True)
class Latency:
    """What was measured: from one thing to another."""

    what: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scene, in a short sentence."""

    came: str
    latencies: tuple[Latency, ...] = ()


class Play:
    """What a scene works with: the cast, the narrator, and what must and must not happen."""

    def __init__(self, cast: Cast, narrator: Narrator) -> None:
        self.cast = cast
        self.narrator = narrator
        self.unlocks_expected = 0
        self._marks: dict[DaemonProcess, int] = {}
        self._left: dict[str, float] = {}
        self.mark()
        for daemon in cast.daemons:
            daemon.on_event = lambda daemon, told: narrator.heard(daemon.role, told)

    def now(self) -> float:
        """The event loop's clock, which events are stamped with."""
        return asyncio.get_running_loop().time()

    def mark(self) -> None:
        """A scene begins: what was told before does not count."""
        self._marks = {daemon: len(daemon.events) for daemon in self.cast.daemons}

    def act(self, who: str, text: str) -> None:
        """Tell what somebody does."""
        self.narrator.act(who, text)

    def walk(self, who: str, metres: float) -> int:
        """Put a phone at that distance from the door, and tell; returns the dBm there."""
        rssi_dbm = self.cast.stand(who, metres)
        self.act(who, f"is {metres:g} m from the door: {rssi_dbm} dBm there")
        return rssi_dbm

    def leave(self, who: str) -> None:
        """Take a phone out of the lock's hearing."""
        self.cast.stand(who, FAR_METRES)
        self._left[who] = self.now()
        self.act(who, "goes away")

    async def rearmed(self, who: str) -> None:
        """Wait until the door would open again for a phone that has left."""
        left = self._left.get(who, -math.inf) + REARM_SECONDS - self.now()
        if left > 0:
            self.act("demo", f"waits {left:.1f} s, until the door would open for it again")
            await asyncio.sleep(left)

    # --- what must happen ----------------------------------------------------------------------

    async def told(
        self,
        daemon: DaemonProcess,
        kind: str,
        expected: str,
        seconds: float = PATIENCE_SECONDS,
        **fields: object,
    ) -> Told:
        """The first event of that kind and those fields in this scene. Raises Stumble."""

        def first(events: Sequence[Told]) -> Told | None:
            return next((e for e in events if e.kind == kind and _has(e, fields)), None)

        return await self.until(daemon, first, expected, seconds)

    async def up(self, daemon: DaemonProcess, part: str, seconds: float = PATIENCE_SECONDS) -> Told:
        """That part of the daemon comes up in this scene, or comes back. Raises Stumble."""

        def first(events: Sequence[Told]) -> Told | None:
            kinds = ("link-up", "link-regained")
            return next((e for e in events if e.kind in kinds and _has(e, {"part": part})), None)

        expected = f"the {part} of blelock-{daemon.role} to be up"
        return await self.until(daemon, first, expected, seconds)

    async def until(
        self,
        daemon: DaemonProcess,
        find: Callable[[Sequence[Told]], T | None],
        expected: str,
        seconds: float = PATIENCE_SECONDS,
    ) -> T:
        """What `find` finds in this scene's events, once there is something. Raises Stumble."""
        try:
            return await daemon.until(find, seconds, expected, since=self._marks[daemon])
        except NotTold:
            raise Stumble(f"{expected}, within {seconds:g} s", self._told_instead(daemon)) from None

    async def opens(self, session: str, expected: str, seconds: float = PATIENCE_SECONDS) -> Told:
        """The door opens, once more than before, for that session. Raises Stumble."""
        self.unlocks_expected += 1
        number = self.unlocks_expected

        def next_one(_events: Sequence[Told]) -> Told | None:
            unlocks = self.unlocks()
            return unlocks[number - 1] if len(unlocks) >= number else None

        unlock = await self.until(self.cast.lock, next_one, expected, seconds)
        if unlock.fields.get("session") != session:
            raise Stumble(f"{expected}, for session {session}", f"it {in_short(unlock)}")
        return unlock

    async def refuses(self, reason: str, address: str, seconds: float = PATIENCE_SECONDS) -> Told:
        """The lock refuses a token from that address for that reason. Raises Stumble."""
        expected = f"the lock to refuse the token from {address} as {reason}"
        lock = self.cast.lock
        return await self.told(lock, "refusal", expected, seconds, reason=reason, address=address)

    async def counts(self, wanted: Mapping[str, int], seconds: float = PATIENCE_SECONDS) -> Told:
        """The lock's summaries of this scene come to these counts. Raises Stumble."""
        words = ", ".join(f"{name} {times}" for name, times in wanted.items())

        def enough(events: Sequence[Told]) -> Told | None:
            sums = counted(events)
            reached = all(sums[name] >= times for name, times in wanted.items())
            return events[-1] if reached and events else None

        return await self.until(self.cast.lock, enough, f"the lock to count {words}", seconds)

    # --- what must not happen ------------------------------------------------------------------

    def unlocks(self) -> list[Told]:
        """Every time the door has opened in this play."""
        return [told for told in self.cast.lock.events if told.kind == "unlock"]

    def in_this_scene(self, daemon: DaemonProcess) -> Sequence[Told]:
        """What that daemon has told in this scene."""
        return daemon.events[self._marks[daemon] :]

    def check(self) -> None:
        """Raises Stumble: a door that opened unasked, a daemon that is gone or faulty."""
        unlocks = self.unlocks()
        if len(unlocks) > self.unlocks_expected:
            raise Stumble("the door to stay shut", f"it opened: {in_short(unlocks[-1])}")
        for daemon in self.cast.daemons:
            if daemon.returncode is not None:
                raise Stumble(
                    f"blelock-{daemon.role} to go on running",
                    f"it ended with status {daemon.returncode}: {self._told_instead(daemon)}",
                )
            faults = [told for told in daemon.events if told.kind == "fault"]
            if faults:
                raise Stumble(f"no fault in blelock-{daemon.role}", faults[-1].message)

    def _told_instead(self, daemon: DaemonProcess) -> str:
        lines = [f"{e.kind}: {e.message}" for e in self.in_this_scene(daemon)][-MOST_SHOWN:]
        lines += daemon.unparsed[-MOST_SHOWN:]
        if not lines:
            return f"blelock-{daemon.role} told nothing in this scene"
        return "\n".join((f"blelock-{daemon.role} told", *(f"  {line}" for line in lines)))


def counted(events: Sequence[Told]) -> Counter[str]:
    """The sums over the summaries among these events."""
    sums: Counter[str] = Counter()
    for told in events:
        if told.kind == "summary":
            sums.update({name: int(times) for name, times in told.fields.items()})
    return sums


def _has(told: Told, fields: Mapping[str, object]) -> bool:
    return all(told.fields.get(name) == value for name, value in fields.items())


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene: what it is called, what it is about, and how it goes. `act` raises Stumble."""

    title: str
    about: str
    act: Callable[[Play], Awaitable[Outcome]]


async def tried(what: Awaitable[T], doing: str) -> T:
    """What `what` comes to; whatever the world does to it instead becomes a Stumble."""
    try:
        return await what
    except (TimeoutError, RuntimeError, OSError, NotTold) as error:
        told = str(error) or "it took too long"
        raise Stumble(doing, f"{type(error).__name__}: {told}") from error


@dataclass(frozen=True, slots=True)
class Played:
    """A scene as it went: one of the two, or neither if it was not played."""

    scene: Scene
    outcome: Outcome | None = None
    stumble: Stumble | None = None
