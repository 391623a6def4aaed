"""Locks are known by a card whose fingerprint was compared, and can be listed and forgotten."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from blelockd.cli.exits import Exit
from blelockd.cli.issuing import store as cli_store
from blelockd.protocol.v2.cards import LockCard
from tests.adapters.keyring.files import write
from tests.cli.home import BACK, FRONT, Home, card_of
from tests.cli.terminal import Terminal
from tests.fakes import enrolled as cast

PRINT = str(card_of(FRONT).fingerprint())


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """The card of the front door, as somebody brought it over."""
    return write(tmp_path / "lock.card", card_of(FRONT).text().encode())


def test_a_lock_whose_fingerprint_was_compared_is_known(
    home: Home, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(PRINT[-9:] + "\n"))

    status, told = home.run("lock", "add", card)
    assert status == Exit.OK
    assert f"fingerprint of the card of the lock: {PRINT[:-9]}____ ____" in told
    assert "sudo blelock-lock card --fingerprint" in told
    assert "added lock front" in told
    with home.store() as store:
        known = store.locks.get(FRONT)
        assert known is not None
        assert known.card == card_of(FRONT)
    assert stat.S_IMODE((home.state / "issuer.db").stat().st_mode) == 0o600


def test_a_lock_that_was_not_confirmed_is_not_known(home: Home, card: Path) -> None:
    assert home.run("lock", "add", card, "--fingerprint", "0" * 32)[0] == Exit.DATA
    assert home.run("lock", "add", card)[0] == Exit.USAGE  # nobody is at the terminal
    assert not home.state.exists()


def test_the_same_card_again_changes_nothing(home: Home, card: Path) -> None:
    assert "added" in home.run("lock", "add", card, "--fingerprint", PRINT)[1]
    status, told = home.run("lock", "add", card, "--fingerprint", PRINT)
    assert (status, told.count("there already: lock front")) == (Exit.OK, 1)


def test_another_card_takes_its_place_only_on_demand(home: Home, card: Path) -> None:
    other = LockCard(FRONT, cast.OTHER_LEK.public_key, cast.LSK_PUBLIC)
    with home.store() as store:
        store.locks.add(other, cli_store.now())

    status, told = home.run("lock", "add", card, "--fingerprint", PRINT)
    assert status == Exit.CANNOT_CREATE
    assert "--replace" in told
    assert home.run("lock", "add", card, "--fingerprint", PRINT, "--replace")[0] == Exit.OK
    with home.store() as store:
        known = store.locks.get(FRONT)
        assert known is not None
        assert known.card == card_of(FRONT)


def test_an_issuers_card_is_no_locks(home: Home, tmp_path: Path) -> None:
    card = write(tmp_path / "issuer.card", cast.ISSUER_CARD.text().encode())
    status, told = home.run("lock", "add", card, "--fingerprint", PRINT)
    assert status == Exit.DATA
    assert "take what `blelock-lock card` prints" in told


def test_locks_are_listed_with_what_they_have_not_acknowledged(home: Home) -> None:
    assert "next: `blelock-issuer lock add CARD`" in home.run("lock", "list")[1]
    home.lock(FRONT, BACK)
    guest = home.guest("Ada", "phone")
    home.session(guest)
    with home.store() as store:
        store.locks.greet(BACK, cast.EPOCH, 0, cli_store.now())
        store.guests.suspend(guest.guest_id, cli_store.now())

    status, told = home.run("lock", "list")
    head, back, front = told.splitlines()
    assert status == Exit.OK
    assert head.split() == ["LOCK", "CARD", "ADDED", "HEARD", "PENDING"]
    assert back.startswith("back ")
    assert back.split()[-2:] == ["yes", "-"]
    assert PRINT in front
    assert front.split()[-2:] == ["never", "1"]


def test_a_lock_that_is_removed_is_told_to_forget_its_sessions(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_store, "_PATIENCE_SECONDS", 0.2)
    home.lock(FRONT, BACK)
    home.session(home.guest("Ada", "phone"))

    status, told = home.run("lock", "remove", "front")
    assert status == Exit.OK
    assert "removed lock front" in told
    assert "front: not acknowledged yet" in told
    status, told = home.run("lock", "remove", "back")
    assert "no lock has a session that must be ended" in told
    assert "no locks" in home.run("lock", "list")[1]


def test_a_lock_that_is_not_known_cannot_be_removed(home: Home) -> None:
    home.lock(FRONT)
    status, told = home.run("lock", "remove", "back")
    assert status == Exit.DATA
    assert "there is no lock back" in told
