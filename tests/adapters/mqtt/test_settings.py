"""The password file is read as a key file is: only if it is private, and never into a message."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blelockd.adapters.mqtt.causes import Unreachable
from blelockd.adapters.mqtt.settings import BrokerSettings, TlsSettings, read_password


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A private file with a password."""
    path = tmp_path / "mqtt.password"
    path.touch(0o600)
    path.write_text("opensesame\n")
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440])
def test_a_private_file_gives_the_password_of_its_first_line(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert read_password(file) == "opensesame"
    file.chmod(0o600)
    file.write_bytes(b"open sesame \r\nanother line\n")
    assert read_password(file) == "open sesame "


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602, 0o601])
def test_a_file_that_others_may_use_is_refused_with_the_remedy(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(Unreachable, match=f"is open to other users; chmod 0600 {file}"):
        read_password(file)


def test_what_is_no_plain_file_is_refused(file: Path, tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(file)
    os.mkfifo(pipe, 0o600)
    for path in (link, tmp_path / "missing"):
        with pytest.raises(Unreachable, match=r"cannot be read \("):
            read_password(path)
    for path in (pipe, tmp_path):
        with pytest.raises(Unreachable, match="is not a plain file"):
            read_password(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty first line"),
        (b"\nopensesame", "empty first line"),
        (b"\xff\xfesecret", "not UTF-8"),
        (b"secret" * 1000, "too large"),
    ],
)
def test_a_password_that_is_none_is_refused_and_not_repeated(
    file: Path, content: bytes, complaint: str
) -> None:
    file.write_bytes(content)
    with pytest.raises(Unreachable, match=complaint) as refusal:
        read_password(file)
    assert "secret" not in str(refusal.value).replace(str(file), "")


def test_the_broker_is_named_as_people_write_it() -> None:
    assert str(BrokerSettings("c", "broker.example").where) == "broker.example:1883"
    assert str(BrokerSettings("c", "::1", 8883, tls=TlsSettings()).where) == "[::1]:8883"
