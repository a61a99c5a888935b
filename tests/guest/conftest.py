"""The guest is made of Debian packages that `make setup` installs; on another system there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

ON_DEBIAN = "ID=debian" in Path("/etc/os-release").read_text().splitlines() if Path("/etc/os-release").exists() else False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and not ON_DEBIAN:
            item.add_marker(pytest.mark.skip(reason="the guest with NVDIMMs is made of Debian packages; this is no Debian"))
