"""What the issuer says has its effect once; what anybody else says, or said long ago, has none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blelockd.protocol.ids import SessionId
from blelockd.protocol.instants import Instant, Slot
from blelockd.protocol.v2.down import EventAck, Revoke, Time
from blelockd.protocol.v2.gate import Why
from blelockd.protocol.v2.reports import Ack, Hello
from blelockd.protocol.verdict import Reason
from blelockd.services.events import EventKind
from blelockd.services.tally import Counted
from tests.fakes.clock import settle
from tests.fakes.enrolled import DOOR, IEK, LOCK_CARD, OTHER_ISK, fresh
from tests.fakes.issuer_v2 import IssuerV2
from tests.fakes.lock_v2 import REARM_SECONDS, Town


async def test_a_guest_is_let_in_and_the_issuer_hears_of_it(town: Town) -> None:
    session = await town.learns()
    town.lock.hears(session)
    await town.pass_(0.1)
    assert len(town.lock.strike.releases) == 1
    assert town.issuer.kinds() == ["SESSION_LEARNT", "OPENED"]
    (unlock,) = town.lock.journal.of(EventKind.UNLOCK)
    assert unlock.fields["trace"] == session.session_id


async def test_the_same_token_opens_once(town: Town) -> None:
    session = await town.learns()
    token = town.lock.hears(session)
    await town.pass_(REARM_SECONDS + 1)
    town.lock.hears_bytes(token)
    town.lock.hears_bytes(token, address="C0:00:00:00:00:02")
    await town.pass_(0.1)
    assert len(town.lock.strike.releases) == 1


async def test_what_was_recorded_in_one_boot_is_worth_nothing_in_the_next(town: Town) -> None:
    session = await town.learns()
    token = town.lock.hears(session)
    await town.pass_(0.1)
    recorded = list(town.overheard)
    town.issuer.silent = True
    await town.restart()
    for envelope in recorded:
        await town.deliver(envelope)
    assert town.lock.counted(Counted.OTHER_EPOCH_ENVELOPE) == len(recorded)
    town.lock.hears_bytes(token)
    await town.pass_(1)
    assert len(town.lock.holdings) == 0
    assert town.lock.strike.releases == []
    assert town.lock.time.now() is None


async def test_a_token_of_before_the_restart_opens_nothing_after_it(town: Town) -> None:
    """It has gone so fast that the token would still be good."""
    session = await town.learns()
    token = town.lock.hears(session)
    next_slot = Slot(session.slot_at(town.time.now) + 1)
    ahead = session.scheme.token(next_slot).reveal()
    await town.restart()
    assert len(town.lock.holdings) == 1
    for payload in (token, ahead):
        town.lock.hears_bytes(payload)
    await town.pass_(0.1)
    assert town.lock.strike.releases == []
    assert Reason.JUST_STARTED in town.lock.journal.reasons()
    await town.pass_(3)
    town.lock.hears(session)
    await town.pass_(0.1)
    assert len(town.lock.strike.releases) == 1


async def test_everything_that_was_applied_is_dropped_when_it_comes_again(town: Town) -> None:
    session = await town.learns()
    await town.send(Revoke(session.session_id))
    for envelope in list(town.overheard):
        assert await town.deliver(envelope) == "APPLIED"
    assert town.lock.counted(Counted.SEEN_ENVELOPE) == len(town.overheard) // 2
    assert len(town.lock.holdings) == 0


async def test_an_envelope_that_was_overtaken_is_too_late(town: Town) -> None:
    first = town.issuer.envelope(town.issuer.a_session())
    await town.learns()
    assert await town.deliver(first) == "TOO_LATE"
    assert len(town.lock.holdings) == 1


@pytest.mark.parametrize("kind", ["forged", "malformed", "misaddressed", "changed"])
async def test_who_is_not_the_issuer_is_counted_and_not_answered(town: Town, kind: str) -> None:
    before = len(town.issuer.said)
    session = town.issuer.a_session()
    genuine = town.issuer.envelope(session)
    forger = IssuerV2(OTHER_ISK, IEK, LOCK_CARD, lambda: town.time.now)
    forger.view.epoch = town.lock.epoch
    issuer_id = town.issuer.card.signing_key.issuer_id
    why, sent = {
        "forged": (Why.FORGED, forger.envelope(session, seq=99, issuer_id=issuer_id)),
        "malformed": (Why.MALFORMED, genuine[:-1]),
        "misaddressed": (Why.MISADDRESSED, forger.envelope(session)),
        "changed": (Why.FORGED, genuine[:-1] + bytes([genuine[-1] ^ 1])),
    }[kind]
    await town.deliver(sent)
    assert town.lock.counted(Counted[f"{why.name}_ENVELOPE"]) == 1
    assert town.issuer.said[before:] == []
    assert len(town.lock.holdings) == 0


async def test_strangers_are_told_of_once_a_minute(town: Town) -> None:
    genuine = town.issuer.envelope(town.issuer.a_session())
    for number in range(50):
        await town.deliver(genuine[:-2] + bytes([number]) + genuine[-1:])
    assert town.lock.journal.reasons(EventKind.ENVELOPE_REFUSED) == ["forged"]
    await town.pass_(60)
    await town.deliver(genuine[:-2] + b"\x77" + genuine[-1:])
    assert town.lock.journal.reasons(EventKind.ENVELOPE_REFUSED) == ["forged"] * 2


async def test_a_session_for_another_lock_is_refused_whoever_signed_it(town: Town) -> None:
    mine = town.issuer.a_session()
    other = replace(mine, terms=replace(mine.terms, lock_id=type(DOOR)("back-door")))
    assert await town.send(other) == "WRONG_LOCK"
    assert town.lock.counted(Counted.WRONG_LOCK_ENVELOPE) == 1


async def test_replays_are_acknowledged_but_not_without_end(town: Town) -> None:
    await town.learns()
    last = town.overheard[-1]
    before = len(town.issuer.said_of(Ack))
    for _ in range(1000):
        town.to_lock(last)
    while town.lock.counted(Counted.SEEN_ENVELOPE) < 1000:
        await settle()
    await town.pass_(1)
    assert 50 <= len(town.issuer.said_of(Ack)) - before <= 120


async def test_a_fault_of_ours_loses_one_envelope_and_it_is_to_be_sent_anew(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stumble(message: object) -> None:
        raise RuntimeError("a slip of ours")

    monkeypatch.setattr(town.lock.holdings, "revoke", stumble)
    revoke = town.issuer.envelope(Revoke(None))
    with pytest.raises(RuntimeError):
        await town.lock.correspondence.on_envelope(revoke)
    monkeypatch.undo()
    assert await town.deliver(revoke) == "TOO_LATE"
    assert await town.send(Revoke(None)) == "APPLIED"


# --- time ----------------------------------------------------------------------------------------


async def test_without_the_issuers_time_no_session_is_taken_and_no_token_opens(town: Town) -> None:
    session = await town.learns()
    town.issuer.silent = True
    await town.restart()
    later = town.issuer.a_session()
    assert await town.send(later) == "NO_TIME"
    town.lock.hears_bytes(session.scheme.token(session.slot_at(town.time.now)).reveal())
    assert town.lock.counted(Counted.FOREIGN_ADVERT) == 1
    town.issuer.silent = False
    await town.pass_(15)
    assert len(town.lock.holdings) == 2


@pytest.mark.parametrize("off_ms", [-3_600_000, 3_600_000, -86_400_000, 31_536_000_000])
async def test_the_lock_goes_by_the_issuers_time_whatever_its_own_clock_says(
    town: Town, off_ms: int
) -> None:
    town.clock.step(off_ms)
    session = await town.learns()
    town.lock.hears(session)
    await town.pass_(0.1)
    assert len(town.lock.strike.releases) == 1
    now = town.lock.time.now()
    assert now is not None
    assert abs(now - town.time.now) <= 1000


async def test_a_time_that_answers_no_hello_of_this_lock_is_stale(town: Town) -> None:
    hello: Hello = town.issuer.said_of(Hello)[-1]
    far = Instant(town.time.now + 10_000_000)
    assert await town.send(Time(far, fresh(16), 900)) == "STALE"
    assert await town.send(Time(far, hello.hello_nonce, 900)) == "STALE"  # 10 s ago
    now = town.lock.time.now()
    assert now is not None
    assert abs(now - town.time.now) <= 1000


async def test_an_issuer_that_answers_too_late_is_asked_again(town: Town) -> None:
    town.issuer.silent = True
    await town.restart()
    for seconds in (1.9, 2.1):
        hello: Hello = town.issuer.said_of(Hello)[-1]
        while town.issuer.said_of(Hello)[-1] is hello:
            await town.pass_(0.1)
        hello = town.issuer.said_of(Hello)[-1]
        answer = town.issuer.answers_to(hello)[0]
        await town.pass_(seconds)
        assert await town.send(answer) == ("APPLIED" if seconds < 2 else "STALE")


async def test_the_time_that_was_taken_late_is_off_by_a_second_at_most(town: Town) -> None:
    town.issuer.silent = True
    await town.restart()
    hello: Hello = town.issuer.said_of(Hello)[-1]
    town.to_lock(town.issuer.envelope(town.issuer.answers_to(hello)[0]))
    await settle()
    assert town.lock.time.now() == town.time.now


async def test_an_acknowledgement_of_events_is_one_more_envelope(town: Town) -> None:
    town.issuer.deaf = True
    await town.learns()
    assert town.lock.log.waiting == 1
    assert await town.send(EventAck(town.lock.epoch, 1)) == "APPLIED"
    assert town.lock.log.waiting == 0
    assert await town.send(EventAck(fresh(16), 7)) == "APPLIED"


async def test_revoked_is_revoked_for_every_kind(town: Town) -> None:
    for whom in ("session", "guest", "all"):
        session = await town.learns(guest=b"g" * 16)
        message = {"session": session.session_id, "guest": session.guest_id, "all": None}[whom]
        assert await town.send(Revoke(message)) == "APPLIED"
        town.lock.hears_bytes(session.scheme.token(session.slot_at(town.time.now)).reveal())
        assert len(town.lock.holdings) == 0
    assert town.lock.strike.releases == []
    assert town.issuer.kinds().count("SESSION_REVOKED") == 3
    assert await town.send(Revoke(SessionId(bytes(16)))) == "APPLIED"
