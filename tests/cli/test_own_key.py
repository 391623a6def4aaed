"""One's own key on the command line: made once, shown to whoever asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from blelockd.adapters.keyring import generate, read_private, read_public
from blelockd.cli.exits import Exit
from blelockd.cli.keys import OWN_KEYS
from blelockd.protocol.keys import PublicKey
from tests.checkout import ROOT
from tests.cli.commands import MAINS, config, execute, status_of


@pytest.mark.parametrize("role", MAINS)
def test_a_role_makes_its_key_once(
    role: str, tmp_path: Path, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("keygen", "--bits", "2048", "--config", config(tmp_path, role, ""))

    assert status_of(role, *argv) == Exit.OK
    made = read_private(keys / f"{role}.pem").public_key
    assert f"made {keys / role}.pem: RSA-2048, fingerprint {made.fingerprint()}" in (
        capsys.readouterr().out
    )
    assert status_of(role, *argv) == Exit.OK
    assert "kept" in capsys.readouterr().out
    assert read_private(keys / f"{role}.pem").public_key == made


@pytest.mark.parametrize("role", MAINS)
def test_a_role_makes_a_key_for_each_use_and_none_twice(
    role: str, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("keygen", "--bits", "2048", "--keys-directory", keys)
    assert status_of(role, *argv) == Exit.OK
    made = {own.file: (keys / own.file).read_bytes() for own in OWN_KEYS[role]}
    told = capsys.readouterr().out
    assert all(f"made {keys / file}: " in told for file in made)
    assert {path.name for path in keys.iterdir()} == {f"{role}.pem", f"{role}.pub", *made}

    lost = OWN_KEYS[role][0].file
    (keys / lost).unlink()
    assert status_of(role, *argv) == Exit.OK
    told = capsys.readouterr().out
    assert f"made {keys / lost}: " in told
    for file in made.keys() - {lost}:
        assert f"kept {keys / file}: " in told
        assert (keys / file).read_bytes() == made[file]


def test_a_bad_key_of_version_2_is_told_and_kept(
    keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of("guest", "keygen", "--bits", "2048", "--keys-directory", keys) == Exit.OK
    (keys / "gsk.pem").chmod(0o644)
    before = (keys / "gsk.pem").read_bytes()

    assert status_of("guest", "keygen", "--keys-directory", keys) == Exit.NO_PERMISSION
    assert f"chmod 600 {keys / 'gsk.pem'}" in capsys.readouterr().err
    assert (keys / "gsk.pem").read_bytes() == before


def test_the_units_hand_over_the_keys_that_keygen_makes() -> None:
    units = {"lock@": "lock", **{role: role for role in MAINS}}
    for unit, role in units.items():
        text = (ROOT / "systemd" / f"blelock-{unit}.service").read_text()
        handed_over = [line for line in text.splitlines() if line.startswith("LoadCredential=")]
        files = [*(own.file for own in OWN_KEYS[role]), f"{role}.pem"]
        assert handed_over == [f"LoadCredential={f}:/etc/blelock/keys/{f}" for f in files]


def test_a_new_key_has_3072_bits(keys: Path) -> None:
    assert status_of("lock", "keygen", "--keys-directory", keys) == Exit.OK
    assert read_private(keys / "lock.pem").bits == 3072


def test_a_short_key_is_not_made(keys: Path) -> None:
    assert status_of("lock", "keygen", "--keys-directory", keys, "--bits", "1024") == Exit.USAGE
    assert not keys.exists()


def test_a_lost_public_half_is_made_again(keys: Path) -> None:
    generate(keys / "lock.pem", 2048)
    (keys / "lock.pub").unlink()

    assert status_of("lock", "keygen", "--keys-directory", keys) == Exit.OK
    assert read_public(keys / "lock.pub") == read_private(keys / "lock.pem").public_key


def test_keygen_leaves_the_issuer_that_a_lock_here_trusts(
    keys: Path, theirs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.mkdir()
    (keys / "issuer.pub").write_bytes(theirs.read_bytes())

    for _ in range(2):
        argv = ("keygen", "--bits", "2048", "--keys-directory", keys)
        assert status_of("issuer", *argv) == Exit.OK
        assert "is another's key and stays" in capsys.readouterr().err
    assert (keys / "issuer.pub").read_bytes() == theirs.read_bytes()


def test_a_bad_key_that_is_there_is_told_and_kept(
    keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generate(keys / "lock.pem", 2048)
    (keys / "lock.pem").chmod(0o644)

    assert status_of("lock", "keygen", "--keys-directory", keys) == Exit.NO_PERMISSION
    assert f"chmod 600 {keys / 'lock.pem'}" in capsys.readouterr().err


def test_show_key_prints_a_key_that_can_be_imported(keys: Path) -> None:
    made = generate(keys / "lock.pem", 2048)
    ended = execute("lock", "show-key", "--keys-directory", keys)

    assert ended.returncode == Exit.OK
    assert PublicKey.from_pem(ended.stdout.encode()) == made
    assert ended.stderr == f"fingerprint {made.fingerprint()}\n"
    assert "PRIVATE" not in ended.stdout + ended.stderr


def test_show_key_prints_the_fingerprint_alone(
    keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = generate(keys / "lock.pem", 2048)

    assert status_of("lock", "show-key", "--fingerprint", "--keys-directory", keys) == Exit.OK
    assert capsys.readouterr().out == f"{made.fingerprint()}\n"


def test_a_key_that_was_never_made_is_told_with_the_remedy(
    keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of("lock", "show-key", "--keys-directory", keys) == Exit.NO_INPUT
    assert "make it with `blelock-lock keygen`" in capsys.readouterr().err
