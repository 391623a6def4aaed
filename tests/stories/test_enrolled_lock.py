"""Version 2 at a real broker: an honest guest is let in, and whoever plays tricks is not."""

from __future__ import annotations

import asyncio

import pytest

from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.down import Revoke, Time
from blelockd.protocol.v2.envelope import envelope_id
from blelockd.protocol.v2.reports import Ack, Hello, LockStatus, Result
from tests.fakes.enrolled import IEK, LOCK_CARD, OTHER_ISK
from tests.fakes.issuer_v2 import IssuerV2
from tests.fakes.stranger import stranger
from tests.fakes.waiting import until
from tests.stories.enrolled_play import (
    DOWN,
    FAR_DBM,
    FIRST_SLOTS_SECONDS,
    EnrolledPlay,
    enrolled_play,
    wall_clock,
)

pytestmark = pytest.mark.timeout(120)


async def test_a_guest_is_let_in_and_the_issuer_has_the_whole_story() -> None:
    async with enrolled_play() as play:
        session = await play.learns(max_uses=1)
        told = await play.lets_in(session)
        assert told.fields["trace"] == told.fields["session"] == str(session.session_id)
        await play.audited()
        assert play.issuer.kinds()[-1] == "OPENED"
        assert play.opened() == [(str(session.session_id), told.fields["slot"])]
        await until(lambda: play.issuer.said_of(LockStatus))
        key = play.issuer.sessions[session.session_id].session_key.reveal()
        files = [file for file in (play.stage.directory / "state").rglob("*") if file.is_file()]
        state = b"".join(file.read_bytes() for file in files)
        assert key not in state
        assert key.hex() not in play.lock.log.read_text()


async def test_a_token_opens_once_and_from_afar_not_at_all() -> None:
    async with enrolled_play() as play:
        session, far = await play.learns(), await play.learns()
        await play.lets_in(session)
        opened = play.opened()
        for number in range(20):
            play.shows(play.token(session), f"C0:00:00:00:01:{number:02X}")
            play.shows(play.token(far), f"C0:00:00:00:02:{number:02X}", rssi_dbm=FAR_DBM)
        await play.lock.told("refusal", reason="too-far")
        await play.stays_shut(1)
        assert play.opened() == opened


async def test_a_brokers_log_played_again_after_a_reboot_opens_nothing() -> None:
    async with enrolled_play() as play:
        session = await play.learns()
        await play.lets_in(session)
        token, recorded = play.token(session), list(play.published)
        play.issuer.silent = True
        await play.kill()
        await play.greeted(2)
        for envelope in recorded:
            await play.publish(envelope)
        await play.counted("other_epoch_envelope", len(recorded))
        play.shows(token)
        play.shows(play.token(session))
        await play.stays_shut(1)
        assert not [event for event in play.lock.events if event.kind == "fault"]
        play.issuer.silent = False
        await play.lets_in(session, FIRST_SLOTS_SECONDS + 20)


async def test_the_log_of_this_boot_played_again_has_no_effect() -> None:
    async with enrolled_play() as play:
        session = await play.learns()
        assert await play.send(Revoke(session.session_id)) == "APPLIED"
        recorded = list(play.published)
        for envelope in recorded:
            await play.publish(envelope)
        await until(lambda: all(len(_results(play, envelope)) >= 2 for envelope in recorded))
        assert all(len(set(_results(play, envelope))) == 1 for envelope in recorded)
        play.shows(play.token(session))
        await play.stays_shut(1)


def _results(play: EnrolledPlay, envelope: bytes) -> list[Result]:
    """What the lock has said became of it, each time that it came."""
    acks = play.issuer.said_of(Ack)
    return [ack.result for ack in acks if ack.envelope_id == envelope_id(envelope)]


async def test_forged_time_and_time_for_another_hello_move_no_clock() -> None:
    async with enrolled_play() as play:
        session = await play.learns(lives_ms=20_000)
        hello: Hello = play.issuer.said_of(Hello)[-1]
        future = Instant(wall_clock() + 3_600_000)
        forger = IssuerV2(OTHER_ISK, IEK, LOCK_CARD, wall_clock)
        forger.view.epoch = hello.epoch
        issuer_id = play.issuer.card.signing_key.issuer_id
        forged = forger.envelope(Time(future, hello.hello_nonce, 900), seq=999, issuer_id=issuer_id)
        await play.publish(forged)
        await play.lock.told("envelope-refused", reason="forged")
        await asyncio.sleep(2.1)
        assert await play.send(Time(future, hello.hello_nonce, 900)) == "STALE"
        assert await play.send(Time(future, bytes(16), 900)) == "STALE"
        await play.lets_in(session)  # by the false time it would be over


async def test_a_broker_that_withholds_the_time_keeps_the_door_shut() -> None:
    async with enrolled_play() as play:
        session = await play.learns()
        play.withholds = True
        await play.kill()
        await play.greeted(2)
        play.shows(play.token(session))
        await play.lock.told("link-lost", part="time")
        play.shows(play.token(session))
        await play.stays_shut(1)
        withheld = list(play.published)
        play.withholds = False
        for envelope in withheld:  # let through at last: too late for a time
            await play.publish(envelope)
        await play.lets_in(session, FIRST_SLOTS_SECONDS + 20)


async def test_what_the_broker_withholds_of_revocations_ends_with_the_session() -> None:
    async with enrolled_play() as play:
        session = await play.learns(lives_ms=6000)
        play.withholds = True
        await play.publish(play.issuer.envelope(Revoke(session.session_id)))
        await play.lets_in(session)
        await play.lock.told("session-ended", 15)
        play.shows(play.token(session))
        await play.stays_shut(1)


async def test_strangers_with_junk_and_old_envelopes_do_not_stop_the_lock() -> None:
    async with enrolled_play() as play:
        session = await play.learns()
        genuine = play.published[-1]
        broker = play.stage.broker
        async with stranger(broker.host, broker.port, "junk") as junk:
            for number in range(300):
                await junk.publish(DOWN, genuine[:-2] + number.to_bytes(2, "big"))
                await junk.publish(DOWN, bytes([number & 0xFF]) * 4000)
            await play.lets_in(session)
        await play.counted("malformed_envelope", 300)
        await play.counted("forged_envelope", 299)
        refused = [event for event in play.lock.events if event.kind == "envelope-refused"]
        assert len(refused) == 1
        assert await play.send(Revoke(session.session_id)) == "APPLIED"


async def test_a_broker_that_dies_is_survived_and_the_lock_greets_it_again() -> None:
    async with enrolled_play() as play:
        session = await play.learns()
        greeted = len(play.issuer.said_of(Hello))
        play.stage.broker.kill()
        await play.lock.told("link-lost", part="broker")
        await play.lets_in(session)  # what the lock has, it has
        await asyncio.to_thread(play.stage.broker.start)
        await play.greeted(greeted + 1)
        await play.audited()
