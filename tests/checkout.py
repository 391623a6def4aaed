"""Where the checkout is, which tests of every kind ask."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
