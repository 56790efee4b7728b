"""What a state says of a run whose events it was given."""

from __future__ import annotations

import pytest

from paceline import Usage
from paceline.events import (
    AskedQuestion,
    AttemptAbandoned,
    AttemptGone,
    ErrorText,
    JobChunk,
    JobProgress,
    JobReplied,
    JobSubmitted,
    JobSuspended,
    LaneChanged,
    LaneLoad,
    LimitReached,
    RunEnded,
    Waits,
)
from paceline_integrations.runstate import Counts, RunState

from .story import Story


def counted(counts: Counts) -> dict[str, int]:
    return {status: count for status, count in counts.by.items() if count}


def test_a_job_is_followed_from_its_submission_to_its_end() -> None:
    story = Story()
    story.submit("a", payload={"page": 7}, key="k", metadata={"tenant": "acme"}, priority=3)
    assert counted(story.state.counts) == {"waiting": 1}
    story.wait(1.0)
    story.start("a")
    assert counted(story.state.counts) == {"running": 1}
    story.wait(2.0)
    story.answer("a")
    story.wait(3.0)
    story.end("a", output="done", usage=Usage(100, 60, 20, 9), cost=1.0)
    assert counted(story.state.counts) == {"succeeded": 1}
    job = story.job("a")
    assert (job.submitted, job.ended) == (1_000.0, 1_006.0)
    assert (job.payload, job.output, job.key, job.priority) == ({"page": 7}, "done", "k", 3)
    assert job.attempt is not None
    assert (job.attempt.first_token, job.attempt.waited, job.attempt.outcome) == (1_003.0, 0.5, "succeeded")


def test_sums_are_unknown_until_somebody_tells_them() -> None:
    story = Story()
    story.ran("a")
    assert story.state.totals.input_tokens is None
    assert story.state.totals.cached_share is None
    story.ran("b", usage=Usage(100, 60, None, 10, money=0.5))
    story.ran("c", usage=Usage(300, 0, None, 10, money=0.25))
    totals = story.state.totals
    assert (totals.input_tokens, totals.cached_tokens, totals.output_tokens) == (400, 60, 20)
    assert (totals.money, totals.cached_share, totals.requests) == (0.75, 0.15, None)


def test_what_attempts_used_counts_once_however_it_is_told() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    story.retry("a", usage=Usage(100, requests=1))
    assert story.state.totals.input_tokens == 100
    story.start("a", 2)
    story.retry("a", usage=Usage(50, requests=1), attempt=2)
    assert story.state.totals.input_tokens == 150
    story.start("a", 3)
    story.end("a", usage=Usage(160, requests=3), attempt=3)
    assert (story.state.totals.input_tokens, story.state.totals.requests) == (160, 3)


@pytest.mark.parametrize("kept", [0, 10])
def test_what_is_used_after_a_job_has_ended_counts_too(kept: int) -> None:
    story = Story(keep=kept)
    story.submit("a")
    story.start("a")
    story.end("a", "cancelled", usage=Usage(100))
    story.tell(AttemptAbandoned(job="a", attempt=1, reason="cancelled"))
    story.wait(5.0)
    story.tell(AttemptGone(job="a", attempt=1, usage=Usage(130), late=Usage(30)))
    assert story.state.totals.input_tokens == 130
    if kept:
        attempt = story.job("a").attempt
        assert attempt is not None
        assert (attempt.abandoned, attempt.gone, attempt.ended) == ("cancelled", 1_005.0, 1_000.0)
        story.wait(1.0)
        story.tell(AttemptGone(job="a", attempt=1, usage=Usage(160), late=Usage(60)))
        assert (attempt.gone, story.state.totals.input_tokens) == (1_005.0, 130)


def test_graphs_flows_and_maps_are_counted_apart() -> None:
    story = Story()
    story.submit("report", role="graph")
    story.start("report")
    story.submit("load", parent="report")
    assert counted(story.state.counts) == {"waiting": 1}
    assert counted(story.state.bodies) == {"running": 1}
    assert counted(story.state.lanes["default"].counts) == {"waiting": 1}


def test_a_retried_job_waits_until_its_next_attempt_is_due() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    story.retry("a", delay=4.0, error="Busy")
    job = story.job("a")
    assert (job.status, job.backoff_until, job.error) == ("waiting", 1_004.0, "Busy")
    story.wait(4.0)
    story.start("a", 2)
    assert (job.status, job.backoff_until) == ("running", None)
    assert [(each.number, each.outcome, each.error) for each in job.attempts] == [
        (1, "failed", "Busy"),
        (2, None, ""),
    ]


