"""The scenes at the broker: it withholds a revocation, somebody forges what it carries, and a
session ends whatever it does.
"""

from __future__ import annotations

import asyncio
from typing import Final

from blelockd.protocol.v2.down import DownType
from blelockd.virtual.demo.at_the_door import NEAR_METRES, refused
from blelockd.virtual.demo.cast import DOWN, SHORT_LIFETIME_SECONDS, Visit
from blelockd.virtual.demo.enrolment import BOB
from blelockd.virtual.demo.forgery import Forger, now, with_one_bit_changed
from blelockd.virtual.demo.play import Latency, Outcome, Play, Scene, Stumble, counted, tried
from blelockd.virtual.demo.prompt import types
from blelockd.virtual.demo.visitor import visit

SHORTEST_ENVELOPE: Final = 849
JUNK: Final = (b"\xff\xfe", b"BL\x02\x10", bytes(SHORTEST_ENVELOPE), b"BL" * SHORTEST_ENVELOPE)
TOO_LARGE: Final = b"[" * 200_000
TRY_SECONDS: Final = 0.02
TRIES_SECONDS: Final = 1.2
LOCK_BEHIND_SECONDS: Final = 1.0
"""So much the lock's time may be behind the issuer's: docs/protocol.md, **Clock**."""


async def by_hand(play: Play) -> Outcome:
    """Bob opens the door once, with a session that lives for seconds."""
    latencies = await visit(play)
    return Outcome("the door opened for Bob", latencies)


async def withheld(play: Play) -> Outcome:
    """Bob is suspended, and the broker, which is the attacker's, keeps that from the lock."""
    cast, visited = play.cast, _last_visit(play)
    cast.withhold(DownType.REVOKE)
    play.act("attacker", "holds the broker, and keeps every revocation from the lock")
    said = await types(play, "operator", "issuer", "guest", "suspend", BOB)
    if "not acknowledged" not in said.printed:
        raise Stumble("the operator to hear that the lock has not acknowledged", said.printed)
    if not cast.middleman.withheld:
        raise Stumble("a revocation to be withheld", "none was sent")
    await play.rearmed("visitor")
    play.walk("visitor", NEAR_METRES)
    await play.opens(visited.session, "the door to open for a session it takes for good")
    play.leave("visitor")
    return Outcome("withheld: the door opened once more, and the operator knows that it may")


async def forged(play: Play) -> Outcome:
    """A session that another key has signed, one with a changed bit, old ones, junk; and a token
    of the forged session.
    """
    cast, spy = play.cast, play.cast.spy
    genuine = [each.payload for each in spy.log(DOWN, DownType.SESSION)]
    before = [each.payload for each in spy.log(DOWN) if not each.is_on(DOWN, DownType.REVOKE)]
    forger = await asyncio.to_thread(Forger, cast.card("lock"))
    session = forger.session()
    play.act("attacker", "publishes a session for this lock, signed by a key of its own")
    await spy.publish(DOWN, await asyncio.to_thread(forger.forged, session, genuine[-1]))
    play.act("attacker", "publishes a guest's own session with one bit changed")
    await spy.publish(DOWN, with_one_bit_changed(genuine[-1]))
    play.act("attacker", f"publishes again all that the lock has heard: {len(before)} envelopes")
    play.act("attacker", f"publishes {len(JUNK)} scraps of junk, and one of 200 kB")
    for message in (*before, *JUNK, TOO_LARGE):
        await spy.publish(DOWN, message)
    wanted = {
        "forged_envelope": 2,
        "seen_envelope": len(before),
        "malformed_envelope": len(JUNK),
        "dropped_message": 1,
    }
    await play.counts(wanted)
    play.act("attacker", "shows the forged session's token at the door")
    held = session.session()
    token = held.scheme.token(held.slot_at(now())).reveal()
    cast.recorder.send(cast.recorder.of("guest")[-1], token)
    await play.counts({"foreign_advert": 1})
    taken = [e for e in play.in_this_scene(cast.lock) if e.kind == "session-received"]
    if taken:
        raise Stumble("the lock to take no session", f"it took {len(taken)}")
    sums = counted(play.in_this_scene(cast.lock))
    return Outcome(
        f"refused: {sums['forged_envelope']} forged, {sums['seen_envelope']} seen before, "
        f"{sums['malformed_envelope']} malformed, {sums['dropped_message']} too large"
    )


async def expired(play: Play) -> Outcome:
    """Bob's session ends by the issuer's time, which the lock carries itself."""
    cast, visited = play.cast, _last_visit(play)
    left_seconds = visited.seconds_left() + LOCK_BEHIND_SECONDS
    if left_seconds > 0:
        play.act("demo", f"waits {left_seconds:.1f} s for the end of Bob's session")
        await asyncio.sleep(left_seconds)
    await cast.backstage.aclose()
    token = cast.recorder.of("visitor")[-1]
    play.act("attacker", "sends the last token of Bob's phone, which has opened nothing")
    address, began = cast.recorder.new_address(), play.now()
    while play.now() - began < TRIES_SECONDS:
        cast.recorder.replay(token, address)
        await asyncio.sleep(TRY_SECONDS)
    told, reason = await play.until(cast.lock, refused(address), "the lock to refuse the token")
    if reason not in ("expired", "unknown"):  # unknown once the lock has forgotten the session
        raise Stumble("the lock to refuse the token as expired", f"it refused it as {reason}")
    ended = cast.lock.told("session-ended", session=visited.session)  # in an earlier scene, maybe
    await tried(ended, "the lock to end the session")
    play.act("attacker", "lets the revocation through at last")
    cast.middleman.let_go()
    cast.middleman.pass_all()
    late = Latency("token to decision", told.at - began)
    return Outcome(f"refused: {reason}, whatever the broker withholds", (late,))


def _last_visit(play: Play) -> Visit:
    if play.cast.last_visit is None:
        raise Stumble("Bob to have a session", "he was not here")
    return play.cast.last_visit


BY_HAND: Final = Scene(
    "Bob opens the door by hand",
    f"His invite gives him {SHORT_LIFETIME_SECONDS} s at a time: such a session he asks for at "
    "the door.",
    by_hand,
)
WITHHELD: Final = Scene(
    "The broker withholds a revocation",
    "What a lock does not hear it cannot know. But the operator knows, and every session ends.",
    withheld,
)
FORGED: Final = Scene(
    "Somebody else writes to the broker",
    "A lock takes a session only from its issuer, each envelope once, and junk does not unsettle "
    "it.",
    forged,
)
EXPIRED: Final = Scene(
    "A session expires",
    "Bob's session ends by the clock of the lock, which no broker can stop.",
    expired,
)
