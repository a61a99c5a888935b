"""Logs as one JSON object a line, with the field names of the Elastic Common Schema."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from omnixan.edge_network.api.meta import MANAGED_BY


class JsonFormatter(logging.Formatter):
    """@timestamp, log.level, log.logger, message, service.name, and error.stack_trace where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        entry = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "log.level": record.levelname.lower(),
            "log.logger": record.name,
            "message": record.getMessage(),
            "service.name": MANAGED_BY,
        }
        if record.exc_info:
            entry["error.stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure(level: str) -> None:
    """Send all logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("kopf.objects", "kopf.activities", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
