"""The garbage collector's pauses, kept short: what lives long is not gone through again and again.

While the collector works, no advert is judged. Going through modules, parts and 10,000 sessions
takes it tens of milliseconds; going through what is new, one or two. Sessions and adverts need no
collector, reference counts free them; a broken connection may, and is seen to by `settle`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

_NEW_OBJECTS: Final = 500
"""So many more than went call for a collection of the youngest; CPython's own number is 700."""
_COLLECTIONS: Final = 4
"""So many of those call for one of all that is new: 2,500 objects, in about a millisecond."""


def settle() -> None:
    """Collect all garbage there is, in one long pause, and pass over the rest from now on."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@contextmanager
def short_pauses() -> Iterator[None]:
    """Meanwhile, what has outlived two collections counts as settled, too."""
    before = gc.get_threshold()
    gc.set_threshold(_NEW_OBJECTS, _COLLECTIONS, *before[2:])
    gc.callbacks.append(_keep_survivors)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(_keep_survivors)
        gc.unfreeze()


def _keep_survivors(phase: str, info: Mapping[str, int]) -> None:
    """Nothing that is garbage now survives a collection, so nothing that is garbage is kept."""
    if phase == "stop" and info["generation"] > 0:
        gc.freeze()
