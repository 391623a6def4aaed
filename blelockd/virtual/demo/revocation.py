"""The scene of the stolen phone: its keys and its session are good, until the operator types."""

from __future__ import annotations

from typing import Final

from blelockd.virtual.demo.at_the_door import NEAR_METRES
from blelockd.virtual.demo.enrolment import ADA
from blelockd.virtual.demo.play import Latency, Outcome, Play, Scene, Stumble
from blelockd.virtual.demo.prompt import types, types_in_vain
from blelockd.virtual.stage import LOCK_ID

REFUSED_SECONDS: Final = "3"


async def stolen(play: Play) -> Outcome:
    """Ada is suspended while her session lives; her phone opens nothing, and gets nothing new."""
    cast, session = play.cast, session_of_ada(play)
    play.act("demo", "Ada's phone is stolen, with a session that is good for minutes")
    ada = next(e for e in cast.issuer.events if e.fields.get("person") == ADA).fields["guest"]
    began = play.now()
    await types(play, "operator", "issuer", "guest", "suspend", ADA)
    sent, done = [
        await play.told(cast.issuer, "revocation", expected, state=state, revoked=ada)
        for state, expected in (
            ("sent", "the issuer to tell the lock"),
            ("acknowledged", "the lock to acknowledge"),
        )
    ]
    await play.told(cast.lock, "session-revoked", "the lock to end the session", session=session)
    play.act("attacker", "comes to the door with Ada's phone, and asks for another session")
    play.walk("guest", NEAR_METRES)
    await types_in_vain(
        *(play, "attacker", "guest", "unlock", LOCK_ID, "--seconds", REFUSED_SECONDS),
        because="this guest may not open the lock",
    )
    expected = "the issuer to refuse a session"
    await play.told(cast.issuer, "session-denied", expected, reason="revoked", person=ADA)
    await play.counts({"foreign_advert": 1})
    play.check()
    play.leave("guest")
    await _given_back(play)
    return Outcome(
        "its tokens are nobody's, and it gets no session",
        (
            Latency("typed to acknowledged", done.at - began),
            Latency("sent to acknowledged", done.at - sent.at),
        ),
    )


async def _given_back(play: Play) -> None:
    """The phone is found: all is as before, but with a new session."""
    cast, old = play.cast, session_of_ada(play)
    play.act("demo", "the phone is found; Ada switches it off and on")
    await types(play, "operator", "issuer", "guest", "resume", ADA)
    await cast.restart(cast.guest)
    obtained = await play.told(cast.guest, "session-obtained", "Ada to obtain a session")
    session = str(obtained.fields["session"])
    if session == old:
        raise Stumble("Ada to obtain a new session", "it is the old one")
    expected = "the session to reach the lock"
    await play.told(cast.lock, "session-received", expected, session=session)


def session_of_ada(play: Play) -> str:
    """The session that Ada's phone obtained last. Raises Stumble."""
    for told in reversed(play.cast.guest.events):
        if told.kind == "session-obtained":
            return str(told.fields["session"])
    raise Stumble("Ada to have a session", "she never had one")


STOLEN: Final = Scene(
    "A phone is stolen, and revoked",
    "The keys in it are good. But they are a guest's, and who that is can be looked up.",
    stolen,
)
