"""The one log: appended by many threads, made durable by one fence for all that wait, read by position.

A log is a folder of preallocated segments, each a medium of its own; records have the framing of the store. Only the
standard library is needed.
"""

from __future__ import annotations

from omnixan.edge_network.commitlog.entry import Entry
from omnixan.edge_network.commitlog.log import Log

__all__ = ["Entry", "Log"]
