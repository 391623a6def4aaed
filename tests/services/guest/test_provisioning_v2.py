"""How an enrolled guest gets a session, and what it believes on the way."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from blelockd.protocol.instants import Instant
from blelockd.protocol.v2.answer import RefusalCode, Refused, Times
from blelockd.protocol.v2.cards import IssuerCard
from blelockd.protocol.v2.ec_keys import IssuerSealKey
from blelockd.protocol.v2.frames import frames
from blelockd.protocol.v2.headers import denied, req_id
from blelockd.protocol.v2.tokens import Presented
from blelockd.services.guest.dialogue import Issuer
from blelockd.services.guest.provisioning import (
    Carried,
    Obstacle,
    ProvisioningFailed,
    ProvisioningLimits,
)
from blelockd.services.guest.provisioning_v2 import V2Identity, V2Provisioning
from blelockd.services.ports import CharacteristicWrite, IssuerMark
from tests.fakes import enrolled as party
from tests.fakes.central import FakeCentral, FakePeripheral
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.scripted_issuer import AT_NOON, ScriptedIssuer

QUICK = ProvisioningLimits(response_seconds=1.5, patience_seconds=0.05)


class Corridor:
    """A guest that has enrolled, and an issuer that says what the test wants."""

    def __init__(
        self,
        mtu: int = 247,
        pinned: IssuerCard = party.ISSUER_CARD,
        limits: ProvisioningLimits = QUICK,
    ) -> None:
        self.peripheral = FakePeripheral()
        self.issuer = ScriptedIssuer(self.peripheral)
        self.clock = FakeClock()
        self.central = FakeCentral(self.peripheral, mtu=mtu)
        self.provisioning = V2Provisioning(
            Issuer(self.central, IssuerMark(name="IssuerBeacon"), limits, self.clock),
            V2Identity(party.GSK, pinned, Presented(-70, intent=True)),
            self.clock,
            party.fresh,
        )
        self.steps: list[str] = []

    async def obtain(self) -> Carried:
        return await self.provisioning.obtain(party.DOOR, self.steps.append)

    async def fails(self) -> ProvisioningFailed:
        with pytest.raises(ProvisioningFailed) as caught:
            await self.obtain()
        assert self.central.connected == 0
        return caught.value

    def requests(self) -> list[str]:
        """By what the issuer's journal knows what it was asked."""
        return [req_id(message).hex() for message in self.issuer.heard]


@pytest.mark.parametrize("mtu", [23, 100, 517])
async def test_a_guest_gets_the_session_and_states_its_power_and_intent(mtu: int) -> None:
    here = Corridor(mtu)
    carried = await here.obtain()
    session = carried.session
    assert (session.session_id, session.lock_id) == (party.GRANTED.session_id, party.DOOR)
    token = session.scheme.token(session.slot_at(NOON)).reveal()
    assert session.scheme.claims(token) == replace(
        session.scheme.claims(token), tx_power_dbm=-70, intent=True
    )
    assert here.central.connected == 0
    assert here.steps == [
        "looking for the issuer",
        "connecting to the issuer at issuer",
        f"asking for a session with {party.DOOR}",
    ]


async def test_what_is_asked_is_told_under_seal_alone() -> None:
    here = Corridor()
    await here.obtain()
    asked = here.issuer.request(here.issuer.heard[0])
    assert (asked.guest_id, asked.lock_id, asked.ttl_seconds) == (party.GUEST_ID, party.DOOR, 0)
    assert str(party.DOOR).encode() not in here.issuer.heard[0]
    assert party.GUEST_ID.raw not in here.issuer.heard[0]


async def test_no_two_requests_have_a_key_or_nonce_in_common() -> None:
    here = Corridor()
    for _ in range(2):
        await here.obtain()
    one, two = (here.issuer.request(message) for message in here.issuer.heard)
    assert one.ephemeral != two.ephemeral
    assert one.nonce != two.nonce


@pytest.mark.parametrize("skew_ms", [-86_400_000, -3000, 0, 86_400_000])
async def test_slots_and_end_are_counted_in_the_issuers_time(skew_ms: int) -> None:
    """However wrong the guest's wall clock is, and whatever is done to it later."""
    here = Corridor()
    here.clock.step(skew_ms)
    carried = await here.obtain()
    assert carried.now() == NOON
    here.clock.step(-3_600_000)
    await here.clock.pass_(60.0)
    assert carried.now() == NOON + 60_000
    assert carried.left_ms == 240_000


async def test_a_denial_is_believed_when_nothing_better_follows() -> None:
    here = Corridor()
    here.issuer.answers = lambda message: [denied(message), here.issuer.grant(message)]
    assert (await here.obtain()).session.session_id == party.GRANTED.session_id
    here.issuer.answers = lambda message: [denied(message)]
    failure = await here.fails()
    assert (failure.obstacle, failure.temporary) == (Obstacle.DENIED, True)
    assert here.central.avoided == ["issuer"]
    assert failure.trace == here.requests()[-1]


async def test_what_is_for_others_or_of_others_is_passed_over() -> None:
    here = Corridor()
    elsewhere = party.a_req()

    def answers(message: bytes) -> list[bytes]:
        mine = here.issuer.grant(message)
        here.issuer.signing_key = party.OTHER_ISK
        forged = here.issuer.grant(message)
        return [denied(elsewhere), party.an_rsp(elsewhere), b"junk", forged, mine[:-1], mine]

    here.issuer.answers = answers
    assert (await here.obtain()).session.session_id == party.GRANTED.session_id


