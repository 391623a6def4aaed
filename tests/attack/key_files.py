"""Key files that are not their owner's alone: fourteen kinds of wrong ownership, mode or type."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from blelockd.adapters.keyring import (
    GSK,
    IEK,
    ISK,
    LEK,
    LSK,
    KeyFileError,
    pin_issuer_card,
    read_issuer_card,
    read_private,
)
from tests.adapters.keyring import spoiling
from tests.attack.attacks import Attack, Effort, Outcome
from tests.fakes import enrolled as cast
from tests.fakes.keys import PEMS

Spoil = Callable[[Path], None]
Read = Callable[[Path], object]

WAYS: Final[dict[str, Spoil]] = {
    "of another user": spoiling.of_another_user,
    "readable for its group": spoiling.readable_for_the_group,
    "readable for all": spoiling.readable_for_all,
    "writable for its group": spoiling.writable_for_the_group,
    "writable for all": spoiling.writable_for_all,
    "in a directory in which all may replace it": spoiling.in_a_directory_for_all,
    "in a directory of another user": spoiling.in_a_directory_of_another_user,
    "in a directory in which a group may replace it": spoiling.in_a_directory_for_a_group,
    "a symbolic link": spoiling.a_symlink,
    "a dangling link": spoiling.a_dangling_symlink,
    "a directory": spoiling.a_directory,
    "a pipe": spoiling.a_pipe,
    "a socket": spoiling.a_socket,
    "a device": spoiling.a_device,
}
FOR_ROOT: Final = {
    "of another user",
    "in a directory of another user",
    "in a directory in which a group may replace it",
    "a device",
}
"""What root alone can make."""

KEYS: Final[dict[str, tuple[str, Read]]] = {
    "isk": (cast.PEMS["isk"], lambda file: ISK.read(file.parent)),
    "iek": (cast.IEK.pem().decode(), lambda file: IEK.read(file.parent)),
    "lek": (cast.PEMS["lek"], lambda file: LEK.read(file.parent)),
    "lsk": (cast.LSK.pem().decode(), lambda file: LSK.read(file.parent)),
    "gsk": (cast.GSK.pem().decode(), lambda file: GSK.read(file.parent)),
    "of version 1": (PEMS["lock"], read_private),
}


def refusals(pem: str, name: str, read: Read, ways: Iterable[Spoil]) -> Iterator[bool]:
    """Whether the key, which can be read, is refused in each of those ways."""
    for number, spoil in enumerate((lambda _: None, *ways)):
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory, name)
            file.write_text(pem)
            file.chmod(0o600)
            if number == 0:
                read(file)
                continue
            spoil(file)
            yield _raises(read, file)


def _raises(read: Read, file: Path) -> bool:
    try:
        read(file)
    except KeyFileError as error:
        return bool(error.remedy)
    return False


def _card_is_refused(spoil: Spoil) -> bool:
    """The issuer that is trusted is no secret; but nobody else may choose it."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "issuer.card")
        pin_issuer_card(cast.ISSUER_CARD, file)
        spoil(file)
        return _raises(read_issuer_card, file)


def spoilt(_: Effort) -> Outcome:
    """Each key in each way, and the pinned card in each way that matters for it."""
    ways = {
        name: spoil for name, spoil in WAYS.items() if os.geteuid() == 0 or name not in FOR_ROOT
    }
    verdicts = [
        refused
        for name, (pem, read) in KEYS.items()
        for refused in refusals(pem, f"{name}.pem", read, ways.values())
    ]
    verdicts += [
        _card_is_refused(spoil) for spoil in ways.values() if spoil not in spoiling.READABLE
    ]
    return Outcome(len(verdicts), verdicts.count(False))


ATTACKS: Final = [
    Attack("key files", f"{len(WAYS)} kinds of wrong owner, mode or type, of 6 keys", spoilt)
]
