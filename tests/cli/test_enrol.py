"""`enrol`: what is asked of the person, before and after the issuer is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from blelockd.adapters.keyring import GSK, read_issuer_card
from blelockd.cli.exits import Exit
from blelockd.config import GuestConfig
from blelockd.protocol.v2.cards import IssuerCard
from blelockd.protocol.v2.invites import Invite, InviteSecret
from blelockd.services.guest.enrolment import Enrolment
from blelockd.services.guest.provisioning import Obstacle, ProvisioningFailed
from tests.cli.commands import config, status_of
from tests.fakes import enrolled as party

INVITE = Invite.by(party.ISK_PUBLIC, party.IEK_PUBLIC, party.SECRET)


class Counter:
    """An issuer that takes every invite, or none; keeps what it was shown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refusal: Exception | None = None) -> None:
        self.shown: list[tuple[Any, ...]] = []
        self._refusal = refusal
        monkeypatch.setattr(Enrolment, "enrol", lambda _self, *shown: self.enrol(*shown))

    async def enrol(self, *shown: Any) -> IssuerCard:
        """What is shown is the code, who is trusted, a label, and who hears each step."""
        self.shown.append(shown[:3])
        if self._refusal is not None:
            raise self._refusal
        shown[3]("showing the invite")
        return party.ISSUER_CARD


@pytest.fixture
def file(tmp_path: Path, keys: Path) -> Path:
    """The configuration of a guest that has its key."""
    keys.mkdir()
    GSK.make(keys)
    return config(tmp_path, "guest")


def test_who_enrols_trusts_that_issuer_from_then_on(
    file: Path, keys: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counter = Counter(monkeypatch)
    typed = party.TYPED.typed()

    argv = ("enrol", typed, "--label", "blue\x1b phone", "--config", file)
    assert status_of("guest", *argv) == Exit.OK
    assert counter.shown == [(party.TYPED, None, "blue phone")]
    assert read_issuer_card(keys / "issuer.card") == party.ISSUER_CARD
    told = capsys.readouterr()
    assert "s  showing the invite" in told.out
    assert str(party.ISSUER_CARD.fingerprint()) in told.out
    assert "next: `sudo blelock-guest unlock LOCK_ID`" in told.out
    assert typed not in told.out + told.err
    assert status_of("guest", *argv) == Exit.OK
    assert counter.shown[1][1] == party.ISSUER_CARD


@pytest.mark.parametrize("text", [INVITE.text(), party.TYPED.typed()])
def test_the_code_is_asked_for_where_it_is_not_given(
    text: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = Counter(monkeypatch)
    monkeypatch.setattr("sys.stdin", io.StringIO(f" {text} \n"))

    assert status_of("guest", "enrol", "--config", file) == Exit.OK
    assert isinstance(counter.shown[0][0], Invite | InviteSecret)


def test_another_issuer_is_trusted_only_when_that_is_said(
    file: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = IssuerCard(party.OTHER_ISK.public_key, party.IEK_PUBLIC)
    (keys / "issuer.card").write_text(other.text())
    (keys / "issuer.card").chmod(0o644)
    counter = Counter(monkeypatch)

    argv = ("enrol", INVITE.text(), "--config", file)
    assert status_of("guest", *argv) == Exit.CANNOT_CREATE
    assert counter.shown[0][1] == other
    assert status_of("guest", *argv, "--replace") == Exit.OK
    assert counter.shown[1][1] is None
    assert read_issuer_card(keys / "issuer.card") == party.ISSUER_CARD


@pytest.mark.parametrize("code", ["", "ABCD-EFGH", "UUUU-UUUU-UUUU-UUUU", "BLELOCK2:AAAA"])
def test_what_is_no_code_is_told_before_anybody_is_asked(
    code: str, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counter = Counter(monkeypatch)

    assert status_of("guest", "enrol", code, "--config", file) == Exit.DATA
    assert "blelock-issuer guest invite" in capsys.readouterr().err
    assert not counter.shown


def test_an_invite_that_is_not_taken_trusts_nobody(
    file: Path, keys: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Counter(monkeypatch, ProvisioningFailed("denied", Obstacle.DENIED))
    secret = InviteSecret(b"tentenbyte").typed()

    assert status_of("guest", "enrol", secret, "--config", file) == Exit.DATA
    assert "ten minutes" in capsys.readouterr().err
    assert not (keys / "issuer.card").exists()


def test_a_guest_of_version_1_is_told_how_to_use_what_it_has_got(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Counter(monkeypatch)
    v1 = config(tmp_path, "guest", "compat_v1: true\n")

    assert GuestConfig.load(v1).compat_v1
    assert status_of("guest", "enrol", INVITE.text(), "--config", v1) == Exit.OK
    assert "set `compat_v1: false`" in capsys.readouterr().out
