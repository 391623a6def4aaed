"""The locks in the issuer's store: whether there are any, and whether each has ever been heard.

A lock is heard when it has said, sealed for this issuer and signed by itself, that it is there:
then each of the two has the other's right card.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Final

from blelockd.adapters.owner import become_owner_of
from blelockd.adapters.store import Store
from blelockd.config import IssuerConfig
from blelockd.services.diagnosis import Finding, broken, doubtful, fine
from blelockd.services.issuer.records import StoreFailed

_LOCKS: Final = "locks"
_USER: Final = "blelock-issuer"


async def known_locks(config: IssuerConfig) -> AsyncIterator[Finding]:
    """What the store knows. To be asked last: as root, the process is its owner's from then on."""
    directory = config.state_directory
    store = Store(directory)
    if not os.access(directory, os.X_OK) and directory.exists():
        yield doubtful(_LOCKS, "not-permitted", f"{directory}: not yours", "run this as root: sudo")
        return
    if not store.path.exists():
        yield _none(config)
        return
    try:
        become_owner_of(directory, _USER)
        for finding in _in_store(config, store):
            yield finding
    except StoreFailed as error:
        yield broken(_LOCKS, "store", error.problem, error.remedy)
    finally:
        store.close()


def _in_store(config: IssuerConfig, store: Store) -> list[Finding]:
    locks = store.locks.all()
    found = _restored(store)
    if not locks:
        return [*found, _none(config)]
    for lock in locks:
        check = f"lock {lock.lock_id}"
        card = f"its card has the fingerprint {lock.card.fingerprint()}"
        if store.locks.epoch(lock.lock_id) is not None:
            found.append(fine(check, f"known, and was heard; {card}"))
            continue
        told = f"known, and was never heard; {card}"
        remedy = (
            "on the lock: `blelock-lock doctor`; it must show that card, `blelock-lock card "
            "--fingerprint`, and trust this issuer's, `blelock-lock trust CARD`"
        )
        found.append(doubtful(check, "lock-never-heard", told, remedy))
    return found


def _restored(store: Store) -> list[Finding]:
    aside = store.set_aside()
    if not aside:
        return []
    told = f"it was damaged and restored; {aside[-1]} is what it was, one of {len(aside)}"
    remedy = (
        "`blelock-issuer audit` says what is missing: suspend or remove again whom you suspended or"
        f" removed since; see to the disk, then delete {store.path.parent / aside[-1]}"
    )
    return [doubtful("store", "store-restored", told, remedy)]


def _none(config: IssuerConfig) -> Finding:
    if config.compat_v1:
        return fine(_LOCKS, "none is known by version 2")
    remedy = "on the lock `blelock-lock card > FILE`, and here `blelock-issuer lock add FILE`"
    return broken(_LOCKS, "no-lock", "none is known, so nobody gets a session", remedy)
