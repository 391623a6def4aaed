"""Another lock with the same keys takes the issuer's ear: this one has it back, and no storm."""

from __future__ import annotations

from typing import Final

from blelockd.protocol.ids import GuestId
from blelockd.protocol.v2.down import Revoke
from blelockd.protocol.v2.reports import Hello
from blelockd.protocol.v2.trusted_time import ClockState
from blelockd.services.events import EventKind, Severity
from blelockd.services.lock.rivalry import RATION_SECONDS, UNHEARD_SECONDS
from blelockd.services.tally import Counted
from tests.fakes.enrolled import fresh
from tests.fakes.lock_v2 import REARM_SECONDS, Town

NOBODY: Final = GuestId(b"n" * 16)


def another_greets(town: Town) -> None:
    """A second lock with these keys says HELLO; it has nothing else to say."""
    assert town.issuer.view.greet(Hello(fresh(16), fresh(16), 0, ClockState.NONE))


def epochs(town: Town) -> int:
    """How many this lock has named."""
    return len({hello.epoch for hello in town.issuer.said_of(Hello)})


async def test_who_was_revoked_meanwhile_is_refused_and_who_came_is_known(town: Town) -> None:
    revoked, meanwhile = await town.learns(), town.issuer.a_session()
    another_greets(town)
    await town.pass_(1)
    del town.issuer.sessions[revoked.session_id]
    await town.send(Revoke(revoked.session_id))
    await town.pass_(1)
    assert len(town.lock.holdings) == 1
    for session in (revoked, meanwhile.session()):
        town.lock.hears(session)
        await town.pass_(REARM_SECONDS + 1)
    unlocks = town.lock.journal.of(EventKind.UNLOCK)
    assert [unlock.fields["session"] for unlock in unlocks] == [meanwhile.session_id]
    assert town.lock.log.waiting == 0
    (told,) = town.lock.journal.of(EventKind.RIVAL)
    assert told.severity is Severity.ERROR
    assert "another lock with these keys is running, or was" in told.message


async def test_a_token_that_was_spent_before_opens_nothing_after_it(town: Town) -> None:
    session = await town.learns()
    token = town.lock.hears(session)
    await town.pass_(0.1)
    another_greets(town)
    await town.pass_(0.1)
    await town.send(Revoke(NOBODY))
    await town.pass_(0.1)
    assert epochs(town) == 2
    town.lock.hears_bytes(token, address="C0:00:00:00:00:02")
    await town.pass_(REARM_SECONDS)
    assert len(town.lock.strike.releases) == 1


async def test_the_door_opens_while_the_issuer_is_not_heard(town: Town) -> None:
    session = await town.learns()
    another_greets(town)
    await town.pass_(0.1)
    town.issuer.silent = True
    await town.send(Revoke(NOBODY))
    await town.pass_(1)
    assert epochs(town) == 2
    town.lock.hears(session)
    await town.pass_(0.1)
    assert len(town.lock.strike.releases) == 1


async def test_two_that_live_do_not_outdo_each_other_all_the_time(town: Town) -> None:
    for _ in range(300):
        another_greets(town)
        await town.pass_(1)
        town.to_lock(town.issuer.envelope(Revoke(NOBODY)))
    assert 3 <= epochs(town) <= 2 + 300 / RATION_SECONDS
    assert len(town.lock.journal.of(EventKind.RIVAL)) == epochs(town) - 1


async def test_what_was_recorded_is_no_other_lock(town: Town) -> None:
    await town.learns()
    await town.restart()
    another_greets(town)
    await town.pass_(0.1)
    await town.send(Revoke(None))
    await town.pass_(RATION_SECONDS)
    assert epochs(town) == 3
    counted = town.lock.counted(Counted.OTHER_EPOCH_ENVELOPE)
    for envelope in list(town.overheard):
        await town.deliver(envelope)
    assert town.lock.counted(Counted.OTHER_EPOCH_ENVELOPE) > counted
    await town.pass_(10)
    assert epochs(town) == 3
    assert len(town.lock.journal.of(EventKind.RIVAL)) == 1


async def test_a_lock_that_was_passed_over_from_the_first_is_heard_at_last(town: Town) -> None:
    town.issuer.silent = True
    await town.restart()
    another_greets(town)
    town.issuer.silent = False
    before = epochs(town)
    await town.pass_(UNHEARD_SECONDS - 5)
    await town.send(Revoke(None))
    assert (epochs(town), town.lock.time.now()) == (before, None)
    await town.pass_(5)
    await town.send(Revoke(None))
    await town.pass_(0.1)
    assert epochs(town) == before + 1
    assert town.lock.time.now() is not None
