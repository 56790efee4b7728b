"""Logs that begin late, end early, have gaps, or hold several runs."""

from __future__ import annotations

import math

from paceline.events import EventsDropped, GroupEnded, JobProgress, JobSubmitted, RunEnded, RunStarted

from .story import Story


def test_a_job_that_was_submitted_before_the_log_began_is_known_by_its_id() -> None:
    story = Story(begins=False)
    story.start("a", group="contract")
    story.answer("b")
    story.end("c", "failed", error="Busy")
    story.retry("d")
    story.suspend("e", "1")
    assert {job.id: job.status for job in story.state.jobs.values()} == {
        "a": "running",
        "c": "failed",
        "d": "waiting",
        "e": "suspended",
    }
    assert (story.state.counts.total, story.state.counts.unfinished) == (4, 3)
    assert story.job("a").group_view is story.state.groups["contract"]
    assert not story.state.whole
    assert story.state.run.started is None
    assert story.state.seconds_left() is not None


def test_what_happens_to_jobs_that_nobody_knows_changes_no_count() -> None:
    story = Story()
    story.answer("nobody")
    story.tell(
        JobProgress(job="nobody", attempt=1, fraction=0.5),
        GroupEnded(group="none", outcome="failed", counts={}),
    )
    story.release("none")
    assert (story.state.counts.total, len(story.state.jobs)) == (0, 0)


def test_gaps_are_told() -> None:
    story = Story()
    assert story.state.whole
    story.tell(EventsDropped(sink="JsonlSink", count=7))
    story.tell(EventsDropped(sink="JsonlSink", count=-3))
    assert story.state.dropped == 7
    assert not story.state.whole


def test_of_several_runs_in_one_log_the_last_one_is_shown() -> None:
    story = Story()
    story.ran("a")
    story.run, story.seq = "run-2", 0  # the first one was killed: its end is missing
    story.tell(RunStarted(slots=4, lanes={}))
    story.submit("b")
    assert (story.state.run.id, story.state.run.slots, list(story.state.jobs)) == ("run-2", 4, ["b"])
    assert (story.state.earlier_runs, story.state.counts.total) == (1, 1)
    version = story.state.version
    story.tell(RunEnded(outcome="completed", counts={}))
    story.tell(RunStarted(slots=4, lanes={}))
    assert (story.state.earlier_runs, len(story.state.jobs)) == (2, 0)
    assert story.state.version > version


def test_a_run_whose_beginning_is_missing_is_shown_once_the_one_before_has_ended() -> None:
    story = Story()
    story.tell(RunEnded(outcome="completed", counts={}))
    story.run = "run-2"
    story.start("b")
    assert (story.state.run.id, story.state.earlier_runs, story.state.whole) == ("run-2", 1, False)
    story.run = "run-1"
    story.submit("late")
    assert (story.state.run.id, story.state.foreign, list(story.state.jobs)) == ("run-2", 1, ["b"])
    story.run = "run-2"
    story.tell(RunEnded(outcome="completed", counts={}))
    story.run = "run-1"
    story.submit("later")
    assert (story.state.run.id, story.state.foreign, list(story.state.jobs)) == ("run-2", 2, ["b"])


def test_a_run_that_is_taken_up_again_in_the_same_log_is_shown_anew() -> None:
    story = Story()
    story.submit("a")
    story.tell(RunStarted(slots=4, lanes={}))
    story.submit("b")
    assert (story.state.run.id, list(story.state.jobs), story.state.earlier_runs) == ("run-1", ["b"], 1)
    assert story.state.foreign == 0


def test_events_of_a_run_that_goes_on_beside_are_passed_over() -> None:
    story = Story()
    story.submit("a")
    story.run = "run-2"
    story.submit("b")
    assert (list(story.state.jobs), story.state.foreign) == (["a"], 1)


def test_events_at_no_time_that_can_be_are_passed_over() -> None:
    story = Story()
    for time in (math.nan, math.inf, -1.0, 1e300):
        story.time = time
        story.submit("a")
    assert (story.state.counts.total, story.state.odd) == (0, 4)


def test_a_clock_that_was_set_back_makes_no_time_negative() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    story.wait(-50.0)
    story.answer("a")
    story.end("a")
    assert story.state.now == 1_000.0
    assert [(each.started, each.first_token, each.ended) for each in story.job("a").attempts] == [
        (1_000.0, 1_000.0, 1_000.0)
    ]
    assert story.state.rate_at(900.0) >= 0.0


def test_a_start_whose_end_is_missing_ends_the_attempt_before() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    story.wait(2.0)
    story.start("a", 2)
    assert [(each.outcome, each.ended) for each in story.job("a").attempts] == [
        ("again", 1_002.0),
        (None, None),
    ]
    assert story.state.rows == 1


def test_a_name_is_learnt_when_the_submission_comes_after_the_start() -> None:
    story = Story(begins=False)
    story.start("id-1")
    story.tell(
        JobSubmitted(job="id-1", name="summary", executor="model", lane="default", key="k", after=("x",))
    )
    job = story.job("id-1")
    assert (job.name, job.key, job.after, job.status) == ("summary", "k", ("x",), "running")
    assert story.state.counts.total == 1
