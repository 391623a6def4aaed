"""Each key is read as the daemon reads it, and what is wrong with it told with its remedy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from blelockd.adapters.keyring import GSK, IEK, ISK, ISSUER_CARD, LEK, LSK, import_public
from blelockd.config import GuestConfig, IssuerConfig, LockConfig, RoleConfig
from blelockd.roles.doctor.keys import keys
from blelockd.services.diagnosis import Finding, Grade
from tests.adapters.keyring.files import write
from tests.fakes import enrolled
from tests.fakes import keys as known

V1 = "compat_v1: true\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The keys of version 1 of everybody on this machine."""
    folder = tmp_path / "keys"
    folder.mkdir()
    for name in ("issuer", "lock", "guest"):
        write(folder / f"{name}.pem", known.PEMS[name].encode())
    import_public(known.ISSUER.public_key, folder / "issuer.pub")
    import_public(known.LOCK.public_key, folder / "locks/lock_01.pub")
    write(folder / LEK.file, enrolled.PEMS["lek"].encode())
    write(folder / LSK.file, enrolled.LSK.pem())
    write(folder / ISSUER_CARD, enrolled.ISSUER_CARD.text().encode(), 0o644)
    return folder


def config(kind: type[RoleConfig], folder: Path, text: str = V1) -> RoleConfig:
    needed = {LockConfig: "lock_id: lock_01\n", GuestConfig: "locks: [lock_01]\n"}.get(kind, "")
    return kind.from_yaml(f"{needed}keys_directory: {folder}\n{text}", "a.yaml")


async def found(kind: type[RoleConfig], folder: Path, text: str = V1) -> dict[str, Finding]:
    return {finding.check: finding async for finding in keys(config(kind, folder, text))}


async def test_a_lock_shows_its_fingerprint_and_whom_it_trusts(folder: Path) -> None:
    findings = await found(LockConfig, folder)

    assert {finding.grade for finding in findings.values()} == {Grade.FINE}
    assert known.LOCK.public_key.fingerprint() in findings["own lock.pem"].told
    assert known.ISSUER.public_key.fingerprint() in findings["the issuer's key"].told


async def test_an_issuer_shows_what_it_knows_of_each_lock(folder: Path) -> None:
    findings = await found(IssuerConfig, folder, f"{V1}locks: {{lock_01: {{}}, lock_02: {{}}}}\n")

    assert known.LOCK.public_key.fingerprint() in findings["key of lock_01"].told
    assert findings["key of lock_02"].cause == "key-missing"
    assert findings["key of lock_02"].grade is Grade.BROKEN


async def test_an_issuer_without_a_lock_is_told_so(folder: Path) -> None:
    findings = await found(IssuerConfig, folder)

    assert findings["keys"].cause == "no-lock"
    assert findings["own issuer.pem"].grade is Grade.FINE


async def test_issuer_and_lock_on_one_machine_are_compared(folder: Path) -> None:
    assert (await found(LockConfig, folder))["both sides"].grade is Grade.FINE

    at_issuer = folder / "locks/lock_01.pub"
    import_public(known.STRANGER.public_key, at_issuer, replace=True)
    finding = (await found(LockConfig, folder))["both sides"]
    assert (finding.grade, finding.cause) == (Grade.BROKEN, "other-key-at-issuer")
    assert "import-key lock_01 - --replace" in finding.remedy

    at_issuer.unlink()
    assert "both sides" not in await found(LockConfig, folder)


async def test_a_guest_may_have_no_key_and_pin_nobody_but_is_told(folder: Path) -> None:
    (folder / "guest.pem").unlink()
    findings = await found(GuestConfig, folder)

    assert {finding.grade for finding in findings.values()} == {Grade.DOUBTFUL}
    assert findings["own guest.pem"].cause == "key-missing"
    assert findings["the issuer's key"].cause == "issuer-not-pinned"


@pytest.mark.parametrize(
    ("harm", "cause"),
    [
        (lambda path: path.chmod(0o644), "key-unusable"),
        (lambda path: path.write_text("nonsense"), "key-unusable"),
        (lambda path: path.unlink(), "key-missing"),
    ],
)
async def test_a_key_that_the_daemon_would_refuse_is_broken(
    harm: Any, cause: str, folder: Path
) -> None:
    harm(folder / "lock.pem")
    finding = (await found(LockConfig, folder))["own lock.pem"]

    assert (finding.grade, finding.cause) == (Grade.BROKEN, cause)
    assert "nonsense" not in finding.told
    assert finding.remedy


async def test_what_only_root_may_read_is_no_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", forbidden)
    finding = (await found(LockConfig, folder))["own lock.pem"]

    assert (finding.grade, finding.cause) == (Grade.DOUBTFUL, "not-permitted")
    assert "sudo" in finding.remedy


# --- version 2 -----------------------------------------------------------------------------------


async def test_a_guest_that_has_not_enrolled_is_told_to(folder: Path) -> None:
    (folder / ISSUER_CARD).unlink()
    findings = await found(GuestConfig, folder, "")
    assert "keygen" in findings[f"own {GSK.file}"].remedy
    assert "enrol" in findings["issuer's card"].remedy

    GSK.make(folder)
    write(folder / ISSUER_CARD, enrolled.ISSUER_CARD.text().encode(), 0o644)
    findings = await found(GuestConfig, folder, "")
    assert {finding.grade for finding in findings.values()} == {Grade.FINE}
    assert str(enrolled.ISSUER_CARD.fingerprint()) in findings["issuer's card"].told


async def test_an_issuer_needs_its_keys_unless_it_speaks_version_1(folder: Path) -> None:
    for file in (ISK.file, IEK.file):
        (folder / file).unlink(missing_ok=True)
    findings = await found(IssuerConfig, folder, "")

    assert set(findings) == {f"own {ISK.file}", f"own {IEK.file}"}
    assert {finding.cause for finding in findings.values()} == {"key-missing"}

    findings = await found(IssuerConfig, folder)
    assert findings[f"own {ISK.file}"].grade is Grade.DOUBTFUL
    assert findings["own issuer.pem"].grade is Grade.FINE


async def test_a_lock_that_trusts_another_than_the_issuer_on_its_machine_is_doubtful(
    folder: Path,
) -> None:
    write(folder / ISK.file, enrolled.PEMS["isk"].encode())
    write(folder / IEK.file, enrolled.IEK.pem())
    assert (await found(LockConfig, folder))["issuer's card"].grade is Grade.FINE

    write(folder / ISK.file, enrolled.PEMS["other_isk"].encode())
    finding = (await found(LockConfig, folder))["issuer's card"]
    assert (finding.grade, finding.cause) == (Grade.DOUBTFUL, "another-issuer")
    assert "blelock-lock trust - --replace" in finding.remedy


async def test_a_lock_that_trusts_nobody_is_broken_unless_it_speaks_version_1(
    folder: Path,
) -> None:
    for file in (LEK.file, LSK.file, ISSUER_CARD):
        (folder / file).unlink()
    findings = await found(LockConfig, folder, "")
    assert set(findings) == {f"own {LEK.file}", f"own {LSK.file}", "issuer's card"}
    assert {finding.grade for finding in findings.values()} == {Grade.BROKEN}

    (folder / "lock.pem").unlink()
    findings = await found(LockConfig, folder)
    assert findings[f"own {LEK.file}"].grade is Grade.DOUBTFUL
    assert "version 1 alone is spoken" in findings[f"own {LEK.file}"].told
    assert "issuer's card" not in findings
    assert findings["own lock.pem"].grade is Grade.BROKEN
