"""The scenes of a lock that has just started, and knows neither time nor sessions.

What was recorded before is played to it, the time is withheld from it, and a false one offered.
"""

from __future__ import annotations

import asyncio
import signal
from typing import Final

from blelockd.protocol.v2.down import DownType
from blelockd.virtual.demo.at_the_door import NEAR_METRES, refused, replayed, spent
from blelockd.virtual.demo.cast import DOWN
from blelockd.virtual.demo.forgery import Forger
from blelockd.virtual.demo.play import Latency, Outcome, Play, Scene, Stumble, counted
from blelockd.virtual.demo.revocation import session_of_ada

AN_HOUR: Final = 3600
TOO_LATE_SECONDS: Final = 2.0
"""A TIME counts for 2 s after the HELLO that it answers (docs/protocol.md)."""

HANDED_ON_SECONDS: Final = 0.2
"""So much later than to the spy a message may come to the man in the middle."""

AT_LAST_SECONDS: Final = 20.0
SPENT: Final = ("just-started", "late", "unknown")


async def log_played_again(play: Play) -> Outcome:
    """The token that has opened the door, and the broker's whole log, to a lock that rebooted."""
    cast, session = play.cast, session_of_ada(play)
    await play.rearmed("guest")
    play.walk("guest", NEAR_METRES)
    token = spent(play, await play.opens(session, "the door to open for Ada"))
    play.leave("guest")
    log = [each.payload for each in cast.spy.log(DOWN)]
    play.act("demo", "kill -9: the lock; and starts it again")
    began = play.now()
    await cast.restart(cast.lock, how=signal.SIGKILL)
    known = await play.up(cast.lock, "time")
    expected = "the lock to have Ada's session again"
    back = await play.told(cast.lock, "session-received", expected, session=session)
    play.act("attacker", "sends the token that opened the door before")
    address, _ = await replayed(play, token)
    expected = "the lock to refuse the token"
    _, reason = await play.until(cast.lock, refused(address), expected)
    if reason not in SPENT:
        raise Stumble(f"{expected} as one of {', '.join(SPENT)}", f"it refused it as {reason}")
    play.act("attacker", f"publishes the broker's log again, all of it: {len(log)} envelopes")
    for envelope in log:
        await cast.spy.publish(DOWN, envelope)
    await play.counts({"other_epoch_envelope": len(log)})
    return Outcome(
        f"token refused: {reason}; {len(log)} envelopes refused: for an earlier start",
        (
            Latency("start to time", known.at - began),
            Latency("start to sessions", back.at - began),
        ),
    )


async def false_time(play: Play) -> Outcome:
    """The issuer's time comes too late, and the attacker's own is an hour ahead."""
    cast, spy, between = play.cast, play.cast.spy, play.cast.middleman
    old = [each.payload for each in spy.log(DOWN, DownType.TIME)]
    cast.withhold(DownType.TIME, DownType.SYNC)
    play.act("attacker", "holds the broker, and keeps the issuer's time from the lock")
    play.act("demo", "kill -9: the lock; and starts it again")
    started = play.now()
    forger, _ = await asyncio.gather(
        asyncio.to_thread(Forger, cast.card("lock")),
        cast.restart(cast.lock, how=signal.SIGKILL),
    )
    await play.told(cast.lock, "link-lost", "the lock to miss the time", part="time")
    play.walk("guest", NEAR_METRES)
    genuine = await spy.first(DOWN, DownType.SYNC, since=started)
    play.act("attacker", "publishes a time that is an hour ahead, signed by a key of its own")
    false = await asyncio.to_thread(forger.forged, forger.time(AN_HOUR), genuine.payload)
    await spy.publish(DOWN, false)
    play.act("attacker", f"publishes {len(old)} times of before")
    for envelope in old:
        await spy.publish(DOWN, envelope)
    await asyncio.sleep(max(0.0, genuine.at + TOO_LATE_SECONDS + HANDED_ON_SECONDS - play.now()))
    play.act("attacker", "lets the issuer's time through, and the sessions, when it is too late")
    between.let_go(older_than_seconds=TOO_LATE_SECONDS)
    wanted = {"forged_envelope": 1, "other_epoch_envelope": len(old), "no_time_envelope": 1}
    await play.counts(wanted)
    _check_no_time(play)
    play.act("demo", "makes the broker an honest one again, and touches nothing else")
    between.pass_all()
    began = play.now()
    known = await play.up(cast.lock, "time", AT_LAST_SECONDS)
    unlock = await play.opens(session_of_ada(play), "the door to open for Ada, who stands there")
    play.leave("guest")
    refusals = counted(play.in_this_scene(cast.lock))
    return Outcome(
        f"without time the door stayed shut; refused: {refusals['forged_envelope']} forged, "
        f"{len(old)} of before, 1 too late",
        (
            Latency("honest to time", known.at - began),
            Latency("time to open", unlock.at - known.at),
        ),
    )


def _check_no_time(play: Play) -> None:
    """Raises Stumble: a lock that took a time, a door that has opened."""
    play.check()
    for told in play.in_this_scene(play.cast.lock):
        if told.kind in ("link-up", "link-regained") and told.fields["part"] == "time":
            raise Stumble("the lock to take none of these times", told.message)


REPLAYED: Final = Scene(
    "The lock reboots, and all is played again",
    "It has forgotten what was spent. But its envelopes are for one start only, and tokens of "
    "before it open nothing.",
    log_played_again,
)
FALSE_TIME: Final = Scene(
    "Its time is withheld, and another forged",
    "A lock has no clock that it trusts: it asks its issuer, and takes an answer to its own "
    "question, within 2 s.",
    false_time,
)
