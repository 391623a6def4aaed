"""`broker-config`: what it writes and where, what it tells, and what it refuses to do."""

from __future__ import annotations

import contextlib
import os
import re
import ssl
from pathlib import Path

import pytest

from blelockd.cli.exits import Exit
from tests.adapters.keyring.files import mode
from tests.cli.commands import config, status_of
from tests.cli.home import BACK, Home
from tests.fakes.broker_kit import TakenKit

LOCKS = "locks: {lock_01: {}, front: {}}\n"


def no_store(folder: Path) -> str:
    """The line of a configuration whose issuer has kept nothing yet."""
    return f"state_directory: {folder / 'state'}\n"


@pytest.fixture
def issuer_yaml(tmp_path: Path) -> Path:
    return config(tmp_path, "issuer", LOCKS + no_store(tmp_path))


@pytest.fixture
def kit(tmp_path: Path, issuer_yaml: Path) -> Path:
    """A kit for broker.example."""
    assert make(issuer_yaml, tmp_path / "kit") == Exit.OK
    return tmp_path / "kit"


def make(issuer_yaml: Path, *argv: str | Path, host: str = "broker.example") -> int:
    """Let the command make a kit; `argv` are its further words."""
    return status_of("issuer", "broker-config", "--config", issuer_yaml, host, *argv)


