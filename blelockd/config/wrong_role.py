"""Whether a file is another role's: that is one mistake, not one for each of its keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from blelockd.config.options import Section, options_of

_SURELY: Final = 2  # so many more of its keys are another's


def looks_like(of: type[Section], keys: Collection[str], roles: Mapping[str, type[Section]]) -> str:
    """`issuer.yaml`, or `issuer.yaml or guest.yaml`; empty where the file may be one of `of`."""
    known = {role: len(_names(other) & set(keys)) for role, other in roles.items()}
    best, ours = max(known.values()), len(_names(of) & set(keys))
    if best <= ours or (best < ours + _SURELY and best < len(keys)):
        return ""
    return " or ".join(f"{role}.yaml" for role, count in sorted(known.items()) if count == best)


def first_foreign(of: type[Section], keys: Collection[str]) -> str:
    """The first of `keys` that `of` does not know."""
    return next(key for key in keys if key not in _names(of))


def _names(of: type[Section]) -> set[str]:
    return {name for name, _, _ in options_of(of)}
