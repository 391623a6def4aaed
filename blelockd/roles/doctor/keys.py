"""The keys: one's own, those of the others, and whether both sides can mean the same ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from blelockd.adapters.keyring import (
    GSK,
    IEK,
    ISK,
    LEK,
    LSK,
    KeyFileError,
    KeyFileMissing,
    Keyring,
    OwnKey,
)
from blelockd.config import GuestConfig, IssuerConfig, KnownLock, LockConfig, RoleConfig
from blelockd.protocol.keys import PublicKey
from blelockd.protocol.v2.cards import IssuerCard
from blelockd.services.diagnosis import Finding, broken, doubtful, fine

_KEYS: Final = "keys"
_MISSING: Final = "key-missing"
_AS_ROOT: Final = "run this as root: sudo"


async def keys(config: RoleConfig) -> AsyncIterator[Finding]:
    """The keys that the daemon with `config` needs, each read as the daemon reads it."""
    keyring = Keyring(config.keys_directory)
    if isinstance(config, LockConfig):
        found = _of_lock(config, keyring)
    elif isinstance(config, IssuerConfig):
        found = _of_issuer(config, keyring)
    else:
        assert isinstance(config, GuestConfig)
        found = _of_guest(config, keyring)
    for finding in found:
        yield finding


def _of_lock(config: LockConfig, keyring: Keyring) -> list[Finding]:
    v2 = [_own(keyring, LEK), _own(keyring, LSK), _pinned_or_here(keyring)]
    if not config.compat_v1:
        return v2
    return [
        *_or_version_1_alone(v2),
        _own_v1(keyring, "lock.pem"),
        _read("the issuer's key", lambda: _fingerprint(keyring.public(config.issuer_key))),
        *_as_the_issuer_here_knows(config, keyring),
    ]


def _or_version_1_alone(v2: list[Finding]) -> list[Finding]:
    """What is found where version 1 is on: a daemon without a key of version 2 does without."""
    missing = next((finding for finding in v2 if finding.cause == _MISSING), None)
    if missing is None:
        return v2
    told = f"version 1 alone is spoken: {missing.told}"
    return [doubtful(missing.check, missing.cause, told, missing.remedy)]


def _of_issuer(config: IssuerConfig, keyring: Keyring) -> list[Finding]:
    v2 = [_own(keyring, ISK), _own(keyring, IEK)]
    if not config.compat_v1:
        return v2
    found = [*_or_version_1_alone(v2), _own_v1(keyring, "issuer.pem")]
    found += [_of_known_lock(keyring, lock) for lock in config.locks]
    if not config.locks:
        told = "no lock is listed under `locks:`, so nobody gets a session of version 1"
        remedy = "list it, and bring its key in with `import-key`"
        found.append(doubtful(_KEYS, "no-lock", told, remedy))
    return found


def _of_guest(config: GuestConfig, keyring: Keyring) -> list[Finding]:
    if not config.compat_v1:
        return [_own(keyring, GSK), _pinned(keyring)]
    pinned = config.issuer.public_key
    if pinned is None:
        told = "none is pinned: whoever answers as the issuer is believed"
        remedy = "bring it in with `import-key`, and set `issuer: {public_key: issuer.pub}`"
        issuer = doubtful("the issuer's key", "issuer-not-pinned", told, remedy)
    else:
        issuer = _read("the issuer's key", lambda: _fingerprint(keyring.public(pinned)))
    return [_own_v1_if_any(keyring, "guest.pem"), issuer]


def _of_known_lock(keyring: Keyring, lock: KnownLock) -> Finding:
    check = f"key of {lock.lock_id}"
    return _read(check, lambda: _fingerprint(keyring.public(lock.public_key)))


def _own(keyring: Keyring, key: OwnKey[Any]) -> Finding:
    def told() -> str:
        keyring.own(key)
        return key.what

    return _read(f"own {key.file}", told)


def _own_v1(keyring: Keyring, name: str) -> Finding:
    return _read(f"own {name}", lambda: _fingerprint(keyring.private(name).public_key))


def _own_v1_if_any(keyring: Keyring, name: str) -> Finding:
    """A guest without one is served, too."""
    found = _own_v1(keyring, name)
    if found.cause != _MISSING:
        return found
    told = f"{found.told}: the issuer sends such a guest its session in the clear"
    return doubtful(found.check, found.cause, told, found.remedy)


def _pinned(keyring: Keyring) -> Finding:
    return _read(
        "issuer's card", lambda: f"trusted, fingerprint {keyring.issuer_card().fingerprint()}"
    )


def _pinned_or_here(keyring: Keyring) -> Finding:
    """Where an issuer has its keys on this machine, most likely it is the one that is meant."""
    found = _pinned(keyring)
    try:
        here = IssuerCard(keyring.own(ISK).public_key, keyring.own(IEK).public_key)
        if here == keyring.issuer_card():
            return found
    except KeyFileError:  # another machine's business, or told already
        return found
    told = f"it is not that of the issuer on this machine; {found.told}"
    remedy = "if this one is meant: `blelock-issuer card | blelock-lock trust - --replace`"
    return doubtful(found.check, "another-issuer", told, remedy)


def _fingerprint(key: PublicKey) -> str:
    return f"RSA-{key.bits}, fingerprint {key.fingerprint()}"


def _read(check: str, read: Callable[[], str]) -> Finding:
    try:
        return fine(check, read())
    except KeyFileError as error:
        told = f"{error.path}: {error.problem}"
        if isinstance(error.__cause__, PermissionError):
            return doubtful(check, "not-permitted", told, _AS_ROOT)
        cause = _MISSING if isinstance(error, KeyFileMissing) else "key-unusable"
        return broken(check, cause, told, error.remedy)


def _as_the_issuer_here_knows(config: LockConfig, keyring: Keyring) -> list[Finding]:
    """Where issuer and lock share a machine, what one knows of the other can be compared."""
    at_issuer = config.keys_directory / "locks" / f"{config.lock_id}.pub"
    try:
        known, own = keyring.public(at_issuer), keyring.private("lock.pem").public_key
    except KeyFileError:  # another machine's business, or told above
        return []
    check = "both sides"
    if known == own:
        return [fine(check, f"the issuer on this machine knows {config.lock_id} by this key")]
    told = f"the issuer on this machine knows another key for {config.lock_id}: {at_issuer}"
    remedy = (
        f"on the issuer: `blelock-lock show-key | blelock-issuer import-key {config.lock_id} - "
        "--replace`, then `systemctl reload blelock-issuer`"
    )
    return [broken(check, "other-key-at-issuer", told, remedy)]
