"""A file's place: who could put another file there is found, who could not is left alone."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import struct
from pathlib import Path

import pytest

from blelockd.adapters import place
from blelockd.adapters.place import PlaceUnsafe, check_place
from tests.adapters.keyring.spoiling import NOBODY, ONLY_ROOT

STAFF = 50
STRANGERS = 4321


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file two directories down."""
    path = tmp_path / "outer" / "inner" / "file"
    path.parent.mkdir(parents=True)
    path.write_text("")
    return path


def give(directory: Path, user: int, group: int, mode: int) -> None:
    os.chown(directory, user, group)
    directory.chmod(mode)


def test_a_place_of_ones_own_is_safe(file: Path) -> None:
    check_place(file)
    check_place(file.with_name("not there yet").parent / ".." / "inner" / "file")


def test_a_place_is_asked_for_by_a_relative_path_too(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    check_place(Path("file"))
    file.parent.parent.chmod(0o777)
    with pytest.raises(PlaceUnsafe):
        check_place(Path("file"))


@pytest.mark.parametrize("at", ["outer", "outer/inner"])
def test_nobody_else_may_rename_at_any_step(file: Path, tmp_path: Path, at: str) -> None:
    (tmp_path / at).chmod(0o757)
    with pytest.raises(
        PlaceUnsafe, match=r"anybody may replace files in .* \(mode 0757\)"
    ) as caught:
        check_place(file)
    assert caught.value.remedy == f"chmod o-w {tmp_path / at}"


def test_in_a_sticky_directory_everybody_replaces_only_their_own(file: Path) -> None:
    file.parent.parent.chmod(0o1777)
    check_place(file)


@ONLY_ROOT
def test_what_is_anothers_in_a_sticky_directory_is_found(file: Path) -> None:
    file.parent.parent.chmod(0o1777)
    os.chown(file.parent, NOBODY, -1)
    with pytest.raises(PlaceUnsafe, match="inner belongs to user 65534"):
        check_place(file)


@ONLY_ROOT
@pytest.mark.parametrize("at", ["outer", "outer/inner"])
def test_no_step_may_be_another_users(file: Path, tmp_path: Path, at: str) -> None:
    os.chown(tmp_path / at, NOBODY, -1)
    with pytest.raises(PlaceUnsafe, match="belongs to user 65534, who may put") as caught:
        check_place(file)
    assert caught.value.remedy.startswith(f"chown -h root {tmp_path / at}")


@ONLY_ROOT
def test_no_step_may_be_open_to_a_group_of_others(file: Path) -> None:
    give(file.parent, 0, STRANGERS, 0o775)
    with pytest.raises(PlaceUnsafe, match="group 4321 may replace files in") as caught:
        check_place(file)
    assert caught.value.remedy == f"chmod g-w {file.parent}"


@ONLY_ROOT
def test_a_group_that_a_user_has_alone_is_no_fault(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the umask is 002. Who else is put into that group makes it one of others."""
    give(file.parent, 0, 0, 0o775)
    check_place(file)
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group(("root", "x", 0, ["eve"])))
    with pytest.raises(PlaceUnsafe, match="group 0 may replace"):
        check_place(file)


@ONLY_ROOT
def test_a_group_that_is_another_users_first_is_one_of_others(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a user is not among the group's members."""
    give(file.parent, 0, 0, 0o775)
    users = [pwd.getpwuid(0), pwd.struct_passwd(("eve", "x", 1234, 0, "", "/", "/bin/sh"))]
    monkeypatch.setattr(pwd, "getpwall", lambda: users)
    with pytest.raises(PlaceUnsafe, match="group 0 may replace"):
        check_place(file)
    monkeypatch.setattr(pwd, "getpwall", lambda: users[:1])
    check_place(file)


def acl(mask: int) -> bytes:
    """An ACL by which nobody may do all that `mask` leaves, as the kernel keeps it: acl(5)."""
    entries = ((0x01, 7, -1), (0x02, 7, NOBODY), (0x04, 5, -1), (0x10, mask, -1), (0x20, 5, -1))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)


@ONLY_ROOT
def test_who_may_write_by_an_acl_is_found(file: Path) -> None:
    """It shows as what the group may do, and the group is root's."""
    try:
        os.setxattr(file.parent, "system.posix_acl_access", acl(0o7))
    except OSError as error:
        pytest.skip(f"no ACLs here: {error}")
    assert file.parent.stat().st_mode & 0o7777 == 0o775
    with pytest.raises(PlaceUnsafe, match=r"an ACL may let others replace files") as caught:
        check_place(file)
    assert caught.value.remedy == f"chmod g-w {file.parent}"
    file.parent.chmod(0o755)
    assert os.getxattr(file.parent, "system.posix_acl_access") == acl(0o5)
    check_place(file)


@ONLY_ROOT
@pytest.mark.parametrize("number", [errno.ENODATA, errno.ENOTSUP])
def test_a_place_without_acls_is_as_its_mode_says(
    file: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def has_none(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "getxattr", has_none)
    give(file.parent, 0, 0, 0o775)
    check_place(file)


@ONLY_ROOT
def test_an_acl_that_cannot_be_read_is_an_error(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "getxattr", fails)
    check_place(file)
    give(file.parent, 0, 0, 0o775)
    with pytest.raises(OSError, match="Input/output"):
        check_place(file)


def test_each_link_on_the_way_is_asked_where_it_is(file: Path, tmp_path: Path) -> None:
    """first -> open/second -> the file: whoever may write to `open` decides what is run."""
    opened = tmp_path / "open"
    opened.mkdir()
    (opened / "second").symlink_to("../outer/inner/file")
    (tmp_path / "first").symlink_to(opened / "second")
    check_place(tmp_path / "first")
    opened.chmod(0o777)
    with pytest.raises(PlaceUnsafe, match=r"anybody may replace files in .*open "):
        check_place(tmp_path / "first")
    opened.chmod(0o1777)
    check_place(tmp_path / "first")


@ONLY_ROOT
def test_a_strangers_link_in_a_sticky_directory_is_found(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(file)
    tmp_path.chmod(0o1777)
    os.chown(tmp_path / "link", NOBODY, -1, follow_symlinks=False)
    with pytest.raises(PlaceUnsafe, match="link belongs to user 65534"):
        check_place(tmp_path / "link")


def test_links_that_go_round_in_circles_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(OSError, match="symbolic links"):
        check_place(tmp_path / "round")


@ONLY_ROOT
@pytest.mark.parametrize("group", [STAFF, NOBODY])
def test_what_debian_gives_to_staff_below_usr_local_is_no_fault(
    file: Path, tmp_path: Path, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the unit, staff shows as nobody's group."""
    give(file.parent, 0, group, 0o2775)
    with pytest.raises(PlaceUnsafe, match="may replace files in"):
        check_place(file)
    monkeypatch.setattr(place, "_LOCAL", tmp_path / "outer")
    check_place(file)
    give(file.parent, 0, STRANGERS, 0o2775)
    with pytest.raises(PlaceUnsafe, match="group 4321"):
        check_place(file)
    give(file.parent, NOBODY, group, 0o2775)
    with pytest.raises(PlaceUnsafe, match="belongs to user"):
        check_place(file)
