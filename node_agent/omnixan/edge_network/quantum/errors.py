"""The one error that a program, a problem or a backend can end in."""

from __future__ import annotations

from typing import Any

from omnixan.edge_network.api.categories import Category

MAX_MESSAGE = 2000


class ProgramError(Exception):
    """A job cannot be run, or its run failed; `str()` is the message for people.

    Attributes: `category` (one of `api.categories.Category`), `reason` (one CamelCase word), `message` (what is wrong
    and what to do), `line` (line of the program counted from 1, where known).
    """

    def __init__(self, category: str, reason: str, message: str, line: int | None = None) -> None:
        self.category = Category(category)
        self.reason = reason
        self.message = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
        self.line = line
        super().__init__(category, reason, self.message, line)

    def __str__(self) -> str:
        return self.message

    def to_dict(self) -> dict[str, Any]:
        """Return {category, reason, message[, line]} as JSON has it, and as `api.quantumjob.Failure` reads it."""
        answer: dict[str, Any] = {
            "category": self.category.value,
            "reason": self.reason,
            "message": self.message,
        }
        if self.line is not None:
            answer["line"] = self.line
        return answer

    @classmethod
    def from_dict(cls, data: object) -> ProgramError:
        """Return the error of a mapping that `to_dict` made; anything else becomes a BACKEND_ERROR that says so."""
        if isinstance(data, dict):
            category, reason, message = data.get("category"), data.get("reason"), data.get("message")
            line = data.get("line")
            if (
                isinstance(category, str)
                and category in Category.__members__
                and isinstance(reason, str)
                and isinstance(message, str)
                and (line is None or isinstance(line, int))
            ):
                return cls(category, reason[:128], message, line)
        return cls(Category.BACKEND_ERROR, "BadAnswer", "a child process answered what is not an error report")
