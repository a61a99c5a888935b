"""Everything that can be said of a path without changing it: tier and proof, namespaces, library, and the store on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omnixan.edge_network.persistent_memory import format, libpmem, ndctl
from omnixan.edge_network.persistent_memory.errors import NotAStore
from omnixan.edge_network.persistent_memory.medium import MediumError, MediumMissing, MediumUnsuitable, StoreLocked
from omnixan.edge_network.persistent_memory.opening import open_medium
from omnixan.edge_network.persistent_memory.proof import Proof, prove
from omnixan.edge_network.persistent_memory.store import Report, Store

DAMAGES = 20
"""How many damaged values are named; all are counted."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The store on a path. `state` is Whole, Damaged, InUse (a writer has it), None (no store there) or Unreadable."""

    state: str
    message: str = ""
    superblock: format.Superblock | None = None
    report: Report | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to do something."""
        return self.state in ("Damaged", "Unreadable")

    def wire(self) -> dict[str, Any]:
        """For JSON; bytes as numbers."""
        found: dict[str, Any] = {"state": self.state}
        if self.message:
            found["message"] = self.message
        if self.superblock is not None:
            found |= {
                "formatVersion": format.VERSION,
                "id": self.superblock.id.hex(),
                "epoch": self.superblock.epoch,
                "closedCleanly": self.superblock.clean,
                "size": self.superblock.size,
            }
        if self.report is not None:
            found |= {"entries": self.report.keys, "capacity": self.report.capacity, "used": self.report.used}
            found |= {"live": self.report.live, "damaged": len(self.report.damaged)}
            found["damages"] = [
                {"position": d.position, "key": d.key, "what": d.what} for d in self.report.damaged[:DAMAGES]
            ]
        return found


@dataclass(frozen=True, slots=True)
class Inspection:
    """A path as it was found."""

    proof: Proof
    namespaces: ndctl.Discovery
    library: str
    contents: Contents

    def wire(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "path": self.proof.path,
            "tier": self.proof.best.label,
            "tiers": [tier.label for tier in self.proof.tiers],
            "proof": list(self.proof.evidence),
            "library": self.library,
            "ndctl": {
                "state": self.namespaces.state.value,
                "message": self.namespaces.message,
                "namespaces": [namespace.wire() for namespace in self.namespaces.namespaces],
            },
            "store": self.contents.wire(),
        }


def inspect(path: str | Path, *, ndctl_timeout: float = ndctl.TIMEOUT) -> Inspection:
    """Prove `path`, ask ndctl, read the whole store and check every value; nothing is changed.

    A store that a writer has open is left alone. Raises `MediumError` where nothing can be said of the path.
    """
    proof = prove(path)
    try:
        library = libpmem.load().name
    except libpmem.LibraryMissing as error:
        library = f"none ({error})"
    return Inspection(proof, ndctl.discover(timeout=ndctl_timeout), library, _contents(Path(path), proof))


def _contents(path: Path, proof: Proof) -> Contents:
    if path.is_dir():
        return Contents("None", "a folder: name a file in it to look into its store")
    superblock = None
    try:
        medium = open_medium(path, readonly=True, proof=proof)
        with Store.open(medium, readonly=True, salvage=True) as store:
            superblock = store.superblock
            report = store.verify()
    except (NotAStore, MediumMissing) as error:
        return Contents("None", error.what)
    except MediumUnsuitable as error:  # a part of a store is worth a word, any other file is none
        return Contents("Unreadable" if _begins_like_a_store(path) else "None", f"{error.what}; {error.remedy}")
    except StoreLocked:
        return Contents("InUse", "a writer has it open: its values were not read")
    except MediumError as error:
        return Contents("Unreadable", f"{error.what}; {error.remedy}", superblock)
    if report.damaged:
        return Contents("Damaged", f"{len(report.damaged)} records or values are damaged", superblock, report)
    return Contents("Whole", "", superblock, report)


def _begins_like_a_store(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(format.MAGIC)) == format.MAGIC
    except OSError:
        return False
