"""A job that a person tries again counts once: as what came of it last."""

from __future__ import annotations

from typing import Any

import pytest

from paceline_integrations.runstate import RETRY_OF
from paceline_integrations.summary import SummaryTally

from .story import Story


def failed(story: Story, name: str, **fields: Any) -> None:
    story.submit(name, **fields)
    story.start(name)
    story.end(name, "failed", error="ValueError: no page")


def test_the_new_job_counts_in_the_place_of_the_failed_one() -> None:
    story = Story()
    story.ran("a")
    failed(story, "b")
    story.submit("b2", metadata={RETRY_OF: "b"})
    story.start("b2")
    state = story.state
    assert (state.counts.total, state.counts.failed, state.counts.running) == (2, 0, 1)
    story.end("b2")
    assert (state.counts.total, state.counts.succeeded, state.counts.failed) == (2, 2, 0)
    assert state.lanes["default"].counts == state.counts
    assert (story.job("b").again, story.job("b").status) == ("b2", "failed")


def test_another_failure_counts_once() -> None:
    story = Story()
    failed(story, "b")
    failed(story, "b2", metadata={RETRY_OF: "b"})
    assert (story.state.counts.total, story.state.counts.failed) == (1, 1)


@pytest.mark.parametrize("of", ["b2", "unknown", "a", 7, None, ["b"]])
def test_a_mark_that_names_no_failed_job_changes_nothing(of: object) -> None:
    story = Story()
    story.ran("a")
    failed(story, "b")
    story.submit("b2", metadata={RETRY_OF: of})
    assert (story.state.counts.total, story.state.counts.failed) == (3, 1)


def test_a_job_is_replaced_once() -> None:
    story = Story()
    failed(story, "b")
    story.submit("b2", metadata={RETRY_OF: "b"})
    story.submit("b3", metadata={RETRY_OF: "b"})
    assert (story.state.counts.total, story.state.counts.failed) == (2, 0)


def test_a_group_whose_every_trouble_was_tried_again_is_no_trouble() -> None:
    story = Story()
    story.group("g", "a", primer="p")
    for name, status in (("p", "succeeded"), ("a", "failed")):
        story.start(name)
        story.end(name, status)
    story.end_group("g", "failed")
    group = story.state.groups["g"]
    assert group.status == "failed"
    story.submit("a2", metadata={RETRY_OF: "a"})
    assert (group.status, group.again, group.counts.total) == ("succeeded", 1, 1)


def test_what_went_wrong_and_was_tried_again_is_told_as_that() -> None:
    story = Story()
    failed(story, "b")
    story.submit("b2", metadata={RETRY_OF: "b"})
    story.start("b2")
    story.end("b2")
    tally = SummaryTally()
    for event in story.told:
        tally.apply(event)
    summary = tally.summary()
    assert (summary.totals.jobs, summary.totals.failed, summary.totals.succeeded) == (1, 0, 1)
    (error,) = summary.errors
    assert (error.failed, error.retried, error.examples[0].id) == (0, 1, "b")
