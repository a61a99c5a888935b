"""Conditions: a new list out of the last one and what is so now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from omnixan.edge_network.api.meta import Condition

Truth = Literal["True", "False", "Unknown"]
MAX_MESSAGE = 4096


@dataclass(frozen=True)
class Now:
    """One aspect as it is now."""

    type: str
    status: Truth
    reason: str
    message: str = ""


def truth(value: bool) -> Truth:
    """True and False as conditions write them."""
    return "True" if value else "False"


def stamp(moment: datetime) -> str:
    """A time as Kubernetes writes it, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def merge(last: Iterable[Condition] | None, current: Iterable[Now], generation: int, moment: datetime) -> list[Condition]:
    """The conditions `current`; what is not among them is dropped.

    lastTransitionTime stays when the status stays, whatever becomes of reason and message. What was there before comes
    first, in the order it had: the API server merges by type and keeps its own order, so that another order would be a
    difference that no write takes away.
    """
    before = {condition.type: condition for condition in last or ()}
    places = {type_: place for place, type_ in enumerate(before)}
    return [
        Condition(
            type=now.type,
            status=now.status,
            reason=now.reason,
            message=now.message[:MAX_MESSAGE],
            last_transition_time=(
                before[now.type].last_transition_time
                if now.type in before and before[now.type].status == now.status
                else stamp(moment)
            ),
            observed_generation=generation,
        )
        for now in sorted(current, key=lambda now: places.get(now.type, len(places)))
    ]


def since_written(wanted: Iterable[Condition], written: Iterable[Condition] | None) -> list[Condition]:
    """`wanted`, made of conditions that were never written: where the status is that of the written ones, so is the time,
    as nobody could see what it was in between."""
    before = {condition.type: condition for condition in written or ()}
    return [
        condition.model_copy(update={"last_transition_time": before[condition.type].last_transition_time})
        if condition.type in before and before[condition.type].status == condition.status
        else condition
        for condition in wanted
    ]


def find(conditions: Iterable[Condition] | None, kind: str) -> Condition | None:
    """The condition of a type, or None."""
    return next((condition for condition in conditions or () if condition.type == kind), None)


def holds(conditions: Iterable[Condition] | None, kind: str) -> bool:
    """Whether the condition of a type is there and True."""
    found = find(conditions, kind)
    return found is not None and found.status == "True"
