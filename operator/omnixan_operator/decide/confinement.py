"""Whether an admission policy that confines the agents is in force: the policy and its binding in, what is wrong out."""

from __future__ import annotations

from omnixan_operator.kinds import Object


def problem(policy: Object | None, binding: Object | None) -> str:
    """Why the policy does not refuse what it should; empty if it does. None: the object does not exist."""
    if policy is None or policy["metadata"].get("deletionTimestamp"):
        return "the policy is missing"
    if policy.get("spec", {}).get("failurePolicy", "Fail") != "Fail":
        return "the policy's failurePolicy is not Fail"
    if binding is None or binding["metadata"].get("deletionTimestamp"):
        return "its binding is missing"
    spec = binding.get("spec", {})
    if spec.get("policyName") != policy["metadata"]["name"]:
        return "the binding of its name is one of another policy"
    if "Deny" not in spec.get("validationActions", ()):
        return "its binding does not Deny"
    if spec.get("matchResources"):
        return "its binding is limited by matchResources"
    return ""


def message(problems: dict[str, str]) -> str:
    """What is wrong with which policy, and what to do."""
    found = ", ".join(f"{name} ({why})" for name, why in sorted(problems.items()))
    return (
        f"agents are neither started nor changed while they are not confined: ValidatingAdmissionPolicy {found}; "
        "bring it back with helm upgrade, the operator goes on by itself"
    )
