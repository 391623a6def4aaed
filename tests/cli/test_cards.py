"""Issuer and lock show who they are, and a lock believes whom its operator has compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from blelockd.adapters.keyring import IEK, ISK, LEK, LSK, KeyFileError, read_issuer_card
from blelockd.cli.exits import Exit
from blelockd.protocol.ids import LockId
from blelockd.protocol.v2.cards import IssuerCard, LockCard
from tests.adapters.keyring.files import mode, write
from tests.cli.commands import config, execute, status_of
from tests.cli.terminal import Terminal
from tests.fakes import enrolled as cast

WHOLE = str(cast.ISSUER_CARD.fingerprint())


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """The issuer's card, as somebody brought it over."""
    return write(tmp_path / "brought.card", cast.ISSUER_CARD.text().encode())


def issuer_with_published_keys(keys: Path) -> None:
    keys.mkdir()
    write(keys / ISK.file, cast.PEMS["isk"].encode())
    write(keys / IEK.file, cast.IEK.pem())


def test_a_lock_shows_its_card_and_the_fingerprint_beside_it(tmp_path: Path, keys: Path) -> None:
    LEK.make(keys)
    LSK.make(keys)

    ended = execute("lock", "card", "--config", config(tmp_path, "lock"))
    assert ended.returncode == Exit.OK
    card = LockCard.parse(ended.stdout)
    assert card.lock_id == LockId("front")
    assert card.seal_key == LEK.read(keys).public_key
    assert card.signing_key == LSK.read(keys).public_key
    assert ended.stderr == f"fingerprint {card.fingerprint()}\n"
    assert "PRIVATE" not in ended.stdout


def test_an_issuer_shows_its_card(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    issuer_with_published_keys(keys)

    assert status_of("issuer", "card", "--keys-directory", keys) == Exit.OK
    assert IssuerCard.parse(capsys.readouterr().out) == cast.ISSUER_CARD
    assert status_of("issuer", "card", "--fingerprint", "--keys-directory", keys) == Exit.OK
    assert capsys.readouterr().out == f"{WHOLE}\n"


@pytest.mark.parametrize("role", ["issuer", "lock"])
def test_without_keys_there_is_no_card(
    role: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(role, "card", "--config", config(tmp_path, role)) == Exit.NO_INPUT
    assert f"make it with `blelock-{role} keygen`" in capsys.readouterr().err


def test_a_lock_trusts_the_issuer_whose_fingerprint_was_compared(
    tmp_path: Path,
    keys: Path,
    card: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(f"{WHOLE[-9:].upper()}\n"))

    assert status_of("lock", "trust", card, "--config", config(tmp_path, "lock")) == Exit.OK
    told = capsys.readouterr().out
    assert f"fingerprint of the card of the issuer: {WHOLE[:-9]}____ ____" in told
    assert "on the machine of the issuer: sudo blelock-issuer card --fingerprint\n" in told
    assert f"trusted: {keys / 'issuer.card'}" in told
    assert read_issuer_card(keys / "issuer.card") == cast.ISSUER_CARD
    assert mode(keys / "issuer.card") == 0o644


@pytest.mark.parametrize("typed", ["0000 0000\n" * 3, "", "\n\n\n"])
def test_what_is_not_confirmed_is_not_trusted(
    typed: str,
    keys: Path,
    card: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))

    assert status_of("lock", "trust", card, "--keys-directory", keys) != Exit.OK
    told = capsys.readouterr()
    assert WHOLE[-9:] not in told.out + told.err
    assert "nothing was imported" in told.err
    assert not keys.exists()


def test_a_script_gives_the_whole_fingerprint(keys: Path, card: Path) -> None:
    argv = ("trust", card, "--keys-directory", keys, "--fingerprint")

    assert status_of("lock", *argv, "0" * 32) == Exit.DATA
    assert not keys.exists()
    assert status_of("lock", *argv, WHOLE) == Exit.OK
    assert read_issuer_card(keys / "issuer.card") == cast.ISSUER_CARD


def test_another_issuer_takes_its_place_only_on_demand(
    keys: Path, card: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.mkdir()
    other = IssuerCard(cast.OTHER_ISK.public_key, cast.IEK_PUBLIC)
    write(keys / "issuer.card", other.text().encode(), 0o644)
    argv = ("trust", card, "--keys-directory", keys, "--fingerprint", WHOLE)

    assert status_of("lock", *argv) == Exit.CANNOT_CREATE
    assert "--replace" in capsys.readouterr().err
    assert read_issuer_card(keys / "issuer.card") == other
    assert status_of("lock", *argv, "--replace") == Exit.OK
    assert read_issuer_card(keys / "issuer.card") == cast.ISSUER_CARD
    assert status_of("lock", *argv) == Exit.OK
    assert "there already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (cast.LOCK_CARD.text(), "this is not the card of an issuer"),
        (cast.PEMS["isk"], "this is a private key, which never leaves its machine"),
        ("", "not the card"),
        ("\u00e9\u001b[31m", "not the card"),
        ("x" * 100_000, "at most 4096 characters"),
    ],
)
def test_what_is_no_issuers_card_is_refused(
    content: str, problem: str, keys: Path, card: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card.write_text(content)

    assert status_of("lock", "trust", card, "--keys-directory", keys) == Exit.DATA
    told = capsys.readouterr().err
    assert problem in told
    assert "take what `blelock-issuer card` prints" in told
    with pytest.raises(KeyFileError):
        read_issuer_card(keys / "issuer.card")


def test_a_card_that_is_not_there_is_told_with_the_remedy(
    keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("trust", tmp_path / "none", "--keys-directory", keys)
    assert status_of("lock", *argv) == Exit.NO_INPUT
    assert "`sudo blelock-issuer card` prints it" in capsys.readouterr().err
