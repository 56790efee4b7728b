"""The lanes on the screen: what explains that one got less than its due."""

from __future__ import annotations

from paceline.events import JobEnded, JobSubmitted, RunStarted
from paceline_integrations.runstate import RunState
from paceline_integrations.screen._lanes import _about


def test_a_lane_with_nothing_left_to_do_is_done() -> None:
    state = RunState()
    state.apply(RunStarted(seq=1, time=1.0, run="r", slots=2, lanes={"night": 1.0, "day": 1.0}))
    for lane in ("night", "day"):
        state.apply(JobSubmitted(time=1.0, run="r", job=lane, name=lane, executor="e", lane=lane))
    state.apply(
        JobEnded(time=2.0, run="r", job="night", lane="night", status="succeeded", attempt=1, cost=1.0)
    )
    night, day = state.lanes["night"], state.lanes["day"]
    assert (_about(night), _about(day)) == ("done", "")
    assert (night.due, night.share) == (0.5, 1.0)
