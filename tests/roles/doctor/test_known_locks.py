"""Which locks an issuer knows, and whether they know it, is in its store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from blelockd.adapters.store import Store
from blelockd.config import IssuerConfig
from blelockd.roles.doctor.known_locks import known_locks
from blelockd.services.diagnosis import Finding, Grade
from tests.fakes.clock import NOON
from tests.fakes.enrolled import DOOR, EPOCH, ISK, ISK_PUBLIC, LOCK_CARD


async def found(directory: Path, text: str = "") -> dict[str, Finding]:
    config = IssuerConfig.from_yaml(f"state_directory: {directory}\n{text}", "issuer.yaml")
    return {finding.check: finding async for finding in known_locks(config)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with one lock, which nobody has heard yet."""
    store = Store(tmp_path / "state")
    store.locks.add(LOCK_CARD, NOON)
    yield store
    store.close()


async def test_without_a_lock_nobody_gets_a_session(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    finding = (await found(directory))["locks"]

    assert (finding.grade, finding.cause) == (Grade.BROKEN, "no-lock")
    assert "blelock-issuer lock add" in finding.remedy
    assert not directory.exists(), "a doctor changes nothing"
    assert (await found(directory, "compat_v1: true\n"))["locks"].grade is Grade.FINE


async def test_an_empty_store_has_no_lock(store: Store, tmp_path: Path) -> None:
    store.locks.remove(DOOR, NOON)

    assert (await found(tmp_path / "state"))["locks"].cause == "no-lock"


async def test_a_lock_that_was_never_heard_may_not_know_this_issuer(
    store: Store, tmp_path: Path
) -> None:
    finding = (await found(tmp_path / "state"))[f"lock {DOOR}"]

    assert (finding.grade, finding.cause) == (Grade.DOUBTFUL, "lock-never-heard")
    assert str(LOCK_CARD.fingerprint()) in finding.told
    assert "blelock-lock trust" in finding.remedy


async def test_a_lock_that_was_heard_and_its_issuer_know_each_other(
    store: Store, tmp_path: Path
) -> None:
    store.locks.greet(DOOR, EPOCH, 0, NOON)
    finding = (await found(tmp_path / "state"))[f"lock {DOOR}"]

    assert finding.grade is Grade.FINE
    assert "was heard" in finding.told


async def test_a_damaged_store_is_told_with_the_remedy(store: Store, tmp_path: Path) -> None:
    store.close()
    store.path.write_bytes(b"no database" * 1000)
    finding = (await found(tmp_path / "state"))["locks"]

    assert (finding.grade, finding.cause) == (Grade.BROKEN, "store")
    assert "restore" in finding.remedy


async def test_whose_store_it_is_not_learns_that(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    finding = (await found(tmp_path / "state"))["locks"]

    assert (finding.grade, finding.cause) == (Grade.DOUBTFUL, "not-permitted")
    assert "sudo" in finding.remedy


async def test_a_store_that_was_damaged_and_restored_is_told_until_the_file_is_gone(
    store: Store, tmp_path: Path
) -> None:
    store.keep_copy(ISK_PUBLIC)
    store.close()
    store.path.write_bytes(b"no database" * 1000)
    recovered = store.recover(ISK.public_key, NOON)
    finding = (await found(tmp_path / "state"))["store"]

    assert (finding.grade, finding.cause) == (Grade.DOUBTFUL, "store-restored")
    assert recovered.kept_as in finding.told
    assert "suspend or remove again" in finding.remedy

    (tmp_path / "state" / recovered.kept_as).unlink()
    assert "store" not in await found(tmp_path / "state")
