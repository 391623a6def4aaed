"""Trying several readers on one input: which of them took it, and what no reader may raise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from tests.fakes.keys import VECTORS

Documented = tuple[type[Exception], ...]
Readers = tuple[Callable[[bytes], object], ...]
Take = Callable[[bytes], bool]
"""Whether anything was taken; raises only what shows a fault."""


def taken_by(raw: bytes, readers: Readers, documented: Documented) -> bool:
    """Whether any of `readers` takes `raw`; the others raise what is `documented`."""
    took = False
    for reader in readers:
        try:
            reader(raw)
        except documented:
            continue
        took = True
    return took


def published(*names: str) -> Iterator[bytes]:
    """The messages of tests/vectors/messages-v2.json whose name begins so."""
    for vector in json.loads((VECTORS / "messages-v2.json").read_text()):
        if vector["what"].startswith(names):
            yield bytes.fromhex(vector["message"])
