"""A key is made once, is its owner's alone, and is never written over another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from blelockd.adapters.keyring import (
    KeyFileError,
    KeyFileExists,
    generate,
    import_public,
    publish,
    read_private,
    read_public,
)
from blelockd.protocol.keys import PrivateKey, PublicKey
from tests.adapters.keyring.files import SHORT_BITS, environment, mode, write


def test_a_new_key_is_its_owners_alone_and_its_public_half_is_for_all(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        made = generate(tmp_path / "keys" / "lock.pem", SHORT_BITS)
    finally:
        os.umask(old)

    keys = tmp_path / "keys"
    assert read_private(keys / "lock.pem").public_key == made == read_public(keys / "lock.pub")
    assert (mode(keys / "lock.pem"), mode(keys / "lock.pub")) == (0o600, 0o644)
    assert sorted(os.listdir(keys)) == ["lock.pem", "lock.pub"]


def test_a_new_key_has_3072_bits(tmp_path: Path) -> None:
    assert generate(tmp_path / "lock.pem").bits == 3072


@pytest.mark.parametrize("bits", [1024, 2047, 4097])
def test_a_key_of_another_length_is_not_made(tmp_path: Path, bits: int) -> None:
    with pytest.raises(ValueError, match="2048 to 4096"):
        generate(tmp_path / "lock.pem", bits)
    assert os.listdir(tmp_path) == []


def test_a_key_that_is_there_stays(private_file: Path) -> None:
    before = private_file.read_bytes()

    with pytest.raises(KeyFileExists):
        generate(private_file, SHORT_BITS)
    assert private_file.read_bytes() == before
    assert os.listdir(private_file.parent) == ["lock.pem"]


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "lock.pem").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(KeyFileExists):
        generate(tmp_path / "lock.pem", SHORT_BITS)
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_put_there_while_another_is_being_made_stays(
    tmp_path: Path, key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lock.pem"

    def slow(*_: int) -> rsa.RSAPrivateKey:
        write(file, b"the first")
        return key

    monkeypatch.setattr("blelockd.adapters.keyring.v1.rsa.generate_private_key", slow)
    with pytest.raises(KeyFileExists):
        generate(file, SHORT_BITS)

    assert file.read_bytes() == b"the first"
    assert os.listdir(tmp_path) == ["lock.pem"]


def test_of_two_processes_that_make_a_key_at_once_one_wins_and_the_other_knows(
    tmp_path: Path,
) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from blelockd.adapters.keyring import KeyFileExists, generate\n"
        "try: print(generate(Path(sys.argv[1]), 2048).fingerprint())\n"
        "except KeyFileExists: print('exists')\n"
    )
    file = tmp_path / "lock.pem"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(file)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for _ in range(2)
    ]
    told = {racer.communicate(timeout=50)[0].strip() for racer in racers}

    made = read_private(file).public_key
    assert told == {"exists", made.fingerprint()}
    assert read_public(tmp_path / "lock.pub") == made
    assert sorted(os.listdir(tmp_path)) == ["lock.pem", "lock.pub"]


def test_nothing_is_left_where_nothing_can_be_written(
    tmp_path: Path, key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("blelockd.adapters.keyring.v1.rsa.generate_private_key", lambda *_: key)
    monkeypatch.setattr("blelockd.adapters.keyring.files.os.fsync", full)
    with pytest.raises(KeyFileError, match="cannot be written: no space left on device"):
        generate(tmp_path / "lock.pem", SHORT_BITS)
    assert os.listdir(tmp_path) == []


def test_the_public_half_is_put_beside_a_key_that_lost_it(
    private_file: Path, public: PublicKey
) -> None:
    publish(private_file, public)
    publish(private_file, public)

    assert read_public(private_file.with_suffix(".pub")) == public


def test_making_a_key_does_not_replace_the_issuer_that_a_lock_here_trusts(
    tmp_path: Path, other: PublicKey
) -> None:
    import_public(other, tmp_path / "issuer.pub")

    with pytest.raises(KeyFileExists):
        generate(tmp_path / "issuer.pem", SHORT_BITS)
    assert read_public(tmp_path / "issuer.pub") == other
    assert isinstance(read_private(tmp_path / "issuer.pem"), PrivateKey)
