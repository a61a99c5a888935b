"""What can be wrong with a pool, one of its buffers or segments: which value, what is allowed, what to do."""

from __future__ import annotations


class PoolError(Exception):
    """Something is wrong with a pool or what was asked of it; `reason` is its name in CamelCase, `remedy` what to do."""

    reason = "PoolFailed"

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.what, self.remedy = what, remedy


class BadRequest(PoolError, ValueError):
    """An argument that cannot be meant: its name and what is allowed are in the text."""

    reason = "BadRequest"


class PoolTooLarge(PoolError, ValueError):
    """The pool is larger than the control group or the machine allows."""

    reason = "PoolTooLarge"


class PoolExhausted(PoolError, MemoryError):
    """More bytes were asked for than are free; nothing was taken."""

    reason = "PoolExhausted"


class TooScattered(PoolError, MemoryError):
    """The bytes are free, in more pieces than the kernel lets one process map (vm.max_map_count)."""

    reason = "TooScattered"


class UseAfterRelease(PoolError):
    """A buffer was used after it was released: its generation is over."""

    reason = "UseAfterRelease"


class DoubleRelease(PoolError):
    """A buffer was released twice."""

    reason = "DoubleRelease"


class PoolClosed(PoolError):
    """The pool was closed, or belongs to the process that this one was forked from."""

    reason = "PoolClosed"


class KernelLacks(PoolError, OSError):
    """The kernel refused something the pool cannot work without: memfd, sealing, mapping at an address."""

    reason = "KernelLacks"


class SegmentRefused(PoolError):
    """The other side of a segment socket refused, or what it sent is no sealed segment."""

    reason = "SegmentRefused"
