"""How kopf is used: as an informer that writes nothing, and of a cluster's many objects watches ours only."""

from __future__ import annotations

from typing import Any, cast

import kopf

from omnixan_operator.feed import Feed
from omnixan_operator.kinds import CONFIG_MAP, DAEMON_SET, LEASE, ROLE_BINDING, SERVICE_ACCOUNT, WATCHED
from omnixan_operator.resync import Resync
from omnixan_operator.watch import operator_settings, registry


def handlers() -> Any:
    return registry(cast(Feed, None), cast(Resync, None))


def test_kopf_has_no_handler_that_would_write_to_objects() -> None:
    made = handlers()
    assert not list(made._changing.get_all_handlers()), "no create, update, delete or resume handlers"
    assert not list(made._spawning.get_all_handlers()), "no timers, no daemons"
    assert not list(made._webhooks.get_all_handlers())
    assert not list(made._indexing.get_all_handlers()), "no index functions: see watch.py"
    assert len(list(made._watching.get_all_handlers())) == len(WATCHED)


def test_the_global_registry_stays_empty() -> None:
    before = len(list(kopf.get_default_registry()._watching.get_all_handlers()))
    handlers()
    assert len(list(kopf.get_default_registry()._watching.get_all_handlers())) == before


def test_kinds_that_others_use_too_are_watched_by_label() -> None:
    assert LEASE.selector == "edge.omnixan.io/heartbeat=true"
    for kind in (CONFIG_MAP, DAEMON_SET, ROLE_BINDING, SERVICE_ACCOUNT):
        assert kind.selector == "app.kubernetes.io/managed-by=omnixan-operator"
    settings = operator_settings()
    selected = {kind.plural for kind in WATCHED if kind.selector}
    assert len(settings.watching.label_selectors) == len(selected)


def test_kopf_posts_nothing_scans_nothing_and_limits_nothing() -> None:
    settings = operator_settings()
    assert not settings.posting.enabled and settings.scanning.disabled and settings.peering.standalone
    assert settings.queueing.worker_limit is None
