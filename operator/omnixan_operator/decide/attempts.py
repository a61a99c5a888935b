"""Attempts that are over: how they are written down, when the next one is due, when there is none any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from omnixan.edge_network.api.categories import Category
from omnixan.edge_network.api.quantumjob import MAX_ATTEMPTS, Attempt, Failure
from omnixan_operator.reasons import Reason

FIRST_DELAY = 1.0
"""Seconds between the end of the first attempt that failed and the next; doubled with every further one."""
LONGEST_DELAY = 300.0
MAX_MESSAGE = 1024


def ended(attempt: int, node: str, category: Category, message: str, start: str | None, moment: datetime) -> Attempt:
    """An attempt that ends now. Times are in whole seconds, as everywhere in status."""
    return Attempt(
        attempt=attempt,
        node=node,
        category=category,
        message=message[:MAX_MESSAGE],
        start_time=_whole_seconds(datetime.fromisoformat(start)) if start else None,
        end_time=_whole_seconds(moment),
    )


def kept(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """What status has room for: all that count, and the last of those that spec.suspend ended."""
    excess = len(attempts) - MAX_ATTEMPTS
    dropped = {one.attempt for one in [one for one in attempts if not one.category.charged][: max(0, excess)]}
    return tuple(one for one in attempts if one.attempt not in dropped)


def charged(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Those that count against spec.backoffLimit."""
    return [one for one in attempts if one.category.charged]


def due(attempts: Sequence[Attempt]) -> datetime | None:
    """When the next attempt may begin; None: at once. Only what status says goes into it."""
    failed = charged(attempts)
    if not failed or attempts[-1] is not failed[-1] or failed[-1].end_time is None:
        return None
    delay = min(FIRST_DELAY * 2 ** (len(failed) - 1), LONGEST_DELAY)
    return datetime.fromisoformat(failed[-1].end_time) + timedelta(seconds=delay)


def lies_ahead(due: datetime, now: datetime) -> bool:
    """Whether there is still to be waited. What is further away than the longest delay was written by a clock that has
    been set back since: nobody waits hours for that."""
    return timedelta(0) < due - now <= timedelta(seconds=LONGEST_DELAY)


def exhausted(attempts: Sequence[Attempt], limit: int) -> Failure | None:
    """The failure of a job of which `limit` further attempts after the first have been made; None: there is one more."""
    failed = charged(attempts)
    if len(failed) <= limit:
        return None
    last, made = failed[-1], "1 attempt" if len(failed) == 1 else f"{len(failed)} attempts"
    return Failure(
        category=last.category,
        reason=Reason.ATTEMPTS_EXHAUSTED,
        message=f"{made} failed, and spec.backoffLimit is {limit}; the last one, on {last.node}: {last.message}",
    )


def failed_on(attempts: Sequence[Attempt]) -> frozenset[str]:
    """The nodes on which attempts failed."""
    return frozenset(one.node for one in charged(attempts))


def _whole_seconds(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
