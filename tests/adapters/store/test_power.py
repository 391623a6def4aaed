"""Killed or cut off at any moment: what was acknowledged is there, and the audit is whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from blelockd.adapters.store import Store
from blelockd.services.issuer.audit import AuditKind
from tests.adapters.store.household import Household, a_session, later, said
from tests.checkout import ROOT
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR

_LIVES: Final = """
import os, signal, sys
from pathlib import Path
import sqlite3
from blelockd.adapters.store import Store
from tests.adapters.store.household import Household, a_session, later, said
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR

connect, at, ends = sqlite3.connect, 0, []

def watched(*arguments, **options):
    connection = connect(*arguments, **options)
    connection.set_trace_callback(begins)
    return connection

def begins(statement):
    global at
    at += 1
    if statement == "COMMIT":
        ends.append(at)
    if at == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

def live(directory, told):
    house = Household(Store(directory))
    guest = house.guest()
    for number in range(1, 4):
        house.opened(a_session(guest, number))
        print(f"opened {number}", file=told, flush=True)
        house.tell(DOOR, said(number, session=number), NOON)
        print(f"kept {number}", file=told, flush=True)
    house.store.guests.suspend(guest.guest_id, later(1))
    print("suspended", file=told, flush=True)
    house.store.audit.forget("Ada", later(2))
    print("forgotten", file=told, flush=True)

sqlite3.connect = watched
place, fatal = Path(sys.argv[1]), 0
with open(place / "whole.txt", "w") as told:
    live(place / "whole", told)
for fatal in [at for end in ends for at in (end, end + 1)]:
    if os.fork() == 0:
        at = 0
        with open(place / f"{fatal}.txt", "w") as told:
            live(place / str(fatal), told)
        os._exit(0)
    os.wait()
"""


def check(directory: Path, acknowledged: list[str]) -> None:
    """All of it is there, and nothing is half done."""
    store = Store(directory)
    try:
        store.check()
        store.audit.verify()
        house = Household(store)
        told = house.told()
        kept = [event.door.counter for event in told if event.door is not None]
        opened = [event for event in told if event.kind is AuditKind.SESSION_GRANTED]
        assert kept == list(range(1, len(kept) + 1))
        assert [f"kept {counter}" for counter in kept] >= [
            line for line in acknowledged if line.startswith("kept")
        ]
        assert len(opened) >= sum(line.startswith("opened") for line in acknowledged)
        revoked = [event for event in told if event.kind is AuditKind.SESSION_REVOKED]
        if "suspended" in acknowledged:
            assert len(revoked) == 3
            assert len(store.sessions.pending()) == 1
        assert len(revoked) in (0, 3)
        if "forgotten" in acknowledged:
            assert all(event.person is None for event in told)
    finally:
        store.close()


def test_a_kill_on_either_side_of_each_commit_loses_nothing_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    subprocess.run([sys.executable, "-c", _LIVES, str(tmp_path)], cwd=ROOT, check=True, timeout=50)
    lives = {path.stem: path.read_text().splitlines() for path in tmp_path.glob("*.txt")}
    assert lives.pop("whole")[-1] == "forgotten"
    assert len(lives) > 20
    assert len({len(acknowledged) for acknowledged in lives.values()}) >= 8
    for directory, acknowledged in lives.items():
        check(tmp_path / directory, acknowledged)


def test_a_cut_of_the_power_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """What a commit has synced is on the disk; of what follows there is any part, or none."""
    directory = tmp_path / "state"
    house = Household(Store(directory))
    wal = directory / "issuer.db-wal"
    done: list[tuple[int, list[str]]] = []
    acknowledged = []
    guest = house.guest()
    for number in range(1, 4):
        house.opened(a_session(guest, number))
        acknowledged.append(f"opened {number}")
        done.append((wal.stat().st_size, list(acknowledged)))
        house.tell(DOOR, said(number, session=number), NOON)
        acknowledged.append(f"kept {number}")
        done.append((wal.stat().st_size, list(acknowledged)))
    house.store.guests.suspend(guest.guest_id, later(1))
    done.append((wal.stat().st_size, [*acknowledged, "suspended"]))
    raw, database = wal.read_bytes(), house.store.path.read_bytes()
    for (synced, there), (after, _) in zip(done, [*done[1:], done[-1]], strict=True):
        for cut in sorted({synced, synced + 1, (synced + after) // 2, max(synced, after - 1)}):
            torn = tmp_path / "torn"
            torn.mkdir(mode=0o700)
            (torn / "issuer.db").write_bytes(database)
            (torn / "issuer.db").chmod(0o600)
            (torn / "issuer.db-wal").write_bytes(raw[:cut])
            check(torn, there)
            shutil.rmtree(torn)
    house.store.close()
