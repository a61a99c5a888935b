"""The release of this program."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """The installed version of the distribution, or 0.0.0 when it runs from a source tree without one."""
    try:
        return version("omnixan-edge")
    except PackageNotFoundError:
        return "0.0.0"
