"""The scenes in the air: a guest, a thief with a recorder, a stranger, and a phone too far away."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final

from blelockd.protocol.v2.tokens import TOKEN_BYTES as V2_TOKEN_BYTES
from blelockd.virtual.demo.cast import SLOT_SECONDS, START_METRES, THRESHOLD_DBM
from blelockd.virtual.demo.eavesdroppers import Recorded
from blelockd.virtual.demo.play import Latency, Outcome, Play, Scene, Stumble, counted
from blelockd.virtual.stage import Told

STEPS_METRES: Final = (12.0, 7.0, 4.0, 2.5, 1.5, 0.5)
STEP_SECONDS: Final = 0.3
TOO_FAR_METRES: Final = 4.0
TOO_FAR_SECONDS: Final = 1.0
NEAR_METRES: Final = 1.0
STRANGERS: Final = 40
STRANGER_SECONDS: Final = 0.01
BURST: Final = 3
BURST_SECONDS: Final = 0.05


async def walk_up(play: Play) -> Outcome:
    """The guest's phone gets a session far from the door, then comes near."""
    cast = play.cast
    play.walk("guest", START_METRES)
    began = play.now()
    await cast.guest.start()
    obtained = await play.told(cast.guest, "session-obtained", "the guest to obtain a session")
    session = str(obtained.fields["session"])
    expected = "the session to reach the lock"
    await play.told(cast.lock, "session-received", expected, session=session)
    refusal = await play.refuses("too-far", cast.address("guest"))
    near_at = await _approach(play)
    unlock = await play.opens(session, "the door to open for the guest")
    return Outcome(
        f"the door opened at {unlock.fields['rssi_dbm']} dBm",
        (
            Latency("phone on to session", obtained.at - began),
            Latency("token to decision", refusal.at - cast.recorder.of("guest")[0].at),
            Latency("in range to open", unlock.at - near_at),
        ),
    )


async def _approach(play: Play) -> float:
    """Walk to the door; returns when the phone came near enough, which the door must wait for."""
    near_at = 0.0
    for metres in STEPS_METRES:
        await asyncio.sleep(STEP_SECONDS)
        if not near_at:
            play.check()
        stepped_at = play.now()
        rssi_dbm = play.walk("guest", metres)
        if not near_at and rssi_dbm > THRESHOLD_DBM:
            near_at = stepped_at
    return near_at


async def replay_at_once(play: Play) -> Outcome:
    """The token that has just opened the door, from another device, while it still counts."""
    recorded = _spent_token(play)
    play.act("attacker", "sends the token that opened the door, from another device")
    address, began = await replayed(play, recorded)
    refusal = await play.refuses("replay", address)
    play.leave("guest")
    return Outcome("refused: replay", (Latency("token to decision", refusal.at - began),))


def _spent_token(play: Play) -> Recorded:
    return spent(play, play.unlocks()[0])


def spent(play: Play, unlock: Told) -> Recorded:
    """The token of Ada's phone that has opened the door. Raises Stumble."""
    slot = unlock.fields["slot"]
    recorded = play.cast.recorder.in_slot("guest", slot, SLOT_SECONDS)
    if recorded is None:
        raise Stumble(f"the recorder to have the token of slot {slot}", "it has not")
    return recorded


async def replayed(play: Play, recorded: Recorded) -> tuple[str, float]:
    """Send it a few times; returns from where, and when that began."""
    address, began = play.cast.recorder.new_address(), play.now()
    for _ in range(BURST):
        play.cast.recorder.replay(recorded, address)
        await asyncio.sleep(BURST_SECONDS)
    return address, began


async def replay_later(play: Play) -> Outcome:
    """The same token, when its slot and the next one are over."""
    recorded, slot = _spent_token(play), int(play.unlocks()[0].fields["slot"])
    wait_seconds = max(0.0, (slot + 2) * SLOT_SECONDS + 0.1 - time.time())
    play.act("attacker", f"waits {wait_seconds:.1f} s, until the token's time is over")
    await asyncio.sleep(wait_seconds)
    play.act("attacker", "sends the token again")
    address, began = await replayed(play, recorded)
    expected = "the lock to refuse the token as late, or not to know it any more"
    told, reason = await play.until(play.cast.lock, refused(address), expected)
    if reason not in ("late", "unknown"):
        raise Stumble(expected, f"it refused it as {reason}")
    return Outcome(f"refused: {reason}", (Latency("token to decision", told.at - began),))


def refused(address: str) -> Callable[[Sequence[Told]], tuple[Told, str] | None]:
    """Finds how a token from there was refused: with a reason, or counted as one unknown."""

    def find(events: Sequence[Told]) -> tuple[Told, str] | None:
        for told in events:
            if told.kind == "refusal" and told.fields.get("address") == address:
                return told, str(told.fields.get("reason"))
            if told.kind == "summary" and told.fields.get("foreign_advert"):
                return told, "unknown"
        return None

    return find


async def stranger(play: Play) -> Outcome:
    """Tokens that nobody has issued, each from another address."""
    lock = play.cast.lock
    template = play.cast.recorder.of("guest")[-1]
    play.act("attacker", f"sends {STRANGERS} invented tokens, loudly, each from another address")
    for _ in range(STRANGERS):
        play.cast.recorder.send(template, secrets.token_bytes(V2_TOKEN_BYTES))
        await asyncio.sleep(STRANGER_SECONDS)
    await play.counts({"foreign_advert": STRANGERS})
    refusals = [told for told in play.in_this_scene(lock) if told.kind == "refusal"]
    if refusals:
        raise Stumble("strangers to be counted without a line for each", refusals[0].message)
    times = counted(play.in_this_scene(lock))["foreign_advert"]
    return Outcome(f"{times} counted as foreign, the door stayed shut")


async def too_far(play: Play) -> Outcome:
    """Valid tokens, but heard too weakly; then near enough."""
    await play.rearmed("guest")
    play.walk("guest", TOO_FAR_METRES)
    refusal = await play.refuses("too-far", play.cast.address("guest"))
    await asyncio.sleep(TOO_FAR_SECONDS)
    play.check()
    near_at = play.now()
    play.walk("guest", NEAR_METRES)
    session = str(refusal.fields["session"])
    unlock = await play.opens(session, "the door to open for the guest, who is near now")
    play.leave("guest")
    return Outcome(
        f"refused: too-far at {refusal.fields['rssi_dbm']} dBm; "
        f"opened at {unlock.fields['rssi_dbm']} dBm",
        (Latency("in range to open", unlock.at - near_at),),
    )


WALK_UP: Final = Scene(
    "Ada walks up, and the door opens",
    "The phone gets a session by radio; the lock opens to it once it is heard louder than "
    f"{THRESHOLD_DBM} dBm.",
    walk_up,
)
REPLAYED_AT_ONCE: Final = Scene(
    "A token is replayed at once",
    "A thief has recorded the token that opened the door; a token opens only once.",
    replay_at_once,
)
REPLAYED_LATER: Final = Scene(
    "The same token is replayed later",
    f"A token counts for its own {SLOT_SECONDS} s and for the next {SLOT_SECONDS} s; then it "
    "is late.",
    replay_later,
)
STRANGER: Final = Scene(
    "A stranger tries its luck",
    "Tokens that belong to no session are counted, and nothing else comes of them.",
    stranger,
)
TOO_FAR: Final = Scene(
    "A phone is too far away",
    "Its tokens are good, but the door opens only to a phone that stands before it.",
    too_far,
)
