"""The next segment, prepared by a thread before it is needed: allocating and clearing it is not for a commit to wait for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from omnixan.edge_network.persistent_memory.medium import MediumError

if TYPE_CHECKING:
    from omnixan.edge_network.commitlog.folder import Segments
    from omnixan.edge_network.persistent_memory.medium import Medium


class Spare:
    """One prepared medium at most."""

    def __init__(self, segments: Segments, size: int) -> None:
        """Of this size."""
        self._segments, self._size = segments, size
        self._thread: threading.Thread | None = None
        self._number = -1
        self._medium: Medium | None = None

    def prepare(self, number: int) -> None:
        """Begin to make segment `number`, after `take` or for the first time.

        If that fails, `take` tries again and says why.
        """
        if not self._segments.concurrent:
            return
        assert self._thread is None and self._medium is None, "one is prepared already"
        self._number = number
        self._thread = threading.Thread(target=self._make, name="log-segment", daemon=True)
        self._thread.start()

    def _make(self) -> None:
        try:
            self._medium = self._segments.create(self._number, self._size)
        except MediumError:
            self._medium = None

    def take(self, number: int) -> Medium:
        """Segment `number`, empty; raises `MediumError`."""
        medium = self._wait()
        if medium is not None and self._number == number:
            return medium
        if medium is not None:
            medium.close()
        return self._segments.create(number, self._size)

    def close(self) -> None:
        """Close what was prepared; the empty file stays and is removed or used by the next opening."""
        medium = self._wait()
        if medium is not None:
            medium.close()

    def _wait(self) -> Medium | None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        medium, self._medium = self._medium, None
        return medium
