"""What holds for all tests: examples that Hypothesis makes are the same in every run, and may take their time.

A test that fails shall fail for everybody, and one that a busy machine stops for a moment is not wrong. With
OMNIXAN_RANDOM_EXAMPLES=1 every run has examples of its own.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "omnixan",
    derandomize=not os.environ.get("OMNIXAN_RANDOM_EXAMPLES"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("omnixan")
