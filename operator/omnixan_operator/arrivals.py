"""Results that have just come in with their runs: they are stored at once, so nobody asks for them again."""

from __future__ import annotations

from collections import OrderedDict

from omnixan_operator.kinds import Object
from omnixan_operator.store import name_of, namespace_of

MAX_OUTCOMES = 50_000
"""Outcomes kept in all, about 100 bytes each. What finds no place is read again from the API server."""


class Arrivals:
    """The last results, by namespace and name of their run, until they are taken."""

    def __init__(self) -> None:
        self._results: OrderedDict[tuple[str, str], Object] = OrderedDict()
        self._outcomes = 0

    def keep(self, run: Object) -> None:
        """Keep the result of a run, if it has one; the oldest ones make room."""
        result = run.get("status", {}).get("result")
        if not result or _outcomes(result) > MAX_OUTCOMES:
            return
        place = (namespace_of(run), name_of(run))
        self.take(*place)
        self._results[place] = result
        self._outcomes += _outcomes(result)
        while self._outcomes > MAX_OUTCOMES:
            self._outcomes -= _outcomes(self._results.popitem(last=False)[1])

    def take(self, namespace: str, name: str) -> Object | None:
        """The result of this run, which is then forgotten; None if it is not here."""
        result = self._results.pop((namespace, name), None)
        if result is not None:
            self._outcomes -= _outcomes(result)
        return result


def _outcomes(result: Object) -> int:
    return 1 + len(result.get("counts") or ())
