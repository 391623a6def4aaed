"""Writes the message catalog: catalog/blelock.catalog.in with each event's MESSAGE_ID in place.

Every kind of event is explained exactly once, or there is no catalog.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
_ENTRY = re.compile(r"^-- (.*)$", re.MULTILINE)


def catalog(source: str, ids: Mapping[str, str]) -> str:
    """`source` with the kind at the head of each entry replaced by its id; raises ValueError."""
    explained = _ENTRY.findall(source)
    if sorted(explained) != sorted(ids):
        missing, unknown = set(ids) - set(explained), set(explained) - set(ids)
        raise ValueError(f"not explained: {missing}; unknown: {unknown}; or explained twice")
    entries = source[source.index("\n-- ") :]  # what stands above is for us
    return _ENTRY.sub(lambda entry: f"-- {ids[entry[1]]}", entries)


if __name__ == "__main__":
    sys.path.insert(0, str(TOP))
    from blelockd.adapters.journal import MESSAGE_IDS

    kinds = {kind.value: message_id for kind, message_id in MESSAGE_IDS.items()}
    sys.stdout.write(catalog((TOP / "catalog/blelock.catalog.in").read_text(), kinds))
