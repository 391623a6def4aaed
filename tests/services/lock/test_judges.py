"""Each version's tokens are judged by their own clock, and none by a clock that is not known."""

from __future__ import annotations

from blelockd.protocol.instants import Instant
from blelockd.protocol.verdict import Admit, Reason, Refuse
from blelockd.protocol.verifier import Rules, Verifier
from blelockd.services.lock.judges import Judges
from blelockd.services.ports import Sighting
from tests.fakes.bare_lock import LONG_AGO, NEAR, PHONE
from tests.fakes.clock import NOON
from tests.fakes.enrolled import a_v2_session, at_noon
from tests.fakes.sessions import a_session, token_at

IN_1970 = Instant(50_000)


def heard(payload: bytes) -> Sighting:
    return Sighting(payload, str(PHONE), NEAR)


class Both:
    """A lock whose wall clock stands in 1970, while the issuer says that it is noon."""

    def __init__(self, trusted: Instant | None = NOON) -> None:
        self.v1, self.v2 = Verifier(Rules(), Instant(0)), Verifier(Rules(), LONG_AGO)
        self.session_v1, self.session_v2 = a_session(at=IN_1970), a_v2_session()
        self.v1.learn(self.session_v1, IN_1970)
        self.v2.learn(self.session_v2, NOON)
        self.v1.advance(IN_1970, 9)
        self.v2.advance(NOON, 9)
        self.judges = Judges((self.v2, lambda: trusted), (self.v1, lambda: IN_1970))


def test_each_token_is_judged_by_the_time_its_session_lives_by() -> None:
    here = Both()
    first, by_the_wall = here.judges.judge(heard(token_at(here.session_v1, IN_1970)))
    second, by_the_issuer = here.judges.judge(heard(at_noon(here.session_v2)))
    assert (by_the_wall, by_the_issuer) == (IN_1970, NOON)
    assert isinstance(first, Admit)
    assert isinstance(second, Admit)
    assert (first.session_id, second.session_id) == (
        here.session_v1.session_id,
        here.session_v2.session_id,
    )


def test_a_refusal_is_that_of_the_verifier_which_knows_the_token() -> None:
    here = Both()
    token = at_noon(here.session_v2)
    here.judges.judge(heard(token))
    again, _ = here.judges.judge(heard(token))
    assert isinstance(again, Refuse)
    assert again.reason is Reason.REPEAT


def test_without_the_issuers_time_no_token_of_version_2_is_even_known() -> None:
    here = Both(trusted=None)
    verdict, _ = here.judges.judge(heard(at_noon(here.session_v2)))
    assert verdict == Refuse(Reason.UNKNOWN)
    assert isinstance(here.judges.judge(heard(token_at(here.session_v1, IN_1970)))[0], Admit)


def test_who_is_no_guest_is_a_stranger_to_both() -> None:
    here = Both()
    for payload in (b"", bytes(16), bytes(20), bytes(31)):
        assert here.judges.judge(heard(payload))[0] == Refuse(Reason.UNKNOWN)
    assert Judges().judge(heard(bytes(20)))[0] == Refuse(Reason.UNKNOWN)