async def test_half_of_anothers_answer_does_not_spoil_ours() -> None:
    here = Corridor()
    whole = here.peripheral.on_write
    assert whole is not None

    async def interrupted(write: CharacteristicWrite) -> None:
        await here.peripheral.notify(write.device, [b"\x81\x00\x02\x43" + b"x" * 200])
        await whole(write)

    here.peripheral.on_write = interrupted
    assert (await here.obtain()).session.session_id == party.GRANTED.session_id


@pytest.mark.parametrize("mtu", [23, 100, 247])
async def test_frames_that_overtake_each_other_are_sorted(mtu: int) -> None:
    here = Corridor(mtu)
    here.peripheral.frames_overtake = True
    assert (await here.obtain()).session.session_id == party.GRANTED.session_id


def frames_that_all_fit(count: int) -> list[bytes]:
    """Each goes on with many that went before, and what they make is no answer."""
    parts = (part for fill in range(256) for part in frames(bytes([fill]) * 64, 8))
    return list(islice(parts, count))


async def test_frames_that_fit_in_too_many_ways_are_malformed() -> None:
    here = Corridor(limits=replace(QUICK, response_seconds=60.0))

    async def impostor(write: CharacteristicWrite) -> None:
        await here.peripheral.notify(write.device, frames_that_all_fit(2048))

    here.peripheral.on_write = impostor
    failure = await here.fails()
    assert failure.obstacle is Obstacle.MALFORMED
    assert failure.reason == "the answer is malformed: its frames fit together in too many ways"
    assert here.central.avoided == ["issuer"]


async def test_an_impostor_is_named() -> None:
    here = Corridor()
    here.issuer.signing_key = party.OTHER_ISK
    assert (await here.fails()).obstacle is Obstacle.IMPOSTOR
    assert here.central.avoided == ["issuer"]


async def test_a_grant_for_another_lock_is_not_ours() -> None:
    here = Corridor()
    other = replace(AT_NOON, terms=replace(AT_NOON.terms, lock_id=party.OTHER_DOOR))
    here.issuer.answers = lambda message: [here.issuer.grant(message, other)]
    assert (await here.fails()).obstacle is Obstacle.IMPOSTOR


async def test_another_issuer_is_told_nothing() -> None:
    here = Corridor(pinned=IssuerCard(party.OTHER_ISK.public_key, party.IEK_PUBLIC))
    assert (await here.fails()).obstacle is Obstacle.OTHER_ISSUER
    assert here.issuer.heard == []
    assert here.central.avoided == ["issuer"]


async def test_an_issuer_that_has_changed_its_sealing_key_is_told_nothing() -> None:
    stranger = IssuerSealKey.derive(party.seed("other_iek")).public_key
    here = Corridor(pinned=IssuerCard(party.ISK_PUBLIC, stranger))
    failure = await here.fails()
    assert (failure.obstacle, failure.trace) == (Obstacle.OTHER_ISSUER, "")
    assert here.issuer.heard == []


async def test_no_issuer_in_range_is_out_of_reach() -> None:
    here = Corridor()
    here.central.peripheral = None
    assert (await here.fails()).obstacle is Obstacle.OUT_OF_REACH


async def test_silence_is_told() -> None:
    here = Corridor()
    here.issuer.answers = lambda _message: []
    here.provisioning.limits = ProvisioningLimits(response_seconds=0.3)
    failure = await here.fails()
    assert failure.obstacle is Obstacle.SILENT
    assert here.central.avoided == ["issuer"]
    assert failure.trace == here.requests()[-1]


@pytest.mark.parametrize("info", [b"", b"\x01" + party.INFO.encode()[1:]])
async def test_what_is_not_info_is_malformed(info: bytes) -> None:
    here = Corridor()
    here.issuer.info = info
    assert (await here.fails()).obstacle is Obstacle.MALFORMED
    assert here.central.avoided == ["issuer"]


@pytest.mark.parametrize("lives_ms", [0, 86_400_000 + 1000])
async def test_a_session_that_is_over_or_lives_for_days_is_not_taken(lives_ms: int) -> None:
    here = Corridor()
    terms = replace(AT_NOON.terms, not_after=Instant(NOON + lives_ms))
    here.issuer.answers = lambda message: [
        here.issuer.grant(message, replace(AT_NOON, terms=terms))
    ]
    assert (await here.fails()).obstacle is Obstacle.MALFORMED


async def test_an_issuer_that_kept_the_request_longer_than_we_waited_is_not_believed() -> None:
    here = Corridor()
    times = Times(NOON, Instant(NOON + 60_000))
    here.issuer.answers = lambda message: [
        here.issuer.grant(message, replace(AT_NOON, times=times))
    ]
    assert (await here.fails()).obstacle is Obstacle.MALFORMED


@pytest.mark.parametrize("code", RefusalCode)
async def test_each_refusal_says_what_is_in_the_way(code: RefusalCode) -> None:
    here = Corridor()
    refused = Refused(code, 90, party.TIMES, party.DOOR)
    here.issuer.answers = lambda message: [here.issuer.refuse(message, refused)]
    failure = await here.fails()
    assert failure.obstacle.name == code.name
    assert here.central.avoided == []
    assert failure.retry_seconds == 90
    assert failure.trace == here.requests()[-1]
    final = ("LIFETIME", "REVOKED", "USES_SPENT", "NOT_ALLOWED", "LOCK_UNABLE")
    assert failure.temporary is (code.name not in final)
