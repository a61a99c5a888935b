"""Keys and metadata of a store: what is allowed, and their bytes on the medium."""

from __future__ import annotations

import json
from collections.abc import Mapping

from omnixan.edge_network.persistent_memory.errors import BadArgument, TooLarge

KEY_LIMIT = 1024
"""Bytes of a key in UTF-8."""

META_LIMIT = 64 << 10
"""Bytes of a record's metadata as JSON."""


def encode_key(path: str, key: str) -> bytes:
    """The key in UTF-8; raises `BadArgument` for an empty one or one that is no text, `TooLarge` over `KEY_LIMIT`."""
    try:
        raw = key.encode()
    except UnicodeEncodeError:
        raise BadArgument(path, f"key {key!r} is not valid Unicode", "use text without lone surrogates") from None
    if not raw:
        raise BadArgument(path, "key is empty", f"use 1 to {KEY_LIMIT} bytes")
    if len(raw) > KEY_LIMIT:
        raise TooLarge(path, f"key has {len(raw)} bytes", f"use 1 to {KEY_LIMIT} bytes")
    return raw


def encode_meta(path: str, meta: Mapping[str, str]) -> bytes:
    """The metadata as JSON, keys in order; nothing for an empty mapping."""
    if not meta:
        return b""
    for name, value in meta.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise BadArgument(path, f"meta {name!r}={value!r} is not text", "use a mapping of str to str")
    raw = json.dumps(dict(sorted(meta.items())), separators=(",", ":")).encode()
    if len(raw) > META_LIMIT:
        raise TooLarge(path, f"meta has {len(raw)} bytes as JSON", f"use at most {META_LIMIT}")
    return raw


def decode_meta(raw: bytes) -> dict[str, str]:
    """The mapping in the bytes of `encode_meta` (which a CRC32C vouches for)."""
    if not raw:
        return {}
    decoded: dict[str, str] = json.loads(raw)
    return decoded
