"""The performance: curtain up, every scene in turn, the reviews; the same for a person and a test.

The first scene that stumbles ends it, as the later ones build on the earlier; then the logs of all
processes are kept.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blelockd.virtual.demo import (
    at_the_broker,
    at_the_door,
    enrolment,
    outage,
    reboots,
    revocation,
    version_1,
)
from blelockd.virtual.demo.cast import Cast, Changes, cast
from blelockd.virtual.demo.narrator import Narrator
from blelockd.virtual.demo.play import Outcome, Play, Played, Scene, Stumble, tried
from blelockd.virtual.demo.reviews import show_table

SCENES: Final[Sequence[Scene]] = (
    *enrolment.SCENES,
    at_the_door.WALK_UP,
    at_the_door.REPLAYED_AT_ONCE,
    at_the_door.REPLAYED_LATER,
    at_the_broker.BY_HAND,  # the session that then has to end, and what fills its time
    at_the_broker.WITHHELD,
    at_the_door.STRANGER,
    at_the_door.TOO_FAR,
    at_the_broker.FORGED,
    at_the_broker.EXPIRED,
    revocation.STOLEN,
    reboots.REPLAYED,
    reboots.FALSE_TIME,
    outage.OUTAGE,
    version_1.VERSION_1,
)
SETTLING_SECONDS: Final = 0.4
LONGEST_SCENE_SECONDS: Final = 60.0

PROLOGUE: Final = (
    "blelock, live: an issuer, a lock at a door, and the phones of Ada and Bob, who may open it.",
    "Real: the programs, D-Bus, the broker, every byte. Simulated: BlueZ, the radio, the door.",
    "Protocol v2: guests are invited, all is sealed and signed, and nothing opens a door twice.",
)

LEGEND: Final = {
    "12.3": "seconds since the start",
    "guest": "who: operator, issuer, lock, guest (Ada's phone), visitor (Bob's), attacker, demo",
    ">": "what the demo has them do, or type; without it, what a program tells by itself",
    "-60 dBm": "how loud the lock hears a phone: -50 is near, -80 is far",
    "47cf83": "a session, or a guest, by the beginning of its id",
}

Encore = Callable[[Play], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Performance:
    """How it went. `logs` is a directory that is kept, if a scene stumbled."""

    played: tuple[Played, ...]
    seconds: float
    logs: Path | None

    @property
    def is_good(self) -> bool:
        """Whether every scene ended as it should."""
        return all(played.outcome is not None for played in self.played)


async def perform(
    narrator: Narrator,
    *,
    changes: Changes | None = None,
    is_passive: bool = False,
    scenes: Sequence[Scene] = SCENES,
    encore: Encore | None = None,
) -> Performance:
    """Play `scenes` with `changes` to the daemons' configurations; `encore` follows a good play.

    Where `is_passive`, the lock scans passively. Raises CannotStart.
    Everything that was started is gone at the end, however it ends.
    """
    began = time.monotonic()
    logs = None
    for sentence in PROLOGUE:
        narrator.say(sentence)
    narrator.show()
    narrator.legend(LEGEND)
    narrator.show()
    async with cast(changes or {}, is_passive=is_passive) as players:
        play = Play(players, narrator)
        try:
            played = await _play(play, scenes)
            if any(each.stumble for each in played):
                logs = keep_logs(players)
            performance = Performance(played, time.monotonic() - began, logs)
            show_table(narrator, played, performance.seconds, logs)
            if performance.is_good and encore is not None:
                await encore(play)
        finally:
            narrator.is_quiet = True  # what the daemons say when they are stopped is no news
    return performance


async def _play(play: Play, scenes: Sequence[Scene]) -> tuple[Played, ...]:
    try:
        await tried(_curtain_up(play), "the issuer to start")
    except Stumble as stumble:
        _tell(play.narrator, stumble)
        return (Played(scenes[0], stumble=stumble), *map(Played, scenes[1:]))
    played: list[Played] = []
    for number, scene in enumerate(scenes, 1):
        try:
            outcome = await _play_one(play, number, scene)
        except Stumble as stumble:
            _tell(play.narrator, stumble)
            return (*played, Played(scene, stumble=stumble), *map(Played, scenes[number:]))
        play.narrator.verdict(outcome.came, good=True)
        played.append(Played(scene, outcome))
    return tuple(played)


async def _play_one(play: Play, number: int, scene: Scene) -> Outcome:
    play.narrator.scene(number, scene.title, scene.about)
    play.mark()
    outcome = await tried(_act(play, scene), "the scene to be played to its end")
    await asyncio.sleep(SETTLING_SECONDS)  # an unlock that nobody expected may be on its way
    play.check()
    return outcome


async def _act(play: Play, scene: Scene) -> Outcome:
    async with asyncio.timeout(LONGEST_SCENE_SECONDS):
        return await scene.act(play)


async def _curtain_up(play: Play) -> None:
    """Start the issuer, and wait until it stands. The lock is not introduced to it yet."""
    cast = play.cast
    await cast.issuer.start()
    for part in ("broker", "beacon"):
        await play.up(cast.issuer, part)
    await cast.spy.ready()


def _tell(narrator: Narrator, stumble: Stumble) -> None:
    narrator.verdict(f"expected {stumble.expected};", good=False)
    for line in f"but {stumble.instead}".splitlines():
        narrator.say(line, indent=5)


def keep_logs(players: Cast) -> Path:
    """Copy what every process has logged to a directory that stays."""
    kept = Path(tempfile.mkdtemp(prefix="blelock-demo-logs-"))
    for daemon in players.daemons:
        for file in (daemon.log, daemon.config):
            if file.exists():
                shutil.copy(file, kept / f"{daemon.role}{file.suffix}")
    (kept / "mosquitto.log").write_text(players.stage.broker.log)
    for host in players.stage.air.hosts.values():
        (kept / f"bluetoothd-{host.name}.log").write_text(host.faults())
    return kept
