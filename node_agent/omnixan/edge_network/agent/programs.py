"""What identifies a program: the SHA-256 of its text. Parsed ones are remembered in a `CircuitCache`."""

from __future__ import annotations

import hashlib
from typing import Final

PARSED: Final = "parsed"
"""Target of a program that was parsed and compiled for nothing yet."""


def digest_of(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes in lower-case hex."""
    return hashlib.sha256(text.encode()).hexdigest()
