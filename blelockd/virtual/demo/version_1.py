"""The scene of version 1: the wire of the prototype, for its programs, where it is turned on."""

from __future__ import annotations

import asyncio
from typing import Final

from blelockd.virtual.demo.play import Outcome, Play, Scene
from blelockd.virtual.demo.prompt import exported, types
from blelockd.virtual.demo.visitor import visit
from blelockd.virtual.stage import LOCK_ID


async def version_1(play: Play) -> Outcome:
    """A phone of the prototype, which nobody has invited, opens the same door."""
    cast = play.cast
    lock_key, issuer_key = (cast.stage.directory / f"{of}.pub" for of in ("lock", "issuer"))
    of_lock, of_issuer = await asyncio.gather(
        exported(play, "lock", "show-key", lock_key),
        exported(play, "issuer", "show-key", issuer_key),
    )
    taken = (
        ("issuer", "import-key", LOCK_ID, lock_key, "--fingerprint", of_lock),
        ("lock", "import-key", issuer_key, "--fingerprint", of_issuer),
    )
    await asyncio.gather(*(types(play, "operator", *words) for words in taken))
    play.act("operator", "writes `compat_v1: true` for issuer and lock, and restarts both")
    await cast.speak_v1(True)
    for daemon in (cast.issuer, cast.lock):
        await play.told(daemon, "compat-v1", f"blelock-{daemon.role} to warn of version 1")
    await play.up(cast.lock, "scan")
    await play.up(cast.issuer, "beacon")
    latencies = await visit(play, "old_phone")
    await cast.backstage.aclose()
    return Outcome("the door opened for whoever asked", latencies)


VERSION_1: Final = Scene(
    "Version 1, where it is turned on",
    "For the programs of the prototype. It gives a session to whoever asks: off, unless you say "
    "so.",
    version_1,
)