def test_a_job_that_asks_waits_again_once_all_is_answered() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    story.suspend("a", "who", "when")
    job = story.job("a")
    assert [each.id for each in job.questions] == ["who", "when"]
    assert list(story.state.asking) == ["a"]
    story.tell(JobReplied(job="a", question="who"))
    assert (job.status, [each.id for each in job.questions]) == ("suspended", ["when"])
    story.tell(JobReplied(job="a", question="when"))
    assert (job.status, job.questions) == ("waiting", ())
    assert not story.state.asking
    assert job.attempt is not None
    assert job.attempt.outcome == "suspended"


def test_a_flow_that_asked_goes_on_without_another_start() -> None:
    story = Story()
    story.submit("research", role="flow")
    story.start("research")
    story.suspend("research", "1")
    assert counted(story.state.bodies) == {"suspended": 1}
    story.tell(JobReplied(job="research", question="1"))
    assert counted(story.state.bodies) == {"running": 1}
    assert len(story.job("research").attempts) == 1


def test_a_job_that_rests_without_a_question_goes_on_by_its_next_start() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    story.suspend("a")
    story.tell(JobReplied(job="a", question="none"))
    assert story.job("a").status == "suspended"
    story.start("a", 2)
    assert counted(story.state.counts) == {"running": 1}


def test_lanes_tell_their_due_against_what_they_got() -> None:
    story = Story()
    story.tell(LaneChanged(lane="fast", weight=3.0, max_running=2))
    story.submit("a", "b", lane="default")
    story.submit("c", "d", lane="fast")
    story.end("a", cost=1.0)
    story.end("c", cost=4.0, lane="fast")
    fast, default = story.state.lanes["fast"], story.state.lanes["default"]
    assert (fast.weight, fast.max_running, fast.closed) == (3.0, 2, False)
    assert (fast.served, fast.share, fast.due) == (4.0, 0.8, 0.75)
    assert (default.share, default.due) == (0.2, 0.25)
    story.end("d", cost=5.0, lane="fast")
    # What it got is of the whole run, so its due is, too, although it has nothing left to do.
    assert (story.state.lanes["fast"].due, story.state.lanes["default"].due) == (0.75, 0.25)
    story.tell(LaneChanged(lane="fast", weight=3.0, closed=True))
    assert story.state.lanes["fast"].closed


def test_while_it_runs_the_engine_itself_says_what_lanes_got() -> None:
    """It counts the jobs at work, too; in the end all are charged."""
    story = Story()
    story.submit("a", "b")
    story.submit("c", lane="fast")
    story.end("a", cost=1.0)
    story.sample(lanes={"default": LaneLoad(0, 1, 1, 2.0, 0.25), "fast": LaneLoad(0, 1, 1, 1.0, 0.75)})
    lanes = story.state.lanes
    assert [(lane.share, lane.weight) for lane in lanes.values()] == [(0.25, 2.0), (0.75, 1.0)]
    story.tell(RunEnded(outcome="completed", counts={}))
    assert [lane.share for lane in story.state.lanes.values()] == [1.0, 0.0]


def test_progress_and_stream_are_those_of_the_attempt_at_work() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    story.tell(
        JobProgress(job="a", attempt=1, message="half", fraction=0.5),
        JobChunk(job="a", attempt=1, chunk="Hel"),
        JobChunk(job="a", attempt=1, chunk="lo"),
        JobChunk(job="a", attempt=1, chunk={"token": 3}),
    )
    job = story.job("a")
    assert (job.message, job.fraction, job.tail) == ("half", 0.5, "Hello{'token': 3}\n")
    story.retry("a")
    assert job.tail.startswith("Hello")
    story.start("a", 2)
    assert (job.message, job.fraction, job.tail) == ("", None, "")


def test_values_that_cannot_be_shown_are_told_by_their_type() -> None:
    """In the process of the engine, questions and chunks are the jobs' own objects."""

    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    story = Story()
    story.submit("a", payload=Odd())
    story.start("a")
    story.tell(JobChunk(job="a", attempt=1, chunk=Odd()))
    story.tell(JobSuspended(job="a", attempt=1, questions=(AskedQuestion("1", Odd()),)))
    told = "<Odd: cannot be shown, RuntimeError>"
    assert (story.job("a").tail, story.state.why(story.job("a")).text) == (f"{told}\n", f"asks: {told}")


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    story = Story()
    for each in range(20):
        story.ran(f"early-{each}")
        story.wait(1.0)
    assert story.state.rate_at(1_020.0) == 1.0
    story.wait(100.0)
    story.submit("a", "b", "c")
    assert story.state.rate_at(story.time) == 0.0
    # Too few ended of late: what is usual in this run tells more.
    assert story.state.seconds_left() == 3 / (20 / 120)
    assert story.state.seconds_left(1_240.0) == 3 / (20 / 240)


