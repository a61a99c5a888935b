"""The release of this program."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "omnixan-edge"
UNKNOWN = "0.0.0"


def release() -> str:
    """Return the installed version of the distribution, or 0.0.0 when it runs from a source tree without one."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return UNKNOWN
