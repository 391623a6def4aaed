"""What to do when `unlock` or `enrol` got nothing: a remedy of its own for every cause.

An answer that the trusted issuer has not signed is told as the security matter that it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from blelockd.adapters.bluez.errors import Cause, RadioDown
from blelockd.adapters.keyring import ISSUER_CARD
from blelockd.cli.exits import Exit, Failure
from blelockd.config import GuestConfig
from blelockd.protocol.ids import LockId
from blelockd.services.guest.provisioning import Obstacle, ProvisioningFailed
from blelockd.services.ports import LinkDown

_COMPARE = "blelock-issuer show-key --fingerprint"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was asked for: with which configuration, read from where, and for which lock."""

    config: GuestConfig
    path: Path
    lock: LockId | None = None


def out_of_reach(error: LinkDown, attempt: Attempt) -> Failure:
    """The radio does not work, or the issuer was not reached."""
    if not isinstance(error, RadioDown):
        remedy = "see that the adapter is on and the issuer near, then try again"
        return Failure(error.reason, remedy, Exit.UNAVAILABLE)
    remedy = error.remedy
    if error.cause is Cause.NOT_HEARD:
        remedy = (
            "go nearer to the issuer; see that blelock-issuer runs there, and that `issuer:`\n"
            f"in {attempt.path} names its beacon"
        )
    elif error.cause is Cause.NO_SERVICE:
        remedy = (
            "perhaps that is another device: see what `issuer:` in the configuration looks for;\n"
            f"if it is the issuer, `provisioning:` must be the same there and in {attempt.path}"
        )
    return Failure(error.reason, remedy, Exit.UNAVAILABLE)


def no_session(error: ProvisioningFailed, attempt: Attempt) -> Failure:
    """The issuer was reached, or what poses as it, and there is no session all the same."""
    remedies = {
        Obstacle.UNKNOWN_LOCK: _unknown_lock(attempt),
        Obstacle.CLOCKS_APART: "set this machine's clock, and see to the issuer's: `timedatectl`",
        Obstacle.BUSY: "the issuer answers a few requests a minute: wait a minute, then try again",
        Obstacle.ISSUER_TROUBLE: "the issuer could not reach its broker: see to the broker, and to "
        "the issuer's\njournal, `journalctl -u blelock-issuer`",
        Obstacle.SILENT: "go nearer; if it stays silent, see its journal, `journalctl -u "
        f"blelock-issuer`,\nor give it longer: timeouts.response_seconds in {attempt.path}",
        Obstacle.NOT_FOR_US: "another guest asked at the same time: try again",
        Obstacle.MALFORMED: "perhaps that is another device, or of another version: see `issuer:` "
        f"in\n{attempt.path}, and `blelock-issuer --version`",
        Obstacle.REFUSED: "see the issuer's journal, `journalctl -u blelock-issuer`, and that both "
        "sides have\nthe same version",
        Obstacle.OUT_OF_REACH: "go nearer, and see that blelock-issuer runs",
        **_of_version_2(attempt),
    }
    if error.obstacle is Obstacle.IMPOSTOR:
        return _impostor(error, attempt)
    return _failure(error, remedies[error.obstacle])


def not_enrolled(error: ProvisioningFailed, attempt: Attempt) -> Failure:
    """The issuer did not take the invite, or was not the right one."""
    if isinstance(error.__cause__, LinkDown):
        return out_of_reach(error.__cause__, attempt)
    if error.obstacle is Obstacle.DENIED:
        problem = f"{error.reason}: the code is mistyped, used, or older than ten minutes"
        remedy = "type it again; or ask for another: `blelock-issuer guest invite NAME ...`"
        return Failure(problem, remedy, Exit.DATA)
    if error.obstacle is Obstacle.IMPOSTOR:
        remedy = (
            "nothing was trusted. Somebody may pose as the issuer: try again near the issuer, and\n"
            "if it stays so, ask for another invite"
        )
        return Failure(f"who answered does not know the invite: {error.reason}", remedy, Exit.DATA)
    if error.obstacle is Obstacle.OTHER_ISSUER:
        remedy = (
            f"see what `issuer:` in {attempt.path} looks for.\n"
            "If this guest shall leave the issuer that it trusts for this one, say --replace"
        )
        return Failure(error.reason, remedy, Exit.DATA)
    return no_session(error, attempt)


def _failure(error: ProvisioningFailed, remedy: str) -> Failure:
    of_data = error.obstacle in (Obstacle.MALFORMED, Obstacle.NOT_FOR_US) or not error.temporary
    status = Exit.DATA if of_data else Exit.UNAVAILABLE
    return Failure(error.reason, remedy, status)


def _of_version_2(attempt: Attempt) -> dict[Obstacle, str]:
    """What an issuer of version 2 refuses, and what may be done about it."""
    ask = "ask who runs the issuer; there, `blelock-issuer guest show NAME` says more"
    return {
        Obstacle.OTHER_ISSUER: f"see what `issuer:` in {attempt.path} looks for.\nIf the issuer "
        "was reinstalled and has other keys now: `sudo blelock-guest enrol --replace`",
        Obstacle.DENIED: "perhaps this guest was removed: then enrol anew with an invite, `sudo "
        "blelock-guest enrol`;\nor it asked too often: wait a minute, then try again",
        Obstacle.LOCK_OFFLINE: "see that the lock runs and reaches its broker: `journalctl -u "
        "blelock-lock` there",
        Obstacle.LOCK_UNABLE: "this door is to open to answers only (`challenge: true` in "
        "issuer.yaml): set\n`challenge_seconds` in the lock's lock.yaml and restart it",
        Obstacle.LIFETIME: ask,
        Obstacle.REVOKED: ask,
        Obstacle.OUTSIDE_SCHEDULE: f"come back at another hour, or\n{ask}",
        Obstacle.USES_SPENT: ask,
        Obstacle.NOT_ALLOWED: f"see that the lock's name is right; or\n{ask}",
    }


def _unknown_lock(attempt: Attempt) -> str:
    lock = attempt.lock
    remedy = (
        f"on the issuer, list `{lock}: {{}}` under `locks:` in issuer.yaml,\n"
        f"bring in its key, `blelock-issuer import-key {lock} FILE`,\n"
        "then `systemctl reload blelock-issuer`"
    )
    if lock is None or lock in attempt.config.locks:
        return remedy
    listed = ", ".join(map(str, attempt.config.locks))
    return f"if that name is mistyped: {attempt.path} lists {listed}; if not,\n{remedy}"


def _impostor(error: ProvisioningFailed, attempt: Attempt) -> Failure:
    problem = f"this is not the issuer that you trust: {error.reason}"
    if not attempt.config.compat_v1:
        remedy = (
            "no session was taken. Somebody may pose as the issuer.\n"
            "Compare the card that `sudo blelock-issuer card` shows there with\n"
            f"{attempt.config.keys_directory / ISSUER_CARD} here.\n"
            "Only if the issuer was reinstalled and has other keys now, enrol anew:\n"
            "  sudo blelock-guest enrol --replace"
        )
        return Failure(problem, remedy, Exit.DATA)
    remedy = (
        "no session was taken. Somebody may pose as the issuer: do not switch off\n"
        f"`issuer.public_key` in {attempt.path}, and import no key that you have not compared.\n"
        "Compare the fingerprint above with what the issuer itself shows:\n"
        f"  sudo {_COMPARE}\n"
        "Only if the issuer was reinstalled and has another key now, import that one again:\n"
        "  sudo blelock-guest import-key FILE --replace"
    )
    return Failure(problem, remedy, Exit.DATA)
