"""The accounts of a load, by the names that the audit log has."""

from __future__ import annotations

SYSTEM = "omnixan-system"
LOAD = "omnixan-load"
"""The namespace of the simulator's and the generator's accounts, whose group the policies know as administrators."""
OPERATOR = f"system:serviceaccount:{SYSTEM}:omnixan-operator"
SIMULATOR = f"system:serviceaccount:{LOAD}:simulator"
GROUP = f"system:serviceaccounts:{LOAD}"
