"""Keeps an eye on the admission policies that confine the agents: without them no agent is started.

They are read by name (the operator may read no others), now and then: a watch would need one connection each.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from omnixan_operator import kinds
from omnixan_operator.apiserver import ApiError, ApiServer, ForbiddenError, NotFoundError
from omnixan_operator.decide.confinement import problem
from omnixan_operator.kinds import Kind, Object

logger = logging.getLogger(__name__)

PERIOD = 10.0
"""Seconds between two looks while all is well."""
IMPATIENT = 2.0
"""Seconds until the next look while something is missing or the API server does not answer."""


class Confinement:
    """What is known of the policies. `problems`: by policy, why it is not in force; None before the first look."""

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        """`names`: the policies that must be in force; with none, all is well from the start."""
        self._names = names
        self.problems: dict[str, str] | None = None if names else {}

    async def run(self, api: ApiServer, changed: Callable[[], None]) -> None:
        """Look, for ever; `changed` is called whenever the answer is another than before."""
        while self._names:
            try:
                found = await self._look(api)
            except ApiError as error:
                logger.warning("the admission policies cannot be read: %s", error)
                await asyncio.sleep(IMPATIENT)
                continue
            if found != self.problems:
                self.problems = found
                for name, why in found.items():
                    logger.warning("no agent is started: ValidatingAdmissionPolicy %s: %s", name, why)
                changed()
            await asyncio.sleep(IMPATIENT if found else PERIOD)
        await asyncio.Event().wait()

    async def _look(self, api: ApiServer) -> dict[str, str]:
        problems = {}
        for name in self._names:
            try:
                policy = await _get(api, kinds.POLICY, name)
                why = problem(policy, await _get(api, kinds.POLICY_BINDING, name) if policy is not None else None)
            except ForbiddenError as error:
                why = f"it cannot be read: {error}"
            if why:
                problems[name] = why
        return problems


async def _get(api: ApiServer, kind: Kind, name: str) -> Object | None:
    try:
        return await api.get(kind, "", name)
    except NotFoundError:
        return None
