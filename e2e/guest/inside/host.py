"""The line to the host: the guest's second serial port, one line of text each, the kernel's messages elsewhere.

`ACK 17` acknowledges record 17; everything else is `SAYS {"what": …}` with more in the JSON object.
"""

from __future__ import annotations

import json
import os
import tty
from typing import Any

PORT = "/dev/ttyS1"


class Host:
    """Writes lines; one that is written has left the guest when the call returns."""

    def __init__(self, port: str = PORT) -> None:
        self._port = os.open(port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._port)

    def says(self, what: str, **more: Any) -> None:
        """A fact, or a step that was taken."""
        self._line(f"SAYS {json.dumps({'what': what} | more)}")

    def acknowledges(self, number: int) -> None:
        """Record `number` is durable: the power may go now."""
        self._line(f"ACK {number}")

    def _line(self, text: str) -> None:
        data = text.encode() + b"\n"
        while data:
            data = data[os.write(self._port, data) :]
