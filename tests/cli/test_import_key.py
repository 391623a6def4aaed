"""Another's key is trusted only after a person has compared its fingerprint on both machines."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from blelockd.adapters.keyring import generate, read_public
from blelockd.cli.exits import Exit
from tests.cli.commands import argv_of, config, environment, execute, status_of
from tests.cli.terminal import Terminal


def test_an_operator_who_reads_the_other_side_imports_the_key(
    tmp_path: Path,
    keys: Path,
    theirs: Path,
    fingerprint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(fingerprint[-9:].upper() + "\n"))

    argv = ("import-key", theirs, "--config", config(tmp_path, "lock", ""))
    assert status_of("lock", *argv) == Exit.OK
    told = capsys.readouterr().out
    assert f"fingerprint of the key of the issuer: {fingerprint[:-9]}____ ____" in told
    assert (
        "with those on the machine of the issuer: sudo blelock-issuer show-key --fingerprint\n"
        in told
    )
    assert "next: `sudo systemctl restart blelock-lock`" in told
    assert read_public(keys / "issuer.pub") == read_public(theirs)


def test_the_end_of_the_fingerprint_is_not_shown_before_it_was_typed(
    keys: Path,
    theirs: Path,
    fingerprint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("0000 0000\n" * 3))

    assert status_of("lock", "import-key", theirs, "--keys-directory", keys) == Exit.DATA
    told = capsys.readouterr()
    assert fingerprint[-9:] not in told.out + told.err
    assert "fingerprints differ" in told.err
    assert not keys.exists()


@pytest.mark.parametrize("sign", [" ", "", ":"])
def test_an_operator_may_type_the_whole_fingerprint(
    sign: str, keys: Path, theirs: Path, fingerprint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(fingerprint.replace(" ", sign) + "\n"))

    assert status_of("lock", "import-key", theirs, "--keys-directory", keys) == Exit.OK


def test_a_whole_fingerprint_that_ends_alike_is_another_keys(
    keys: Path, theirs: Path, fingerprint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "0" if fingerprint[0] != "0" else "1"
    monkeypatch.setattr("sys.stdin", Terminal(f"{other}{fingerprint[1:]}\n" * 3))

    assert status_of("lock", "import-key", theirs, "--keys-directory", keys) == Exit.DATA


def test_what_has_the_wrong_length_is_no_fingerprint(
    keys: Path,
    theirs: Path,
    fingerprint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(f"{fingerprint[-4:]}\nzzzz zzzz\n\n"))

    assert status_of("lock", "import-key", theirs, "--keys-directory", keys) == Exit.USAGE
    told = capsys.readouterr()
    assert told.out.count("Type 8 hex digits, its last 2 groups, or all 32.") == 3
    assert "differ" not in told.err
    assert "nothing was imported" in told.err
    assert not keys.exists()


def test_ctrl_c_imports_nothing_and_says_so(
    keys: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(question: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("builtins.input", interrupted)

    assert status_of("lock", "import-key", theirs, "--keys-directory", keys) == Exit.INTERRUPTED
    assert "nothing was imported" in capsys.readouterr().err
    assert not keys.exists()


def test_an_operator_may_mistype_twice(
    keys: Path, theirs: Path, fingerprint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(f"oops\n\n{fingerprint[-9:]}\n"))

    assert status_of("lock", "import-key", theirs, "--keys-directory", keys) == Exit.OK


def test_an_operator_who_walks_away_imports_nothing(
    keys: Path, theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(""))

    assert status_of("lock", "import-key", theirs, "--keys-directory", keys) == Exit.DATA
    assert not keys.exists()


def test_without_a_terminal_the_whole_fingerprint_is_needed(keys: Path, theirs: Path) -> None:
    ended = execute("lock", "import-key", theirs, "--keys-directory", keys)

    assert ended.returncode == Exit.USAGE
    assert "--fingerprint" in ended.stderr
    assert not keys.exists()


@pytest.mark.parametrize("form", ["{}", "{0}".upper(), "colons", "none"])
def test_a_script_gives_the_whole_fingerprint(
    form: str, keys: Path, theirs: Path, fingerprint: str
) -> None:
    forms = {"colons": fingerprint.replace(" ", ":"), "none": fingerprint.replace(" ", "")}
    given = forms.get(form, form.format(fingerprint))
    argv = ("import-key", theirs, "--keys-directory", keys, "--fingerprint", given)

    assert status_of("lock", *argv) == Exit.OK


@pytest.mark.parametrize(
    ("given", "told"),
    [("{end}", "8 digits"), ("", "0 digits"), ("{all}0", "33 digits"), ("issuer", "not hex")],
)
def test_a_script_that_gives_no_whole_fingerprint_uses_the_command_wrongly(
    given: str,
    told: str,
    keys: Path,
    theirs: Path,
    fingerprint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = given.format(end=fingerprint[-9:], all=fingerprint)
    argv = ("import-key", theirs, "--keys-directory", keys, "--fingerprint", given)

    assert status_of("lock", *argv) == Exit.USAGE
    assert f"these are {told}" in capsys.readouterr().err
    assert not keys.exists()


def test_a_script_with_another_keys_fingerprint_imports_nothing(keys: Path, theirs: Path) -> None:
    argv = ("import-key", theirs, "--keys-directory", keys, "--fingerprint", "0" * 32)

    assert status_of("lock", *argv) == Exit.DATA
    assert not keys.exists()


def test_the_issuer_puts_a_locks_key_where_its_configuration_looks_for_it(
    tmp_path: Path, keys: Path, theirs: Path, fingerprint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config(tmp_path, "issuer", "locks: {front: {public_key: doors/front.pub}}\n")
    confirmed = ("--fingerprint", fingerprint, "--config", file)

    assert status_of("issuer", "import-key", "front", theirs, *confirmed) == Exit.OK
    assert "next: `sudo systemctl reload blelock-issuer`\n" in capsys.readouterr().out
    assert status_of("issuer", "import-key", "back", theirs, *confirmed) == Exit.OK
    assert f"next: add `back: {{}}` under `locks:` in {file}" in capsys.readouterr().out
    assert read_public(keys / "doors" / "front.pub") == read_public(keys / "locks" / "back.pub")


def test_a_guest_is_told_how_to_pin_the_issuer(
    tmp_path: Path, keys: Path, theirs: Path, fingerprint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config(tmp_path, "guest", "")
    argv = ("import-key", theirs, "--fingerprint", fingerprint, "--config", file)

    assert status_of("guest", *argv) == Exit.OK
    assert "next: set `public_key: issuer.pub`" in capsys.readouterr().out
    config(tmp_path, "guest", "issuer: {public_key: issuer.pub}\n")
    assert status_of("guest", *argv) == Exit.OK
    told = capsys.readouterr().out
    assert told.startswith("there already:")
    assert "next: `sudo systemctl restart blelock-guest`" in told


@pytest.mark.parametrize("argv", [("issuer", "front"), ("lock",), ("guest",)])
def test_what_comes_next_is_told_also_without_a_configuration(
    argv: tuple[str, ...],
    keys: Path,
    theirs: Path,
    fingerprint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    role, *lock = argv
    where = ("--fingerprint", fingerprint, "--keys-directory", keys)

    assert status_of(role, "import-key", *lock, theirs, *where) == Exit.OK
    assert f"blelock-{role}`" in capsys.readouterr().out.split("next: ")[1]


def test_another_key_is_replaced_only_on_demand(
    keys: Path, theirs: Path, fingerprint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    generate(keys / "issuer.pem", 2048)
    argv = ("import-key", theirs, "--fingerprint", fingerprint, "--keys-directory", keys)

    assert status_of("lock", *argv) == Exit.CANNOT_CREATE
    assert "--replace" in capsys.readouterr().err
    assert status_of("lock", *argv, "--replace") == Exit.OK
    assert read_public(keys / "issuer.pub") == read_public(theirs)


def test_a_private_key_is_not_imported(keys: Path, theirs: Path) -> None:
    ended = execute("lock", "import-key", theirs.with_suffix(".pem"), "--keys-directory", keys)

    assert ended.returncode == Exit.DATA
    assert "never leaves its machine" in ended.stderr
    assert "`blelock-issuer show-key` there prints it" in ended.stderr


@pytest.mark.parametrize("lock_id", ["../front", "a/b", "", "-x", "a" * 33])
def test_a_locks_name_does_not_lead_elsewhere(
    lock_id: str, keys: Path, theirs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ("import-key", "--keys-directory", keys, "--", lock_id, theirs)

    assert status_of("issuer", *argv) == Exit.USAGE
    assert "begins with a letter or digit" in capsys.readouterr().err


def test_a_key_comes_through_a_pipe(keys: Path, theirs: Path, fingerprint: str) -> None:
    argv = ("import-key", "-", "--fingerprint", fingerprint, "--keys-directory", keys)
    ended = subprocess.run(
        argv_of("lock", *argv),
        input=theirs.read_bytes(),
        capture_output=True,
        timeout=50,
        check=False,
        env=environment(),
    )

    assert ended.returncode == Exit.OK
    assert read_public(keys / "issuer.pub") == read_public(theirs)


def test_a_file_that_is_missing_or_no_key_is_told(
    tmp_path: Path, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(os.urandom(20_000))

    argv = ("import-key", "--fingerprint", "0" * 32, "--keys-directory", keys)
    assert status_of("lock", *argv, junk) == Exit.DATA
    assert status_of("lock", *argv, tmp_path / "none") == Exit.NO_INPUT
    assert status_of("lock", *argv, tmp_path) == Exit.NO_INPUT
    assert "Traceback" not in capsys.readouterr().err


def test_at_a_real_terminal_the_key_is_confirmed_by_typing(
    keys: Path, theirs: Path, fingerprint: str
) -> None:
    ours, terminal = pty.openpty()
    try:
        os.write(ours, f"{fingerprint[-9:]}\n".encode())
        ended = subprocess.run(
            argv_of("lock", "import-key", theirs, "--keys-directory", keys),
            stdin=terminal,
            capture_output=True,
            timeout=50,
            check=False,
            env=environment(),
        )
    finally:
        os.close(terminal)
        os.close(ours)

    assert ended.returncode == Exit.OK
    assert read_public(keys / "issuer.pub") == read_public(theirs)
