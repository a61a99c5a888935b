"""What can be wrong with a store or a log: which path, which position, what to do. All of them are `MediumError`s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnixan.edge_network.persistent_memory.medium import MediumError

if TYPE_CHECKING:
    from pathlib import Path


class StoreError(MediumError):
    """Something is wrong with what is on a medium, or with what was asked of it; `position` in bytes where there is one."""

    reason = "StoreFailed"

    def __init__(self, path: str | Path, what: str, remedy: str, *, position: int | None = None) -> None:
        super().__init__(path, what if position is None else f"position {position}: {what}", remedy)
        self.position = position


class NotAStore(StoreError):
    """There is something else on the medium, or nothing where a reader expected a store."""

    reason = "NotAStore"


class NewerFormat(StoreError):
    """Written by a later version of the format: neither read nor written."""

    reason = "NewerFormat"


class Corrupt(StoreError):
    """What was acknowledged is damaged at `position`: it is refused, never answered wrongly."""

    reason = "Corrupt"


class StoreFull(StoreError):
    """There is no room next to what lives in the store; nothing was written."""

    reason = "StoreFull"


class TooLarge(StoreError, ValueError):
    """A key, its metadata or a value that this store can never hold; nothing was written."""

    reason = "TooLarge"


class BadArgument(StoreError, ValueError):
    """A key, a range or a position that cannot be meant; nothing was written."""

    reason = "BadArgument"


class ReadOnly(StoreError):
    """A change was asked of a store or log that was opened for reading."""

    reason = "ReadOnly"


class Closed(StoreError):
    """Used after `close`."""

    reason = "Closed"


class Failed(StoreError):
    """A write failed before: what is durable is not known until the store is opened again."""

    reason = "StoreFailed"


class PositionGone(StoreError):
    """The log was truncated beyond the position that was asked for."""

    reason = "PositionGone"