def content(directory: Path) -> dict[str, bytes]:
    """Every file below it."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_the_kit_is_its_owners_alone_and_has_a_part_for_each_machine(
    capsys: pytest.CaptureFixture[str], kit: Path
) -> None:
    assert sorted(content(kit)) == [
        "STEPS.txt",
        "authority/ca.crt",
        "authority/ca.key",
        "broker/access",
        "broker/blelock.conf",
        "broker/passwords",
        "broker/server.crt",
        "broker/server.key",
        "issuer/broker-ca.crt",
        "issuer/issuer.password",
        "lock-front/broker-ca.crt",
        "lock-front/lock-front.password",
        "lock-lock_01/broker-ca.crt",
        "lock-lock_01/lock-lock_01.password",
    ]
    for path in (kit, *kit.rglob("*")):
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path
    assert capsys.readouterr().out == (kit / "STEPS.txt").read_text()


def test_no_secret_is_told(capsys: pytest.CaptureFixture[str], kit: Path) -> None:
    files = content(kit)
    passwords = [files[name].decode().strip() for name in files if name.endswith(".password")]
    assert len(set(passwords)) == 3
    for password in passwords:
        assert len(password) == 32
        assert not [name for name in files if password.encode() in files[name]][1:]
    told = capsys.readouterr()
    assert told.out
    assert not [password for password in passwords if password in told.out + told.err]


def test_every_file_of_a_machine_is_named_in_its_steps(kit: Path) -> None:
    steps = (kit / "STEPS.txt").read_text()
    for name in content(kit):
        folder, _, file = name.rpartition("/")
        if folder not in ("", "authority"):
            section = steps.split(f" {folder}/", 1)[1].split("Carry", 1)[0]
            assert re.search(rf" install .*\b{re.escape(file)}\b", section), name


def handshake(kit: Path, host: str) -> None:
    """What a strict client of `host` and a server with the kit's certificate say to each other."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(kit / "broker/server.crt", kit / "broker/server.key")
    ours = ssl.create_default_context(cafile=kit / "issuer/broker-ca.crt")
    ours.verify_flags |= ssl.VERIFY_X509_STRICT
    server = theirs.wrap_bio(to_server, to_client, server_side=True)
    client = ours.wrap_bio(to_client, to_server, server_hostname=host)
    for side in (client, server, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert client.version() is not None


@pytest.mark.parametrize(
    ("host", "other"),
    [
        ("broker.example", "other.example"),
        ("192.0.2.7", "192.0.2.8"),
        ("2001:db8::7", "2001:db8::8"),
        (f"{'a' * 60}.{'b' * 60}.example", "b.example"),
    ],
)
def test_a_strict_client_accepts_the_certificate_for_that_host_alone(
    host: str, other: str, issuer_yaml: Path, tmp_path: Path
) -> None:
    assert make(issuer_yaml, tmp_path / "kit", host=host) == Exit.OK
    handshake(tmp_path / "kit", host)
    assert TakenKit(tmp_path / "kit").config("lock_01").mqtt.host == host
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(tmp_path / "kit", other)


def test_the_certificate_is_good_for_a_machine_that_lost_its_clock(kit: Path) -> None:
    for name in ("authority/ca.crt", "broker/server.crt"):
        seen = ssl._ssl._test_decode_cert(str(kit / name))  # type: ignore[attr-defined]
        assert seen["notBefore"] == "Jan  1 00:00:00 2020 GMT"


def test_what_is_there_stays_as_it_is(
    kit: Path, issuer_yaml: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(kit)
    assert make(issuer_yaml, kit) == Exit.CANNOT_CREATE
    assert "is there already" in capsys.readouterr().err
    assert make(issuer_yaml, kit / "STEPS.txt") == Exit.CANNOT_CREATE
    assert content(kit) == before
    assert make(issuer_yaml, kit / "nowhere" / "kit") == Exit.IO
    assert [path.name for path in kit.parent.iterdir() if path.name.startswith(".")] == []


def test_a_disk_that_fails_leaves_nothing(
    issuer_yaml: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = content(tmp_path)

    def fail(descriptor: int) -> None:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    assert make(issuer_yaml, tmp_path / "kit") == Exit.IO
    assert "kit: cannot be written: input/output error" in capsys.readouterr().err
    assert content(tmp_path) == before
    assert not list(tmp_path.glob("*kit*"))


def test_an_issuer_without_locks_is_told_how_it_gets_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(config(tmp_path, "issuer", no_store(tmp_path)), tmp_path / "kit") == Exit.CONFIG
    assert "`blelock-issuer lock add CARD` for each" in capsys.readouterr().err
    assert not (tmp_path / "kit").exists()


def test_a_lock_whose_card_was_added_gets_its_part(tmp_path: Path, home: Home) -> None:
    home.lock(BACK)
    assert make(home.file, tmp_path / "kit") == Exit.OK
    assert "lock-back/lock-back.password" in content(tmp_path / "kit")


@pytest.mark.parametrize(
    "host", ["mqtt://broker", "broker:8883", "a-.b", "a..b", "a b", "", "b\n", "bröker"]
)
def test_what_is_no_host_is_refused(
    host: str, issuer_yaml: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(issuer_yaml, tmp_path / "kit", host=host) == Exit.USAGE
    assert "expected a host name or IP address" in capsys.readouterr().err
    assert not (tmp_path / "kit").exists()


@pytest.mark.parametrize(
    ("spoilt", "by", "status"),
    [
        ("authority/ca.key", None, Exit.NO_INPUT),
        ("broker/passwords", None, Exit.NO_INPUT),
        ("authority/ca.key", "broker/server.key", Exit.DATA),
        ("authority/ca.crt", "broker/server.crt", Exit.DATA),
        ("authority/ca.crt", "STEPS.txt", Exit.DATA),
        ("authority/ca.key", "authority/ca.crt", Exit.DATA),
    ],
)
def test_an_earlier_kit_that_is_none_is_not_built_upon(
    spoilt: str,
    by: str | None,
    status: Exit,
    kit: Path,
    issuer_yaml: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (kit / spoilt).unlink()
    if by is not None:
        (kit / spoilt).write_bytes((kit / by).read_bytes())
    assert make(issuer_yaml, kit.parent / "later", "--keep", kit) == status
    assert "name the directory that an earlier `broker-config` made" in capsys.readouterr().err
    assert not (kit.parent / "later").exists()


def test_a_machine_whose_line_was_deleted_gets_a_new_password(kit: Path, issuer_yaml: Path) -> None:
    passwords = kit / "broker/passwords"
    kept = [line for line in passwords.read_text().splitlines() if not line.startswith("front:")]
    passwords.write_text("\n".join(kept))
    later = kit.parent / "later"
    assert make(issuer_yaml, later, "--keep", kit) == Exit.OK
    assert (later / "lock-front/lock-front.password").exists()
    assert (later / "broker/passwords").read_text().splitlines()[:2] == kept
    assert (later / "authority/ca.key").read_bytes() == (kit / "authority/ca.key").read_bytes()
    assert not (later / "lock-lock_01").exists()
