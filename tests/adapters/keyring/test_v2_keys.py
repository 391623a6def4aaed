"""The keys of version 2: a file for each use, as safe as those of version 1, and never mixed up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from blelockd.adapters.keyring import (
    GSK,
    IEK,
    ISK,
    LEK,
    LSK,
    KeyFileError,
    KeyFileExists,
    KeyFileMissing,
    Keyring,
    OwnKey,
    pin_issuer_card,
    read_issuer_card,
)
from blelockd.protocol.v2.cards import IssuerCard
from tests.adapters.keyring.files import mode, pem_of, write
from tests.adapters.keyring.spoiling import BAD_IN_ANY_CASE
from tests.fakes import enrolled as cast

PUBLISHED: Final[dict[str, tuple[OwnKey[Any], str]]] = {
    "isk": (ISK, cast.PEMS["isk"]),
    "lek": (LEK, cast.PEMS["lek"]),
    "iek": (IEK, cast.IEK.pem().decode()),
    "lsk": (LSK, cast.LSK.pem().decode()),
    "gsk": (GSK, cast.GSK.pem().decode()),
}
OTHER_ISSUER: Final = IssuerCard(cast.OTHER_ISK.public_key, cast.IEK_PUBLIC)


@pytest.fixture(params=PUBLISHED)
def own(request: pytest.FixtureRequest) -> OwnKey[Any]:
    return PUBLISHED[request.param][0]


@pytest.fixture
def file(tmp_path: Path, own: OwnKey[Any]) -> Path:
    """The key's file, with a good key in it."""
    return write(tmp_path / own.file, PUBLISHED[Path(own.file).stem][1].encode())


@pytest.mark.parametrize("key", [ISK, IEK, LEK, LSK, GSK], ids=lambda key: key.file)
def test_a_key_that_is_made_is_its_owners_alone_and_read_as_its_type(
    tmp_path: Path, key: OwnKey[Any]
) -> None:
    old = os.umask(0)
    try:
        key.make(tmp_path / "keys")
    finally:
        os.umask(old)

    assert os.listdir(tmp_path / "keys") == [key.file]
    assert mode(tmp_path / "keys" / key.file) == 0o600
    made = Keyring(tmp_path / "keys").own(key)
    assert repr(made) == f"<{type(made).__name__}>"
    with pytest.raises(KeyFileExists):
        key.make(tmp_path / "keys")
    assert key.read(tmp_path / "keys").public_key == made.public_key


def test_two_new_keys_differ(tmp_path: Path) -> None:
    GSK.make(tmp_path / "one")
    GSK.make(tmp_path / "two")

    assert GSK.read(tmp_path / "one").public_key != GSK.read(tmp_path / "two").public_key


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / GSK.file).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(KeyFileExists):
        GSK.make(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(("spoil", "problem"), BAD_IN_ANY_CASE)
def test_a_bad_key_file_is_refused_with_a_remedy(
    spoil: Callable[[Path], None], problem: str, own: OwnKey[Any], file: Path
) -> None:
    spoil(file)
    with pytest.raises(KeyFileError, match=problem) as caught:
        Keyring(file.parent).own(own)

    assert caught.value.path == file
    assert caught.value.remedy


@pytest.mark.parametrize("loose", [0o640, 0o604, 0o644, 0o610, 0o601])
def test_a_key_that_others_may_read_is_refused(own: OwnKey[Any], file: Path, loose: int) -> None:
    file.chmod(loose)

    with pytest.raises(KeyFileError, match="other users can read it"):
        Keyring(file.parent).own(own)


def test_what_systemd_hands_over_comes_first_and_may_have_its_mode(
    own: OwnKey[Any], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(file.parent))

    assert Keyring(file.parent / "keys").own(own)


WRONG: Final = {
    "an RSA key in place of a point": (IEK, PUBLISHED["isk"][1], "not a P-256 private key"),
    "a point in place of an RSA key": (LEK, PUBLISHED["lsk"][1], "not an RSA private key"),
    "a shorter RSA key": (
        ISK,
        pem_of(rsa.generate_private_key(65537, 2048)).decode(),
        "2048 bits; version 2 takes 3072",
    ),
    "another curve": (
        GSK,
        pem_of(ec.generate_private_key(ec.SECP384R1())).decode(),
        "not on the curve P-256",
    ),
    "a password": (
        LSK,
        pem_of(ec.generate_private_key(ec.SECP256R1()), password=b"secret").decode(),
        "encrypted",
    ),
    "a card": (LSK, cast.LOCK_CARD.text(), "not a PEM private key"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_key_of_another_type_is_refused(tmp_path: Path, case: str) -> None:
    key, content, problem = WRONG[case]
    write(tmp_path / key.file, content.encode())

    with pytest.raises(KeyFileError, match=problem) as caught:
        Keyring(tmp_path).own(key)
    assert "keygen" in caught.value.remedy


# --- the issuer's card -------------------------------------------------------------------------


@pytest.fixture
def card_file(tmp_path: Path) -> Path:
    return write(tmp_path / "issuer.card", cast.ISSUER_CARD.text().encode(), 0o644)


def test_a_pinned_issuer_is_there_for_all_to_read(tmp_path: Path) -> None:
    assert pin_issuer_card(cast.ISSUER_CARD, tmp_path / "keys" / "issuer.card") is True

    assert Keyring(tmp_path / "keys").issuer_card() == cast.ISSUER_CARD
    assert mode(tmp_path / "keys" / "issuer.card") == 0o644
    assert pin_issuer_card(cast.ISSUER_CARD, tmp_path / "keys" / "issuer.card") is False


def test_another_issuer_takes_its_place_only_on_demand(card_file: Path) -> None:
    with pytest.raises(KeyFileExists):
        pin_issuer_card(OTHER_ISSUER, card_file)
    assert read_issuer_card(card_file) == cast.ISSUER_CARD

    assert pin_issuer_card(OTHER_ISSUER, card_file, replace=True) is True
    assert read_issuer_card(card_file) == OTHER_ISSUER


def test_without_an_issuer_it_is_told_how_to_come_to_one(tmp_path: Path) -> None:
    with pytest.raises(KeyFileMissing, match="blelock-lock trust"):
        Keyring(tmp_path).issuer_card()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (cast.LOCK_CARD.text(), "not the card of an issuer"),
        (cast.ISSUER_CARD.text().replace("M", "*"), "damaged"),
        (cast.ISSUER_CARD.text()[:400], "not the card"),
        ("\u00e9" * 100, "not the card"),
    ],
)
def test_what_is_no_issuers_card_is_refused(card_file: Path, content: str, problem: str) -> None:
    card_file.write_text(content)
    with pytest.raises(KeyFileError, match=problem):
        read_issuer_card(card_file)


def test_a_card_that_others_may_change_is_refused(card_file: Path) -> None:
    card_file.chmod(0o646)
    with pytest.raises(KeyFileError, match="others can change it"):
        read_issuer_card(card_file)


def test_a_link_to_a_card_is_refused(card_file: Path) -> None:
    card_file.rename(card_file.with_name("real"))
    card_file.symlink_to("real")
    with pytest.raises(KeyFileError, match="a symbolic link"):
        read_issuer_card(card_file)
