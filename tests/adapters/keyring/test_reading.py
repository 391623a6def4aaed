"""A key that others could have read, changed or put there is not used."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from blelockd.adapters.keyring import (
    KeyFileError,
    KeyFileMissing,
    Keyring,
    generate,
    read_private,
    read_public,
)
from blelockd.protocol.keys import PublicKey
from tests.adapters.keyring.files import SHORT_BITS, environment, pem_of, write
from tests.adapters.keyring.spoiling import BAD_IN_ANY_CASE, IS_ROOT, NOBODY, ONLY_ROOT

# --- a good key --------------------------------------------------------------------------------


def test_a_key_that_is_its_owners_alone_is_read(private_file: Path, public: PublicKey) -> None:
    assert read_private(private_file).public_key == public


def test_a_public_key_may_be_read_by_all(public_file: Path, public: PublicKey) -> None:
    assert read_public(public_file) == public


def test_a_role_finds_its_key_in_its_keys_directory(private_file: Path, public: PublicKey) -> None:
    assert Keyring(private_file.parent).private("lock.pem").public_key == public


def test_the_key_that_systemd_hands_over_comes_first(
    tmp_path: Path, private_file: Path, other: PublicKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    generate(keys / "lock.pem", SHORT_BITS)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    handed_over = Keyring(keys).private("lock.pem")

    assert handed_over.public_key == read_private(private_file).public_key
    assert handed_over.public_key != read_private(keys / "lock.pem").public_key


def test_credentials_of_other_things_do_not_hide_the_key(
    tmp_path: Path, private_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))

    assert Keyring(tmp_path).own_path("lock.pem") == private_file


def test_the_mode_that_systemd_gives_a_credential_is_no_fault(
    tmp_path: Path, private_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private_file.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    assert Keyring(tmp_path / "keys").private("lock.pem")
    with pytest.raises(KeyFileError, match="other users can read it"):
        read_private(private_file)


@ONLY_ROOT
def test_the_directory_that_systemd_hands_over_is_no_fault(
    tmp_path: Path, key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root's, or the service's own user's, and written by nobody; an access list shows as r-x."""
    credentials = tmp_path / "credentials" / "blelock-lock.service"
    credentials.mkdir(parents=True)
    write(credentials / "lock.pem", pem_of(key), 0o440)
    credentials.chmod(0o550)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))

    assert Keyring(tmp_path / "keys").private("lock.pem")
    os.chown(credentials, NOBODY, NOBODY)
    os.chown(credentials / "lock.pem", NOBODY, NOBODY)
    with monkeypatch.context() as as_the_service:
        as_the_service.setattr(os, "geteuid", lambda: NOBODY)
        assert Keyring(tmp_path / "keys").private("lock.pem")


def test_a_credential_that_all_can_read_is_refused(
    tmp_path: Path, private_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private_file.chmod(0o444)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    with pytest.raises(KeyFileError, match="other users can read it"):
        Keyring(tmp_path / "keys").private("lock.pem")


def test_a_guest_may_have_no_key_and_not_a_bad_one(tmp_path: Path) -> None:
    assert Keyring(tmp_path).private_if_any("guest.pem") is None

    write(tmp_path / "guest.pem", b"junk")
    with pytest.raises(KeyFileError):
        Keyring(tmp_path).private_if_any("guest.pem")


# --- bad keys ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("spoil", "problem"), BAD_IN_ANY_CASE)
def test_a_bad_private_key_file_is_refused_with_a_remedy(
    spoil: Callable[[Path], None], problem: str, private_file: Path
) -> None:
    spoil(private_file)
    with pytest.raises(KeyFileError, match=problem) as caught:
        read_private(private_file)

    assert caught.value.path == private_file
    assert caught.value.remedy


@pytest.mark.parametrize(("spoil", "problem"), BAD_IN_ANY_CASE)
def test_a_bad_public_key_file_is_refused_with_a_remedy(
    spoil: Callable[[Path], None], problem: str, public_file: Path
) -> None:
    spoil(public_file)
    with pytest.raises(KeyFileError, match=problem) as caught:
        read_public(public_file)

    assert caught.value.path == public_file
    assert caught.value.remedy


def test_a_key_is_refused_below_a_directory_in_which_all_may_rename(
    tmp_path: Path, key: rsa.RSAPrivateKey
) -> None:
    keys = tmp_path / "open" / "keys"
    keys.mkdir(parents=True)
    file = write(keys / "lock.pem", pem_of(key))
    keys.parent.chmod(0o777)

    with pytest.raises(KeyFileError, match="anybody may replace files") as caught:
        read_private(file)
    assert caught.value.remedy == f"chmod o-w {keys.parent}"
    keys.parent.chmod(0o1777)
    assert read_private(file)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o610, 0o601])
def test_a_private_key_that_others_may_read_is_refused(private_file: Path, mode: int) -> None:
    private_file.chmod(mode)

    with pytest.raises(KeyFileError, match="other users can read it") as caught:
        read_private(private_file)
    assert caught.value.remedy == f"chmod 600 {private_file}"


def test_a_key_of_another_type_is_refused(tmp_path: Path) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    file = write(tmp_path / "lock.pem", pem_of(curve))

    with pytest.raises(KeyFileError, match="not an RSA private key"):
        read_private(file)


def test_a_key_that_is_too_short_is_refused(tmp_path: Path) -> None:
    short = rsa.generate_private_key(65537, 1024)
    file = write(tmp_path / "lock.pem", pem_of(short))

    with pytest.raises(KeyFileError, match="1024 bits; 2048 to 4096 are accepted"):
        read_private(file)


def test_a_key_with_a_password_is_refused(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    file = write(tmp_path / "lock.pem", pem_of(key, password=b"secret"))

    with pytest.raises(KeyFileError, match="encrypted"):
        read_private(file)


def test_a_public_key_is_no_private_one(public_file: Path) -> None:
    public_file.chmod(0o600)

    with pytest.raises(KeyFileError, match="this is a public key"):
        read_private(public_file)


def test_a_private_key_is_not_taken_for_a_public_one(private_file: Path) -> None:
    with pytest.raises(KeyFileError, match="never leaves its machine"):
        read_public(private_file)


@pytest.mark.skipif(not IS_ROOT, reason="only root becomes somebody else")
def test_a_key_that_this_user_may_not_read_is_told_so(key: rsa.RSAPrivateKey) -> None:
    """Another process reads it, as nobody: root may read everything."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from blelockd.adapters.keyring import KeyFileError, read_private\n"
        f"os.setuid({NOBODY})\n"
        "try: read_private(Path(sys.argv[1]))\n"
        "except KeyFileError as error: print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        private_file = write(Path(folder) / "lock.pem", pem_of(key))
        told = subprocess.run(
            [sys.executable, "-c", code, str(private_file)],
            capture_output=True,
            text=True,
            check=True,
            timeout=50,
            env=environment(),
        ).stdout

    assert "this user may not read it" in told
    assert "LoadCredential" in told


def test_a_missing_key_is_told_apart_from_a_bad_one(tmp_path: Path) -> None:
    with pytest.raises(KeyFileMissing, match="import-key"):
        read_public(tmp_path / "issuer.pub")
    with pytest.raises(KeyFileMissing, match="keygen"):
        read_private(tmp_path / "nowhere" / "lock.pem")
