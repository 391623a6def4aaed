"""A key that is trusted is not lost to another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blelockd.adapters.keyring import KeyFileExists, import_public, read_public
from blelockd.protocol.keys import PublicKey
from tests.adapters.keyring.files import mode, write


def test_an_imported_key_is_there_for_all_to_read(tmp_path: Path, other: PublicKey) -> None:
    file = tmp_path / "locks" / "front.pub"

    assert import_public(other, file) is True
    assert read_public(file) == other
    assert mode(file) == 0o644


def test_the_same_key_is_imported_once(public_file: Path, public: PublicKey) -> None:
    assert import_public(public, public_file) is False
    assert import_public(public, public_file, replace=True) is False


def test_another_key_is_replaced_only_on_demand(
    public_file: Path, public: PublicKey, other: PublicKey
) -> None:
    with pytest.raises(KeyFileExists):
        import_public(other, public_file)
    assert read_public(public_file) == public

    assert import_public(other, public_file, replace=True) is True
    assert read_public(public_file) == other
    assert os.listdir(public_file.parent) == ["issuer.pub"]


def test_what_is_no_key_is_replaced_only_on_demand(tmp_path: Path, other: PublicKey) -> None:
    file = write(tmp_path / "issuer.pub", b"junk", 0o644)

    with pytest.raises(KeyFileExists):
        import_public(other, file)
    import_public(other, file, replace=True)
    assert read_public(file) == other
