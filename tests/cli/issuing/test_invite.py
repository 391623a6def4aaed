"""An invite: a secret to scan or to type, good once; what it gives is what was asked for."""

from __future__ import annotations

import re
from typing import Any

import pytest

from blelockd.cli.exits import Exit
from blelockd.cli.issuing import qr
from blelockd.cli.issuing.store import now
from blelockd.protocol.v2.invites import INVITE_SECONDS, Invite, InviteKey, InviteSecret
from blelockd.services.issuer.access import Grant
from tests.cli.home import BACK, FRONT, HOUR_MS, Home
from tests.fakes import enrolled as cast

TEXT = re.compile(r"BLELOCK2:[A-Z2-7]{170}")
TYPED = re.compile(r"or typed: ((?:[0-9A-Z]{4}-){3}[0-9A-Z]{4})\n")
ZONE = "{time_zone: Europe/Berlin}"


def keys_in(told: str) -> list[InviteKey]:
    """The keys of the secrets that an operator sees."""
    text, typed = TEXT.search(told), TYPED.search(told)
    assert text is not None
    assert typed is not None
    invite = Invite.parse(text[0])
    assert invite == Invite.by(cast.ISK_PUBLIC, cast.IEK_PUBLIC, invite.secret)
    return [invite.secret.key(), InviteSecret.from_typed(typed[1]).key()]


def granted(home: Home, *argv: str) -> Grant:
    status, told = home.run("guest", "invite", "Ada", *argv)
    assert status == Exit.OK, told
    with home.store() as store:
        (invite,) = store.guests.invites(now())
        assert store.guests.open_invite(keys_in(told)[0].invite_id(), now())
    return invite.grant


def test_one_secret_is_scanned_and_one_typed_and_one_of_them_is_used(home: Home) -> None:
    home.lock(FRONT)
    before = now()
    status, told = home.run("guest", "invite", "Ada", "--locks", "front")
    assert status == Exit.OK
    assert "`sudo blelock-guest enrol`" in told
    scanned, typed = keys_in(told)
    with home.store() as store:
        for key in (scanned, typed):
            found = store.guests.open_invite(key.invite_id(), now())
            assert found is not None
            assert (found.person, found.key) == ("Ada", key)
            assert before <= found.expires - 1000 * INVITE_SECONDS <= now()
        store.guests.enrol(typed.invite_id(), cast.GSK_PUBLIC, "phone", now())
        assert store.guests.open_invite(scanned.invite_id(), now()) is None


def test_no_two_invites_are_alike(home: Home) -> None:
    keys = [key for _ in range(3) for key in keys_in(home.run("guest", "invite", "Ada")[1])]
    assert len({key.reveal() for key in keys}) == 6


def test_a_secret_is_nowhere_but_on_the_terminal(home: Home) -> None:
    _, told = home.run("guest", "invite", "Ada")
    text = TEXT.search(told)
    assert text is not None
    secret = Invite.parse(text[0]).secret.reveal()
    for file in home.state.iterdir():
        assert secret not in file.read_bytes()


@pytest.mark.parametrize(
    ("argv", "grant"),
    [
        ((), Grant(frozenset())),
        (("--locks", "front,back"), Grant(frozenset([FRONT, BACK]))),
        (("--locks", "everywhere"), Grant(None)),
        (("--uses", "3", "--lifetime", "60"), Grant(frozenset(), uses=3, lifetime_seconds=60)),
        (("--lifetime", "15m"), Grant(frozenset(), lifetime_seconds=900)),
    ],
)
def test_an_invite_gives_what_was_asked_for(
    home: Home, argv: tuple[str, ...], grant: Grant
) -> None:
    home.lock(FRONT, BACK)
    assert granted(home, *argv) == grant


