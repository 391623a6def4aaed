"""Every fuzz target on its seeds and on simple changes of them: documented errors alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from blelockd.adapters.spool import FILE, SqliteSpool
from blelockd.services.ports import SpoolDamaged
from tests.attack.fuzz.__main__ import main
from tests.attack.fuzz.databases import a_locks_file, changed
from tests.attack.fuzz.targets import TARGETS, Target
from tests.fakes.clock import NOON

CASES = 100
FEW = {"key files": 4, "issuer's database": 15}
"""Where a case takes more than a millisecond."""


def changes_of(seeds: list[bytes], cases: int) -> Iterator[bytes]:
    """The same on every run: a fuzzer's work is done by `make fuzz`."""
    chance = random.Random(1729)
    for _ in range(cases):
        raw = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(raw) + 1)
            raw[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(4))
        yield bytes(raw)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_target_takes_its_seeds_and_raises_only_what_is_documented(target: Target) -> None:
    seeds = list(target.seeds())
    assert any(target.take(seed) for seed in seeds)
    assert max(map(len, seeds)) <= target.longest
    for raw in changes_of(seeds, FEW.get(target.name, CASES)):
        target.take(raw)


def test_a_number_that_no_event_has_is_damage_and_no_fault(tmp_path: Path) -> None:
    """A negative time in the lock's file was read, and then was no message: the daemon ended."""
    file = a_locks_file()
    time = NOON.to_bytes(6, "big")
    place = file.rindex(time)
    (tmp_path / FILE).write_bytes(changed(file, place.to_bytes(3, "big") + b"\x01\xff"))
    spool = SqliteSpool(tmp_path)
    with pytest.raises(SpoolDamaged, match="a new one begins"):
        spool.read(None, 10)
    assert spool.read(None, 10) == []
    spool.close()


def test_one_input_can_be_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "input").write_bytes(b"junk")
    assert main(["--replay", "cards", str(tmp_path / "input")]) == 0
    assert "refused, as documented" in capsys.readouterr().out
    assert main(["--replay", "nothing", str(tmp_path / "input")]) == 2
