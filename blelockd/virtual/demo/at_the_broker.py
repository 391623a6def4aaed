"""The scenes about sessions: forged at the broker, expired, and brought back after an outage."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa

from blelockd.adapters.keyring import read_public
from blelockd.adapters.mqtt import topics
from blelockd.protocol.ids import LockId
from blelockd.protocol.instants import MS_PER_SECOND, Instant
from blelockd.protocol.keys import PrivateKey
from blelockd.protocol.opaque import SessionKey
from blelockd.protocol.session import Session
from blelockd.protocol.v1 import envelope
from blelockd.protocol.v1.answer import Grant
from blelockd.virtual.demo.at_the_door import NEAR_METRES, refused
from blelockd.virtual.demo.cast import SHORT_LIFETIME_SECONDS, SLOT_SECONDS
from blelockd.virtual.demo.play import Latency, Outcome, Play, Scene, Stumble, counted
from blelockd.virtual.demo.visitor import Visitor, visiting
from blelockd.virtual.stage import LOCK_ID

TOPIC: Final = topics.session(LockId(LOCK_ID))
JUNK: Final = (b"\xff\xfe", b"[]", b"null", b'{"signature":5}')
TOO_LARGE: Final = b"[" * 200_000
TRY_SECONDS: Final = 0.02
TRIES_SECONDS: Final = 1.2
OUTAGE_SECONDS: Final = 1.0
RECOVERY_SECONDS: Final = 10.0


async def forged(play: Play) -> Outcome:
    """A session that another key has signed, one with a changed letter, junk; then its tokens."""
    cast = play.cast
    message, session = await asyncio.to_thread(_forge, play)
    play.act("attacker", "publishes a session for this lock, signed by a key of its own")
    await cast.spy.publish(TOPIC, message)
    play.act("attacker", "publishes the guest's own session with one letter changed")
    _, genuine = await cast.spy.session_after(0)
    await cast.spy.publish(TOPIC, _with_one_letter_changed(genuine))
    play.act("attacker", f"publishes {len(JUNK)} scraps of junk, and one of 200 kB")
    for junk in (*JUNK, TOO_LARGE):
        await cast.spy.publish(TOPIC, junk)
    wanted = {"forged_session": 2, "malformed_session": len(JUNK), "dropped_message": 1}
    await play.counts(wanted)
    play.act("attacker", "shows the forged session's token at the door")
    slot = session.slot_at(Instant(int(time.time() * MS_PER_SECOND)))
    template = cast.recorder.of("guest")[-1]
    cast.recorder.send(template, session.scheme.token(slot).reveal())
    await play.counts({"foreign_advert": 1})
    taken = [e for e in play.in_this_scene(cast.lock) if e.kind == "session-received"]
    if taken:
        raise Stumble("the lock to take no session", f"it took {len(taken)}")
    sums = counted(play.in_this_scene(cast.lock))
    return Outcome(
        f"refused: {sums['forged_session']} forged, {sums['malformed_session']} malformed, "
        f"{sums['dropped_message']} too large"
    )


def _forge(play: Play) -> tuple[bytes, Session]:
    """A session message that is right in all but its signature."""
    own_key = PrivateKey(rsa.generate_private_key(65537, 2048))
    lock_key = read_public(play.cast.stage.keys("issuer") / "locks" / f"{LOCK_ID}.pub")
    nonce = base64.urlsafe_b64encode(secrets.token_bytes(8)).decode("ascii")
    grant = Grant(SessionKey(secrets.token_bytes(32)), int(time.time()) + 300, nonce)
    lock_id = LockId(LOCK_ID)
    session = envelope.session_at_lock(lock_id, grant, SLOT_SECONDS * MS_PER_SECOND)
    return envelope.seal(lock_id, grant, lock_key, own_key), session


def _with_one_letter_changed(message: bytes) -> bytes:
    start = message.index(b'"session_key":"') + len(b'"session_key":"')
    other = b"B" if message[start : start + 1] == b"A" else b"A"
    return message[:start] + other + message[start + 1 :]


async def expired(play: Play) -> Outcome:
    """A short session opens the door while it lives; its token and its message do not after."""
    cast = play.cast
    cast.let_sessions_last(SHORT_LIFETIME_SECONDS)
    await play.told(cast.issuer, "reloaded", "the issuer to read its configuration again")
    visited_at = play.now()
    async with visiting(cast, lambda line: play.narrator.line("visitor", line)) as visitor:
        latencies, ends_unix_seconds = await _visit(play, visitor)
        left_seconds = ends_unix_seconds - time.time()
        play.act("demo", f"waits {left_seconds:.0f} s for the session's end")
        await asyncio.sleep(left_seconds + 0.01)
    token = cast.recorder.of("visitor")[-1]
    play.act("attacker", "sends the visitor's last token, which has opened nothing")
    address, began = cast.recorder.new_address(), play.now()
    while play.now() - began < TRIES_SECONDS:
        cast.recorder.replay(token, address)
        await asyncio.sleep(TRY_SECONDS)
    told, reason = await play.until(cast.lock, refused(address), "the lock to refuse the token")
    if reason not in ("expired", "unknown"):  # unknown once the lock has forgotten the session
        raise Stumble("the lock to refuse the token as expired", f"it refused it as {reason}")
    await play.told(cast.lock, "session-ended", "the lock to end the session")
    play.act("attacker", "publishes the visitor's session message again")
    _, message = await cast.spy.session_after(visited_at)
    await cast.spy.publish(TOPIC, message)
    await play.counts({"expired_session": 1})
    late = Latency("token to decision", told.at - began)
    return Outcome(f"token refused: {reason}; message refused: expired", (*latencies, late))


async def _visit(play: Play, visitor: Visitor) -> tuple[tuple[Latency, ...], int]:
    """The visitor gets a session, and the door opens for it; also says when that ends (Unix s)."""
    cast = play.cast
    try:
        asked = await visitor.says("asking", RECOVERY_SECONDS)
        play.walk("visitor", NEAR_METRES)
        obtained = await visitor.says("obtained", RECOVERY_SECONDS)
    except TimeoutError:
        said = "; ".join(line for _, line in visitor.said) or "nothing"
        raise Stumble("the visitor to obtain a session", f"it said {said}") from None
    received = await play.told(cast.lock, "session-received", "the session to reach the lock")
    session = str(received.fields["session"])
    unlock = await play.opens(session, "the door to open for the visitor")
    play.leave("visitor")
    shown_at = next(each.at for each in cast.recorder.of("visitor") if each.at > asked)
    latencies = (
        Latency("request to session", obtained - asked),
        Latency("token to unlock", unlock.at - shown_at),
    )
    return latencies, int(received.fields["not_after"])


async def outage(play: Play) -> Outcome:
    """kill -9 of the broker and of two bluetoothds; then everything is as before."""
    cast = play.cast
    hosts = [cast.stage.air.hosts[name] for name in ("issuer", "lock")]
    play.act("demo", "kill -9: the broker, bluetoothd of the issuer, bluetoothd of the lock")
    cast.stage.broker.kill()
    await asyncio.gather(*(host.kill_bluetoothd() for host in hosts))
    for part in ("broker", "scan"):
        await play.told(cast.lock, "link-lost", f"the lock to miss its {part}", part=part)
    await asyncio.sleep(OUTAGE_SECONDS)
    play.act("demo", "starts them again, and touches nothing else")
    began = play.now()
    cast.stage.broker.start()
    await asyncio.gather(*(host.start_bluetoothd() for host in hosts))
    back = [
        await play.told(
            daemon,
            "link-regained",
            f"blelock-{daemon.role} to have its {part} back",
            RECOVERY_SECONDS,
            part=part,
        )
        for daemon, part in (
            (cast.lock, "broker"),
            (cast.lock, "scan"),
            (cast.issuer, "broker"),
            (cast.issuer, "beacon"),
        )
    ]
    recovered = Latency("restart to recovered", max(told.at for told in back) - began)
    async with visiting(cast, lambda line: play.narrator.line("visitor", line)) as visitor:
        latencies, _ = await _visit(play, visitor)
    return Outcome("all came back by itself, the door opened", (recovered, *latencies))


SCENES: Final = (
    Scene(
        "Somebody else writes to the broker",
        "A lock takes a session only from its issuer, and junk does not unsettle it.",
        forged,
    ),
    Scene(
        "A session expires",
        f"A visitor gets a session of {SHORT_LIFETIME_SECONDS} s: it opens the door, and then no "
        "more.",
        expired,
    ),
    Scene(
        "The broker and Bluetooth crash",
        "The daemons notice, name it, wait, and go on by themselves.",
        outage,
    ),
)