def test_nothing_is_said_of_the_time_left_before_anything_ended() -> None:
    story = Story()
    story.submit("a")
    assert story.state.seconds_left() is None
    story.tell(RunEnded(outcome="cancelled", counts={"cancelled": 1}))
    assert story.state.seconds_left() == 0.0


def test_the_end_of_a_run_is_told() -> None:
    story = Story()
    story.wait(9.0)
    story.tell(RunEnded(outcome="failed", counts={"failed": 1}, error=ErrorText("ValueError", "no")))
    run = story.state.run
    assert (run.id, run.slots, run.started, run.ended) == ("run-1", 2, 1_000.0, 1_009.0)
    assert (run.outcome, run.error) == ("failed", "ValueError: no")


def test_a_graph_whose_job_asks_rests_when_the_run_has_ended() -> None:
    story = Story()
    story.submit("report", role="graph")
    story.start("report")
    story.submit("page", parent="report")
    story.start("page")
    story.suspend("page", "1")
    story.tell(RunEnded(outcome="completed", counts={"suspended": 2}))
    assert counted(story.state.bodies) == {"suspended": 1}
    assert [each.outcome for each in story.job("report").attempts] == ["suspended"]


def test_a_graph_rests_while_nothing_below_it_can_go_on_before_an_answer() -> None:
    story = Story()
    story.submit("report", role="graph")
    story.start("report")
    story.submit("page", "check", "again", parent="report")
    story.submit("last", parent="report", after=("page", "check"))
    story.start("page")
    seen = [counted(story.state.bodies)]
    story.suspend("page", "1")
    seen.append(counted(story.state.bodies))  # the others may start
    story.start("check")
    story.end("check")
    story.start("again")
    story.suspend("again")  # which goes on by itself
    seen.append(counted(story.state.bodies))
    story.start("again", 2)
    story.end("again")
    assert seen == [{"running": 1}] * 3
    assert counted(story.state.bodies) == {"suspended": 1}
    assert list(story.state.asking) == ["page"]
    story.tell(JobReplied(job="page", question="1"))
    assert counted(story.state.bodies) == {"running": 1}


def test_a_flow_that_has_something_new_to_do_rests_no_longer() -> None:
    story = Story()
    story.submit("research", role="flow")
    story.start("research")
    story.submit("page", parent="research")
    story.start("page")
    story.suspend("page", "1")
    assert counted(story.state.bodies) == {"suspended": 1}
    story.submit("next", parent="research")
    assert counted(story.state.bodies) == {"running": 1}


def test_nothing_is_held_by_limits_once_the_run_has_ended() -> None:
    story = Story(slots=9)
    story.submit("a", "b")
    story.tell(LimitReached(limit="gpt-5", why="budget"))
    story.sample(Waits("lock", "user:7", "", 1, ("b",)))
    story.tell(RunEnded(outcome="completed", counts={}))
    assert {story.state.why(job).kind for job in story.state.jobs.values()} == {"slot"}


def test_the_version_grows_with_every_event() -> None:
    story = Story()
    before = story.state.version
    story.submit("a")
    story.start("a")
    assert story.state.version == before + 2
    assert story.state.now == story.time


def test_lists_that_jobs_ask_are_kept_as_they_came() -> None:
    story = Story()
    story.submit("a")
    story.suspend("a", "1")
    assert story.job("a").questions == (AskedQuestion("1", "1?"),)


def test_what_is_submitted_or_ended_twice_counts_once() -> None:
    story = Story()
    story.submit("a", "a")
    story.start("a")
    story.end("a", cost=1.0)
    story.end("a", "failed", cost=1.0)
    story.start("a", 2)
    story.retry("a")
    story.suspend("a", "1")
    story.submit("a")
    assert counted(story.state.counts) == {"succeeded": 1}
    assert story.state.lanes["default"].served == 1.0


def test_a_state_that_was_told_nothing_can_be_looked_at() -> None:
    state = RunState()
    assert (state.version, state.now, state.rate_at(9.0), state.seconds_left()) == (0, 0.0, 0.0, None)
    for nothing in (state.roots(), state.lanes, state.bars_between(0.0, 9.0), state.stuck()):
        assert not nothing
    assert not state.whole


def test_a_job_never_waits_for_less_than_nothing() -> None:
    """Numbers that cannot be come from damaged logs."""
    story = Story()
    story.tell(JobSubmitted(job="a", name="a", executor="x", lane="default"))
    story.start("a")
    story.retry("a", delay=float("nan"), usage=Usage(-5, money=float("inf")))
    assert story.job("a").backoff_until is None
    story.end("a", cost=float("-inf"), usage=Usage(7, money=float("nan")))
    assert (story.state.totals.input_tokens, story.state.totals.money) == (7, None)
    assert (story.state.lanes["default"].served, story.state.lanes["default"].share) == (0.0, 0.0)
