"""Every bit of every message flipped, and every length from none to 64 more: none is accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from blelockd.protocol.errors import Malformed, Unauthentic
from blelockd.protocol.v2 import answer, enrolled
from blelockd.protocol.v2.down import DownMessage, EventAck, Revoke, Sync, Time
from blelockd.protocol.v2.enroll import SealedEnrolment
from blelockd.protocol.v2.gate import Dropped
from blelockd.protocol.v2.headers import Denied
from blelockd.protocol.v2.reports import Ack, Event, EventType, Hello, LockStatus, Result, UpMessage
from blelockd.protocol.v2.request import SealedRequest
from blelockd.protocol.v2.trusted_time import ClockState
from blelockd.protocol.v2.up import Report
from blelockd.protocol.verdict import Admit
from tests.attack.attacks import Attack, Effort, Outcome, rows
from tests.fakes import enrolled as cast
from tests.fakes.bare_lock import BareLock
from tests.fakes.clock import NOON
from tests.fakes.damage import every_damage

Reader = Callable[[bytes], object]
"""Returns if the message is accepted, raises what the protocol documents if it is not."""

REQ: Final = cast.a_req()
ENROLLING: Final = cast.an_enrolment()
ASK_CARD: Final = enrolled.write_card_request(cast.INFO)
REPORTS: Final[list[UpMessage]] = [
    Hello(cast.EPOCH, cast.HELLO_NONCE, 5, ClockState.CONFIRMED),
    Ack(cast.EPOCH, 4, Result.APPLIED, bytes(16)),
    Event(cast.EPOCH, 9, EventType.OPENED, cast.GRANTED.session_id, 3, -50, NOON),  # type: ignore[arg-type]
    LockStatus(cast.EPOCH, 5, ClockState.LAPSED, 3, 2, 1),
]
DOWN: Final[list[DownMessage]] = [
    cast.FOR_LOCK,
    Revoke(cast.GUEST_ID),
    Time(NOON, cast.HELLO_NONCE, 900),
    Sync(cast.HELLO_NONCE, 0, 1, (cast.FOR_LOCK,)),
    EventAck(cast.EPOCH, 3),
]


def at_the_issuer(raw: bytes) -> object:
    """The request that an issuer acts on."""
    sealed = SealedRequest.decode(raw)
    sealed.header.check_recipient(cast.INFO.issuer_id, cast.INFO.iek_id)
    check_challenge(sealed.header.challenge)
    return sealed.open(cast.IEK).verify(cast.GSK_PUBLIC)


def at_the_enrolment(raw: bytes) -> object:
    """The enrolment that an issuer acts on."""
    sealed = SealedEnrolment.decode(raw)
    sealed.header.check_recipient(cast.INFO.issuer_id, cast.INFO.iek_id)
    check_challenge(sealed.header.challenge)
    return sealed.open(cast.IEK).verify(cast.SECRET.key())


def check_challenge(challenge: bytes) -> None:
    """As the issuer asks its Challenges."""
    if challenge != cast.CHALLENGE:
        raise Malformed("the challenge is not the one that was given")


def at_the_guest(raw: bytes) -> object:
    """The answer that a guest believes."""
    return answer.read(raw, cast.asked(REQ), cast.ISK_PUBLIC)


def at_the_newcomer(raw: bytes) -> object:
    """The issuer that a newcomer pins."""
    return enrolled.read_enrolled(raw, ENROLLING, None)


def at_the_lock(raw: bytes) -> object:
    """The message that a lock applies."""
    verdict = cast.a_gate().take(raw, NOON)
    if isinstance(verdict, Dropped):
        raise Unauthentic(verdict.why)
    return verdict


def at_the_broker(raw: bytes) -> object:
    """The report that an issuer takes from a lock."""
    report = Report.decode(raw)
    if report.sender != cast.SENDER:
        raise Malformed("from somebody else")
    return report.open(cast.DOOR, cast.LSK_PUBLIC, cast.IEK)


MESSAGES: Final[dict[str, tuple[bytes, Reader]]] = {
    "REQ": (REQ, at_the_issuer),
    "ENROLL": (ENROLLING.request, at_the_enrolment),
    "RSP": (cast.an_rsp(REQ), at_the_guest),
    "RSP refused": (cast.an_rsp(REQ, cast.REFUSED), at_the_guest),
    "ENROLLED": (cast.an_enrolled(ENROLLING), at_the_newcomer),
    **{type(m).TYPE.name: (cast.an_envelope(m), at_the_lock) for m in DOWN},
    **{type(m).TYPE.name: (cast.a_report(m), at_the_broker) for m in REPORTS},
}


def accepted_of(tries: Iterator[bytes], reader: Reader) -> Outcome:
    """What `reader` accepts of `tries`."""
    cases = accepted = 0
    for damaged in tries:
        cases += 1
        try:
            reader(damaged)
        except (Malformed, Unauthentic, Denied):
            continue
        accepted += 1
    return Outcome(cases, accepted)


def damaged_message(name: str, _: Effort) -> Outcome:
    """Every damage of one message, which is accepted as it is."""
    raw, reader = MESSAGES[name]
    reader(raw)
    return accepted_of(every_damage(raw), reader)


def damaged_token(_: Effort) -> Outcome:
    """Every damage of a token, at a lock to which the token itself is good afterwards."""
    session = cast.FOR_LOCK.session()
    lock = BareLock()
    lock.learn(session)
    token = session.scheme.token(session.slot_at(NOON)).reveal()
    tried = [damaged for damaged in every_damage(token) if damaged != token]
    opened = sum(isinstance(lock.hears(damaged), Admit) for damaged in tried)
    if not isinstance(lock.hears(token), Admit):
        raise AssertionError("the token itself is refused")
    return Outcome(len(tried), opened)


ATTACKS: Final[list[Attack]] = [
    *rows("every bit, every length", {name: partial(damaged_message, name) for name in MESSAGES}),
    Attack("every bit, every length", "token", damaged_token),
]
