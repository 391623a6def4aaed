"""The file itself: there, readable, text, and this role's; or one clear reason why not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blelockd.config import (
    ConfigErrors,
    ConfigUnreadable,
    GuestConfig,
    IssuerConfig,
    LockConfig,
    WrongRole,
)
from blelockd.config.common import RoleConfig


def test_the_file_of_another_role_is_one_mistake() -> None:
    text = "compat_v1: true\nmqtt: {}\nbeacon: {}\nlocks: {}\nsession: {}\n"
    with pytest.raises(WrongRole) as caught:
        LockConfig.from_yaml(text, "some.yaml")

    assert str(caught.value) == "some.yaml:3: this looks like issuer.yaml; expected lock.yaml"


@pytest.mark.parametrize(
    ("of", "text", "looks_like"),
    [
        (IssuerConfig, "lock_id: front\nphones: {}\n", "lock.yaml"),
        (GuestConfig, "lock_id: front\nissuer_key: x\n", "lock.yaml"),
        (IssuerConfig, "locks: [front]\nissuer: {}\n", "guest.yaml"),
        (LockConfig, "compat_v1: true\nlocks: [front]\n", "guest.yaml or issuer.yaml"),
        (LockConfig, "lock_id: front\nbeacon: {}\n", ""),
        (LockConfig, "lock_id: front\nbeacon: {}\nsession: {}\n", ""),
        (LockConfig, "lock_id: front\nhold: 5\n", ""),
        (LockConfig, "nonsense: 5\n", ""),
    ],
)
def test_a_file_is_taken_for_another_roles_only_when_most_of_it_is(
    of: type[RoleConfig], text: str, looks_like: str
) -> None:
    with pytest.raises(ConfigErrors) as caught:
        of.from_yaml(text, "some.yaml")

    assert isinstance(caught.value, WrongRole) == bool(looks_like)
    assert f"looks like {looks_like};" in str(caught.value) or not looks_like


def test_a_file_that_is_not_there_is_told_with_what_helps_in_a_checkout_and_with_packages(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigErrors, match="no such file") as caught:
        LockConfig.load(tmp_path / "front.yaml")

    hint = caught.value.errors[0].hint
    assert "--config" in hint
    assert "copy etc/blelock/lock.yaml" in hint
    assert "--force-confmiss blelock-lock" in hint


def test_a_folder_or_a_pipe_is_not_a_configuration(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ConfigErrors, match="not a regular file"):
            LockConfig.load(path)


def test_a_file_that_anybody_may_change_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "lock.yaml"
    file.write_text("lock_id: front\n")
    file.chmod(0o664)
    assert LockConfig.load(file)
    file.chmod(0o646)
    with pytest.raises(ConfigUnreadable, match=r"anybody may change it \(mode 0646\)") as caught:
        LockConfig.load(file)

    assert caught.value.errors[0].hint == f"chmod o-w {file}"


@pytest.mark.parametrize("by", ["lock.yaml", "link.yaml"])
def test_a_file_where_anybody_may_put_another_is_not_believed(tmp_path: Path, by: str) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    (open_to_all / "lock.yaml").write_text("lock_id: front\n")
    (tmp_path / "link.yaml").symlink_to(open_to_all / "lock.yaml")
    named = open_to_all / by if by == "lock.yaml" else tmp_path / by
    open_to_all.chmod(0o757)
    with pytest.raises(ConfigUnreadable, match=r"anybody may put files into .* \(mode 0757\)"):
        LockConfig.load(named)
    open_to_all.chmod(0o1777)
    assert LockConfig.load(named)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file away")
def test_a_file_that_a_stranger_put_into_tmp_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "lock.yaml"
    file.write_text("lock_id: front\n")
    os.chown(file, 4321, 4321)
    assert LockConfig.load(file)
    tmp_path.chmod(0o1777)
    with pytest.raises(ConfigUnreadable, match=r"anybody may put files into .* \(mode 1777\)"):
        LockConfig.load(file)


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "lock.yaml"
    file.write_bytes(b"lock_id: front\nadapter: \xff\xfe\n")
    with pytest.raises(ConfigErrors) as caught:
        LockConfig.load(file)

    (error,) = caught.value.errors
    assert (error.line, error.found) == (2, "a byte that is not UTF-8")


def test_a_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "lock.yaml"
    file.write_text("lock_id: front\n")

    assert LockConfig.load(file).lock_id.text == "front"
