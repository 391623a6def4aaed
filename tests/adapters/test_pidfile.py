"""One process holds a directory; what it leaves behind holds nobody up."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from tempfile import gettempdir
from typing import Final

import pytest

from blelockd.adapters.pidfile import FILE, HeldByAnother, PidFile
from tests.checkout import ROOT
from tests.floods.disk import SmallDisk

_HOLDER: Final = """
import sys, time
from pathlib import Path
from blelockd.adapters.pidfile import PidFile
held = PidFile(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@contextmanager
def another_process(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """One that holds `directory`, until it is killed."""
    words = [sys.executable, "-c", _HOLDER, str(directory)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            yield holder
        finally:
            holder.kill()


def test_the_second_hears_who_the_first_is(tmp_path: Path) -> None:
    with another_process(tmp_path / "state") as holder:
        with pytest.raises(HeldByAnother) as caught:
            PidFile(tmp_path / "state")
        assert caught.value.pid == holder.pid
        assert caught.value.path == tmp_path / "state" / FILE


def test_what_a_killed_process_leaves_holds_nobody_up(tmp_path: Path) -> None:
    with another_process(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert (tmp_path / FILE).read_text() == f"{holder.pid}\n"
        held = PidFile(tmp_path)
    assert (tmp_path / FILE).read_text() == f"{os.getpid()}\n"
    held.close()


def test_it_can_be_held_again_once_it_was_let_go_of(tmp_path: Path) -> None:
    first = PidFile(tmp_path)
    with pytest.raises(HeldByAnother):
        PidFile(tmp_path)
    first.close()
    PidFile(tmp_path).close()


def test_directory_and_file_are_their_users_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        PidFile(tmp_path / "state").close()
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(os.stat(tmp_path / "state" / name).st_mode) for name in ("", FILE)]
    assert modes == [0o700, 0o600]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_root_leaves_nothing_that_the_service_cannot_open(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    os.chown(tmp_path / "state", 65534, 65534)
    pytests_own = takewhile(lambda place: place != Path(gettempdir()), tmp_path.parents)
    for place in (tmp_path, *pytests_own):
        place.chmod(0o755)
    PidFile(tmp_path / "state" / "front").close()
    for name in ("front", f"front/{FILE}"):
        assert os.stat(tmp_path / "state" / name).st_uid == 65534
    assert os.geteuid() == 0


def test_no_child_holds_it_on(tmp_path: Path) -> None:
    held = PidFile(tmp_path)
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        held.close()
        PidFile(tmp_path).close()
        child.kill()


def _link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize("make", [_link, os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_opened(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / FILE)
    with pytest.raises(OSError, match=FILE):
        PidFile(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_without_room_for_the_number_it_is_held_all_the_same(tmp_path: Path) -> None:
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, unlimited[1]))
    try:
        held = PidFile(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        signal.signal(signal.SIGXFSZ, before)
    with pytest.raises(HeldByAnother) as caught:
        PidFile(tmp_path)
    assert caught.value.pid is None
    held.close()


def test_a_read_only_disk_is_held_where_the_file_was_there_and_told_where_it_was_not() -> None:
    with SmallDisk() as disk:
        if not disk.is_mounted:
            pytest.skip("no disk may be mounted here")
        PidFile(disk.path / "before").close()
        held = PidFile(disk.path / "during")
        with disk.read_only():  # who holds it does not stand in the way
            again = PidFile(disk.path / "before")
            with pytest.raises(HeldByAnother):
                PidFile(disk.path / "before")
            with pytest.raises(OSError, match="Read-only"):
                PidFile(disk.path / "never")
        again.close()
        held.close()
