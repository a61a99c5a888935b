"""What a case is: a manifest that is refused beside one that is just taken, and a change that a live object refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cases.edit import Path, edited
from tests.cases.good import Manifest

Edits = Mapping[str | Path, Any]
ROOT = ""
"""The schema path of a rule about the whole object."""


@dataclass(frozen=True)
class Case:
    """A good manifest, edits that spoil it, and edits that go as far as is allowed.

    `rule` is the schema path of the CEL rule that refuses it; None: a bound of the schema does.
    """

    id: str
    good: Manifest
    bad: Edits
    border: Edits
    message: str
    rule: str | None = None

    @property
    def kind(self) -> str:
        """The manifest's kind."""
        return str(self.good["kind"])

    @property
    def bad_manifest(self) -> Manifest:
        """What must be refused."""
        return edited(self.good, self.bad)

    @property
    def border_manifest(self) -> Manifest:
        """What must be taken."""
        return edited(self.good, self.border)


@dataclass(frozen=True)
class Change:
    """An object as it is, and what may and may not be written over it."""

    id: str
    old: Manifest
    bad: Edits
    allowed: Edits
    message: str
    rule: str
    status: bool = field(default=False)
    """Whether it is the status that changes."""

    @property
    def kind(self) -> str:
        """The object's kind."""
        return str(self.old["kind"])
