"""What all kinds share: names, the model base with its validation rules, conditions, field types."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

GROUP = "edge.omnixan.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

CLAIM_LABEL = "edge.omnixan.io.node-restriction.kubernetes.io/pool"
"""On a Node: which pool of which EdgeCluster claimed it. A kubelet cannot give itself a label of this prefix."""
MEMORY_TIER_LABEL = "edge.omnixan.io.node-restriction.kubernetes.io/memory-tier"
"""On a claimed Node: the tier at which its agent's persistent memory is durable, as its EdgeNode says."""
CLUSTER_LABEL = f"{GROUP}/cluster"
CLUSTER_UID_LABEL = f"{GROUP}/cluster-uid"
POOL_LABEL = f"{GROUP}/pool"
TIER_LABEL = f"{GROUP}/tier"
REGION_LABEL = f"{GROUP}/region"
JOB_UID_LABEL = f"{GROUP}/job-uid"
HEARTBEAT_LABEL = f"{GROUP}/heartbeat"
"""On the Lease that an agent renews; the operator watches no other Leases."""
COMPONENT_LABEL = "app.kubernetes.io/component"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "omnixan-operator"
PART_OF_LABEL = "app.kubernetes.io/part-of"
PART_OF = "omnixan-edge"
PAUSED_ANNOTATION = f"{GROUP}/paused"

MAX_NAME = 52
"""Bytes of `metadata.name` of EdgeCluster and QuantumJob: what is derived from it must fit in a label value."""


@dataclass(frozen=True)
class Rule:
    """One validation rule, said twice: as CEL for the API server, as Python for the local runner.

    `check` is None for transition rules (they name `oldSelf`), which have no meaning without a cluster.
    """

    cel: str
    message: str
    check: Callable[[Any], bool] | None = None
    field_path: str | None = None


class Model(BaseModel):
    """Base of all models: frozen, camelCase on the wire, unknown fields ignored as the API server prunes them.

    Types are taken as the API server takes them: "3" is no integer. Subclasses list their cross-field rules in `RULES`.
    """

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )
    RULES: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _obey_rules(self) -> Self:
        for rule in self.RULES:
            if rule.check is not None and not rule.check(self):
                raise ValueError(rule.message)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core_schema)
        if cls.RULES:
            handler.resolve_ref_schema(schema)["x-kubernetes-validations"] = [
                {"rule": r.cel, "message": r.message} | ({"fieldPath": r.field_path} if r.field_path else {})
                for r in cls.RULES
            ]
        return schema

    def wire(self) -> dict[str, Any]:
        """The object as Kubernetes sees it: camelCase keys, JSON types, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


@dataclass(frozen=True)
class MergedBy:
    """Annotation of a list whose entries server-side apply merges by `keys`, or as a whole where there are none.

    Two entries with equal keys are refused.
    """

    keys: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._unique, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        if not self.keys:
            return handler(schema) | {"x-kubernetes-list-type": "set"}
        return handler(schema) | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(self.keys)}

    def _unique(self, entries: list[Any]) -> list[Any]:
        seen = set()
        for entry in entries:
            identity = tuple((key, getattr(entry, key)) for key in self.keys) or entry
            if identity in seen:
                named = ", ".join(f"{key} {value!r}" for key, value in identity) if self.keys else repr(entry)
                raise ValueError(f"two entries with {named}: each may stand there once")
            seen.add(identity)
        return entries


ATOMIC = {"x-kubernetes-list-type": "atomic"}
SET = MergedBy()
WHOLE = {"x-kubernetes-map-type": "atomic"}
"""A map that has one owner as a whole: else metadata.managedFields would repeat every key of it."""


def list_map(*keys: str) -> MergedBy:
    """Annotation of a list whose entries server-side apply merges by `keys`."""
    return MergedBy(keys)


DnsLabel = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
DnsName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[str, Field(max_length=63, pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]
Sha256 = Annotated[str, Field(min_length=64, max_length=64, pattern=r"^[0-9a-f]{64}$")]
DecimalString = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$")]
"""A number in spec: floats do not survive every YAML and JSON tool, strings do."""
MicroTime = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
Time = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
Duration = Annotated[str, Field(min_length=2, max_length=16, pattern=r"^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$")]
"""A length of time as Go and Kubernetes write it in whole seconds: 40s, 1m30s, 24h."""
Quantity = Annotated[
    int | str,
    Field(
        json_schema_extra={
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
            r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
            "maxLength": 32,
            "x-kubernetes-int-or-string": True,
        }
    ),
]
"""A Kubernetes resource quantity, such as 500m or 256Mi."""
Tier = Literal["gateway", "compute"]
Backend = Literal["simulator", "emulator"]
MemoryTier = Literal["T0-device-dax", "T1-fsdax", "T2-direct", "T3-file", "emulation"]
"""By which means persistent memory is durable, best first; emulation is not."""
Device = Literal["boeblingen", "guadalupe", "jakarta", "lagos", "lima", "manila", "melbourne", "perth", "quito"]
"""Devices whose calibration was recorded (quantum/devices), and which can be emulated therefore."""


def seconds_of(duration: str) -> int:
    """The seconds of a Duration."""
    return sum(int(count) * {"h": 3600, "m": 60, "s": 1}[unit] for count, unit in re.findall(r"([0-9]+)([hms])", duration))


class Condition(Model):
    """A Kubernetes condition; all six fields are always written."""

    type: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z]*$")]
    """The aspect, for example Ready."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    reason: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    """One CamelCase word for programs; stable between releases."""
    message: Annotated[str, Field(max_length=4096)] = ""
    """A sentence for people: what is so, and what to do."""
    last_transition_time: Time
    """When status last changed."""
    observed_generation: Annotated[int, Field(ge=-1)] = 0
    """The metadata.generation this was decided for."""


Conditions = Annotated[list[Condition], Field(max_length=16), list_map("type")]


class ObjectMeta(Model):
    """The part of metadata that the product reads."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    deletion_timestamp: str | None = None
