"""The kinds of `edge.omnixan.io` as pydantic models: the one source of CRDs, operator, agent and local runner.

Depends on pydantic only and imports nothing of ours, so that the operator can use it without the agent.
"""