@pytest.mark.parametrize(
    ("valid", "since", "until"),
    [
        ("2030-12-01..2030-12-24", 1922310000, 1924383600),
        ("2030-12-01", 1922310000, 1922396400),
        ("2030-12-01 08:00..2030-12-01 18:00", 1922338800, 1922374800),
        ("2030-12-01..", 1922310000, None),
        ("..2030-12-01", None, 1922396400),
    ],
)
def test_dates_are_read_in_the_zone_of_the_policy(
    tmp_path: Any, capsys: Any, valid: str, since: int | None, until: int | None
) -> None:
    grant = granted(Home(tmp_path, capsys, ZONE), "--valid", valid)
    assert grant.valid_from == (since and since * 1000)
    assert grant.valid_until == (until and until * 1000)


def test_a_lock_that_is_not_known_is_told_with_how_to_make_it_known(home: Home) -> None:
    status, told = home.run("guest", "invite", "Ada", "--locks", "front")
    assert status == Exit.DATA
    assert "there is no lock front" in told
    assert "`blelock-lock card > FILE` there, then `blelock-issuer lock add FILE`" in told


@pytest.mark.parametrize(("valid", "hours"), [("90m", 1.5), ("8h", 8), ("3d", 72), ("2w", 336)])
def test_a_stretch_of_time_begins_now(home: Home, valid: str, hours: float) -> None:
    before = now()
    grant = granted(home, "--valid", valid)
    assert grant.valid_from is not None
    assert grant.valid_until is not None
    assert before <= grant.valid_from <= now()
    assert grant.valid_until - grant.valid_from == hours * HOUR_MS


@pytest.mark.parametrize(
    "argv",
    [
        ("--valid", "soon"),
        ("--valid", "2030-02-30"),
        ("--valid", "2030-12-24..2030-12-01"),
        ("--valid", "..2020-01-01"),
        ("--uses", "0"),
        ("--uses", "many"),
        ("--lifetime", "5"),
        ("--lifetime", "25h"),
        ("--lifetime", "soon"),
        ("--locks", "a/b"),
        ("--locks", "front,"),
    ],
)
def test_what_makes_no_sense_invites_nobody(home: Home, argv: tuple[str, ...]) -> None:
    assert home.run("guest", "invite", "Ada", *argv)[0] == Exit.USAGE
    with home.store() as store:
        assert store.guests.invites(now()) == []


def test_a_lock_that_is_not_known_invites_nobody(home: Home) -> None:
    home.lock(FRONT)
    status, told = home.run("guest", "invite", "Ada", "--locks", "frnt")
    assert status == Exit.DATA
    assert "did you mean front?" in told
    with home.store() as store:
        assert store.guests.invites(now()) == []


def test_a_guest_who_could_open_nothing_is_told_of(tmp_path: Any, capsys: Any) -> None:
    rules = "{people: {Bob: {}}, rules: {all: {who: [Bob], locks: [everywhere]}}}"
    home = Home(tmp_path, capsys, rules)
    assert "without --locks they open nothing" in home.run("guest", "invite", "Ada")[1]
    assert "open nothing" not in home.run("guest", "invite", "Bob")[1]


def test_without_keys_nobody_is_invited(home: Home) -> None:
    (home.file.parent / "keys" / "iek.pem").unlink()
    status, told = home.run("guest", "invite", "Ada")
    assert status == Exit.NO_INPUT
    assert "`blelock-issuer keygen`" in told
    assert not home.state.exists()


# --- the QR code -------------------------------------------------------------------------------


def test_a_qr_code_is_drawn_as_it_is() -> None:
    text = Invite.by(cast.ISK_PUBLIC, cast.IEK_PUBLIC, cast.SECRET).text()
    rows = qr.matrix(text)
    assert len(rows) == len(rows[0]) <= 53
    assert not any(any(row) for row in (*rows[:4], *rows[-4:]))  # the quiet zone
    drawn = []
    for line in qr.in_terminal(text).splitlines():
        blocks = line.removeprefix("\x1b[38;5;16;48;5;231m").removesuffix("\x1b[0m")
        drawn.append([block in "\u2580\u2588" for block in blocks])
        drawn.append([block in "\u2584\u2588" for block in blocks])
    assert drawn[: len(rows)] == [list(row) for row in rows]
    assert not any(any(row) for row in drawn[len(rows) :])


def test_other_texts_are_other_codes() -> None:
    assert qr.matrix("BLELOCK2:A") != qr.matrix("BLELOCK2:B")
