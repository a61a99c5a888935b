"""Reasons are API: each is one CamelCase word with a sentence. Events carry them."""

from __future__ import annotations

import re

from omnixan.edge_network.api.meta import Condition
from omnixan_operator.events import Happening, manifest
from omnixan_operator.reasons import MEANINGS, Reason
from tests.unit.omnixan_operator.operator_makers import at


def test_every_reason_is_one_word_with_a_sentence() -> None:
    assert set(MEANINGS) == set(Reason)
    for reason, meaning in MEANINGS.items():
        assert re.fullmatch(r"[A-Z][A-Za-z]+", reason) and meaning.endswith(".")
        Condition(type="X", status="True", reason=reason, last_transition_time="2026-11-24T21:00:00Z")


def test_an_event_names_its_object_and_the_moment() -> None:
    regarding = {"apiVersion": "v1", "kind": "Node", "namespace": "", "name": "n", "uid": "u"}
    made = manifest(Happening(regarding, "Normal", Reason.NODE_CLAIMED, "claimed"), at(1.25), "pod")
    assert made["metadata"]["namespace"] == "default" and made["metadata"]["name"].startswith("n.")
    assert made["eventTime"] == "2026-11-24T21:00:01.250000Z" and made["regarding"] == regarding
    other = manifest(Happening(regarding, "Normal", Reason.NODE_RELEASED, "claimed"), at(1.25), "pod")
    assert other["metadata"]["name"] != made["metadata"]["name"]
