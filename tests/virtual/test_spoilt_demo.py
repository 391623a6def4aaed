"""The demo, spoilt by real means: what does not end as it should is told, and what came instead."""

from __future__ import annotations

import asyncio
import io
import re
import signal
from pathlib import Path

import pytest

from blelockd.adapters.keyring import ISK
from blelockd.protocol.v2.down import DownType
from blelockd.virtual.demo import EXIT_STUMBLED
from blelockd.virtual.demo.at_the_broker import FORGED
from blelockd.virtual.demo.evening import Evening
from blelockd.virtual.demo.forgery import Forger
from blelockd.virtual.demo.narrator import Narrator
from blelockd.virtual.demo.performance import SCENES, perform
from blelockd.virtual.demo.play import Outcome, Play, Scene
from blelockd.virtual.demo.revocation import STOLEN
from blelockd.virtual.demo.visitor import visiting
from tests.virtual.theatre import (
    COLUMNS,
    PATIENCE_SECONDS,
    assert_only_logs_are_left,
)

pytestmark = pytest.mark.timeout(2 * PATIENCE_SECONDS)


async def test_a_lock_that_opens_to_weak_signals_spoils_the_play(place: Path) -> None:
    output = io.StringIO()
    changes = {"lock": {"rssi_threshold_dbm": -100}}
    status = await Evening(Narrator(output, width=COLUMNS), changes=changes).run()
    assert status == EXIT_STUMBLED
    assert f"2 of {len(SCENES)} scenes ended as they should" in output.getvalue()
    told = " ".join(output.getvalue().split())
    assert "expected the lock to refuse the token from 00:1B:DC:00:00:03 as too-far" in told
    assert re.search(r"but blelock-lock told .*unlock: lock_01 opens", told)
    assert_only_logs_are_left(place, told)


async def test_an_unlock_that_no_scene_expects_spoils_the_play(place: Path) -> None:
    """Somebody with a good session passes by, in a scene that is about something else."""

    async def interrupted(play: Play) -> Outcome:
        play.walk("visitor", 0.5)
        async with visiting(play.cast, lambda _line: None):
            await play.told(play.cast.lock, "unlock", "the door to open")
        return Outcome("nothing of note")

    output = io.StringIO()
    another = Scene("Another scene", "Nobody is expected.", interrupted)
    scenes = (*SCENES[:2], another, *SCENES[2:])
    performance = await perform(Narrator(output, width=COLUMNS), scenes=scenes)
    _, second, third, *others = performance.played
    assert second.outcome is not None
    assert third.stumble is not None
    assert third.stumble.expected == "the door to stay shut"
    assert not any(other.outcome or other.stumble for other in others)
    assert "not played" in output.getvalue()


async def test_a_revocation_that_does_not_reach_the_lock_spoils_the_play(place: Path) -> None:
    async def deaf(play: Play) -> Outcome:
        play.cast.withhold(DownType.REVOKE)
        return Outcome("the lock hears of no revocation")

    output = io.StringIO()
    scenes = (*SCENES[:3], Scene("Deafness", "A bad broker.", deaf), STOLEN)
    performance = await perform(Narrator(output, width=COLUMNS), scenes=scenes)
    stumble = performance.played[-1].stumble
    assert stumble is not None, output.getvalue()
    assert stumble.expected == "the lock to acknowledge, within 8 s"


async def test_an_attacker_who_has_the_issuers_key_spoils_the_play(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forger(play_card: Path) -> Forger:
        made = Forger(play_card)
        made._key = ISK.read(play_card.parent / "issuer" / "keys")
        return made

    monkeypatch.setattr("blelockd.virtual.demo.at_the_broker.Forger", forger)
    output = io.StringIO()
    scenes = (*SCENES[:3], FORGED)
    performance = await perform(Narrator(output, width=COLUMNS), scenes=scenes)
    stumble = performance.played[-1].stumble
    assert stumble is not None, output.getvalue()
    assert "the lock to count forged_envelope 2" in stumble.expected
    assert "session-received" in stumble.instead


async def test_a_daemon_that_dies_spoils_the_play(place: Path) -> None:
    async def deadly(play: Play) -> Outcome:
        await play.cast.issuer.stop(signal.SIGKILL)
        return Outcome("nobody has noticed")

    output = io.StringIO()
    scene = Scene("A death", "The issuer is gone.", deadly)
    performance = await perform(Narrator(output, width=COLUMNS), scenes=(scene,))
    assert not performance.is_good
    assert "expected blelock-issuer to go on running" in output.getvalue()


async def test_a_scene_that_never_ends_is_ended(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(play: Play) -> Outcome:
        nobody: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        return await nobody

    monkeypatch.setattr("blelockd.virtual.demo.performance.LONGEST_SCENE_SECONDS", 0.1)
    output = io.StringIO()
    scene = Scene("Waiting", "Nobody comes.", endless)
    performance = await perform(Narrator(output, width=COLUMNS), scenes=(scene,))
    assert not performance.is_good
    assert "but TimeoutError: it took too long" in output.getvalue()
