"""The text of a job's program: out of the manifest, or out of a ConfigMap of the job's own namespace.

ConfigMaps of tenants are not watched (the operator would hold all of them): each is read when its job needs it.
"""

from __future__ import annotations

from omnixan.edge_network.api.quantumjob import QuantumJob
from omnixan_operator import kinds
from omnixan_operator.apiserver import NotFoundError
from omnixan_operator.decide.joblife import NotYet
from omnixan_operator.reasons import Reason
from omnixan_operator.reconcile.context import Context


async def text_of(ctx: Context, job: QuantumJob) -> str | NotYet:
    """The program's text, or why it is not to be had now; empty for an algorithm."""
    program = job.spec.program
    if program is None:
        return ""
    if program.inline is not None:
        return program.inline.data
    reference, namespace = program.config_map_ref, job.metadata.namespace
    assert reference is not None
    try:
        found = await ctx.api.get(kinds.CONFIG_MAP, namespace, reference.name)
    except NotFoundError:
        return NotYet(Reason.PROGRAM_NOT_FOUND, f"ConfigMap {namespace}/{reference.name} does not exist")
    text = (found.get("data") or {}).get(reference.key)
    if text is None:
        binary = reference.key in (found.get("binaryData") or {})
        hint = "it is in binaryData, where text is not read" if binary else "it is not there"
        message = f"ConfigMap {namespace}/{reference.name} has no key {reference.key} in data: {hint}"
        return NotYet(Reason.PROGRAM_NOT_FOUND, message)
    return str(text)
