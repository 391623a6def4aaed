"""A blocked radio is told apart from one that is merely off."""

from __future__ import annotations

from pathlib import Path

import pytest

from blelockd.adapters.bluez.rfkill import Block, block_of


def switch(root: Path, number: int, kind: str, name: str, *, soft: int = 0, hard: int = 0) -> None:
    directory = root / f"rfkill{number}"
    directory.mkdir()
    for file, value in (("type", kind), ("name", name), ("soft", soft), ("hard", hard)):
        (directory / file).write_text(f"{value}\n")


@pytest.mark.parametrize(("soft", "hard", "block"), [(0, 0, None), (1, 0, "soft"), (1, 1, "hard")])
def test_the_adapters_own_switch_counts(
    tmp_path: Path, soft: int, hard: int, block: str | None
) -> None:
    switch(tmp_path, 0, "bluetooth", "hci0", soft=soft, hard=hard)
    assert block_of("hci0", tmp_path) == block


def test_a_switch_for_all_of_bluetooth_counts(tmp_path: Path) -> None:
    switch(tmp_path, 3, "bluetooth", "tpacpi_bluetooth_sw", hard=1)
    assert block_of("hci0", tmp_path) is Block.HARD


def test_other_radios_and_other_adapters_do_not_count(tmp_path: Path) -> None:
    switch(tmp_path, 0, "wlan", "phy0", soft=1, hard=1)
    switch(tmp_path, 1, "bluetooth", "hci1", soft=1)
    assert block_of("hci0", tmp_path) is None


def test_a_machine_without_switches_blocks_nothing(tmp_path: Path) -> None:
    assert block_of("hci0", tmp_path / "absent") is None
