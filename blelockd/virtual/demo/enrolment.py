"""The scenes in which strangers become acquainted: issuer and lock, then issuer and guests."""

from __future__ import annotations

import asyncio
from typing import Final

from blelockd.protocol.v2.reports import UpType
from blelockd.virtual.demo.cast import SHORT_LIFETIME_SECONDS, UP
from blelockd.virtual.demo.play import Latency, Outcome, Play, Scene, Stumble
from blelockd.virtual.demo.prompt import exported, types
from blelockd.virtual.stage import LOCK_ID
from blelockd.virtual.typed import CommandFailed, code_in

ADA: Final = "Ada"
BOB: Final = "Bob"
PHONES: Final = {ADA: "guest", BOB: "visitor"}


async def introduce(play: Play) -> Outcome:
    """Each takes the other's card, and the operator compares the fingerprints."""
    cast = play.cast
    lock_card, issuer_card = cast.card("lock"), cast.card("issuer")
    of_lock, of_issuer = await asyncio.gather(
        exported(play, "lock", "card", lock_card), exported(play, "issuer", "card", issuer_card)
    )
    await asyncio.gather(
        types(play, "operator", "issuer", "lock", "add", lock_card, "--fingerprint", of_lock),
        types(play, "operator", "lock", "trust", issuer_card, "--fingerprint", of_issuer),
    )
    play.act("operator", "switches the lock on")
    began = play.now()
    await cast.lock.start()
    known = await play.up(cast.lock, "time")
    await play.up(cast.lock, "scan")
    hello = await cast.spy.first(UP, UpType.HELLO, since=began)
    return Outcome(
        "each trusts the other's keys, and the lock has the issuer's time",
        (
            Latency("switched on to HELLO", hello.at - began),
            Latency("HELLO to time", known.at - hello.at),
        ),
    )


async def enrol(play: Play) -> Outcome:
    """The operator invites two people, and each enrols a phone with the code."""
    codes = await asyncio.gather(
        _invited(play, ADA, "--locks", LOCK_ID, "--valid", "30d"),
        _invited(play, BOB, "--locks", LOCK_ID, "--lifetime", str(SHORT_LIFETIME_SECONDS)),
    )
    began = play.now()
    await asyncio.gather(
        *(
            types(play, PHONES[person], PHONES[person], "enrol", code=code)
            for person, code in zip((ADA, BOB), codes, strict=True)
        )
    )
    latencies = []
    for person in (ADA, BOB):
        expected = f"the issuer to have enrolled {person}"
        told = await play.told(play.cast.issuer, "guest-enrolled", expected, person=person)
        latencies.append(Latency(f"{person}'s code to guest", told.at - began))
    return Outcome("two guests, each with a key that never leaves the phone", tuple(latencies))


async def _invited(play: Play, person: str, *grant: str) -> str:
    said = await types(play, "operator", "issuer", "guest", "invite", person, *grant)
    try:
        return code_in(said.printed)
    except CommandFailed as error:
        raise Stumble(f"a code for {person}", str(error)) from error


SCENES: Final = (
    Scene(
        "Issuer and lock are introduced",
        "Each takes the other's card. What counts is the fingerprint, read on the other machine.",
        introduce,
    ),
    Scene(
        "Two guests are invited",
        "An invite is good once and for ten minutes. The phone makes a key of its own, and from "
        "then on only that key asks for sessions.",
        enrol,
    ),
)
