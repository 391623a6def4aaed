"""What cannot be counted opens nothing, where uses are limited."""

from __future__ import annotations

from blelockd.protocol.verdict import Reason
from tests.fakes.clock import settle
from tests.services.lock.place import Place


async def test_without_room_to_count_it_a_session_of_limited_uses_opens_nothing(
    place: Place,
) -> None:
    limited, free = await place.town.learns(max_uses=1), await place.town.learns()
    place.issuer.deaf = True
    for _ in range(11):
        place.happens(100)
        await settle()
    place.town.lock.hears(limited)
    await settle()
    assert place.town.lock.journal.reasons() == [Reason.USES_SPENT]
    place.town.lock.hears(free)
    await place.town.pass_(1)
    assert len(place.town.lock.strike.releases) == 1
    place.issuer.deaf = False
    await place.town.pass_(130)
    place.town.lock.hears(limited)
    await place.town.pass_(1)
    assert len(place.town.lock.strike.releases) == 2


async def test_while_the_disk_fails_a_session_of_limited_uses_opens_nothing(place: Place) -> None:
    session = await place.town.learns(max_uses=1)
    place.disk.dead = True
    place.happens(1)
    await settle()
    place.town.lock.hears(session)
    await settle()
    assert place.town.lock.journal.reasons() == [Reason.USES_SPENT]
    place.disk.dead = False
    await place.town.pass_(20)
    place.town.lock.hears(session)
    await place.town.pass_(1)
    assert len(place.town.lock.strike.releases) == 1
