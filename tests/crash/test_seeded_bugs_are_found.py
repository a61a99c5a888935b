"""Every mistake that is put into the store or the log is found by the power cuts."""

from __future__ import annotations

import pytest

from tests.crash.bugs import BUGS, Bug
from tests.crash.campaign import Campaign
from tests.crash.expect import Violation


@pytest.mark.parametrize("bug", BUGS, ids=[bug.what.replace(" ", "-") for bug in BUGS])
def test_a_power_cut_shows_it(bug: Bug) -> None:
    campaign = Campaign(seed=1, drawn=100, share=0.02, again=0.1 if bug.second_cut else 0)
    with bug.planted(), pytest.raises(Violation):
        campaign.play(bug.script)
