"""Key files: read only where nobody else could have put or read them, written whole or not at all.

`v1` and `v2` are the keys of the two versions, `files` is how any key file is read and written.
"""

from blelockd.adapters.keyring.errors import (
    KeyFileError,
    KeyFileExists,
    KeyFileFailed,
    KeyFileMissing,
    KeyFileUnsafe,
)
from blelockd.adapters.keyring.ring import Keyring
from blelockd.adapters.keyring.v1 import (
    DEFAULT_BITS,
    generate,
    import_public,
    public_from,
    publish,
    read_private,
    read_public,
)
from blelockd.adapters.keyring.v2 import (
    GSK,
    IEK,
    ISK,
    ISSUER_CARD,
    LEK,
    LSK,
    OwnKey,
    pin_issuer_card,
    read_issuer_card,
)

__all__ = [
    "DEFAULT_BITS",
    "GSK",
    "IEK",
    "ISK",
    "ISSUER_CARD",
    "LEK",
    "LSK",
    "KeyFileError",
    "KeyFileExists",
    "KeyFileFailed",
    "KeyFileMissing",
    "KeyFileUnsafe",
    "Keyring",
    "OwnKey",
    "generate",
    "import_public",
    "pin_issuer_card",
    "public_from",
    "publish",
    "read_issuer_card",
    "read_private",
    "read_public",
]
