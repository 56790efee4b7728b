"""What a run is summed up to, from its events."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from paceline import Usage
from paceline.events import (
    ErrorText,
    Event,
    GroupEnded,
    GroupStarted,
    JobEnded,
    JobRetried,
    JobStarted,
    JobSubmitted,
    LaneLoad,
    QueueSampled,
    RunEnded,
    RunStarted,
    Waits,
    dump_event,
)
from paceline_integrations.page import Sketch, render_page
from paceline_integrations.summary import (
    ErrorSummary,
    JobPlace,
    RunSummary,
    StuckSummary,
    SummaryTally,
    summarise,
)


def started(time: float = 0.0, **more: Any) -> RunStarted:
    return RunStarted(seq=1, time=time, run="r", slots=2, lanes={"a": 3.0, "b": 1.0}, **more)


def ended(time: float) -> RunEnded:
    return RunEnded(seq=99, time=time, run="r", outcome="completed", counts={})


def job(name: str, begun: float, end: float, *, lane: str = "a", **more: Any) -> Iterator[Event]:
    """A job that waits since 0, and runs once."""
    group, status = more.pop("group", None), more.pop("status", "succeeded")
    role = more.pop("role", "job")
    yield JobSubmitted(
        time=0.0, run="r", job=name, name=name, executor="e", lane=lane, group=group, role=role, key=name
    )
    yield JobStarted(time=begun, run="r", job=name, lane=lane, group=group, attempt=1, waited=begun)
    yield JobEnded(time=end, run="r", job=name, lane=lane, group=group, status=status, attempt=1, **more)


def told(*events: Event | Iterator[Event], **options: Any) -> RunSummary:
    tally = SummaryTally(**options)
    for each in events:
        for event in each if isinstance(each, Iterator) else [each]:
            tally.apply(event)
    return tally.summary()


def sample(time: float, *waits: Waits, **ready: int) -> QueueSampled:
    lanes = {
        name: LaneLoad(ready.get(name, 0), 1, 1, weight, 0.5) for name, weight in (("a", 3.0), ("b", 1.0))
    }
    return QueueSampled(
        time=time, run="r", slots_used=2, waiting=sum(ready.values()), lanes=lanes, waits=waits
    )


def test_the_same_error_is_told_once_with_what_it_befell() -> None:
    wrong = ErrorText("ValueError", "no page")
    other = ErrorText("ValueError", "no book")
    summary = told(
        started(),
        job("x", 1.0, 2.0, status="failed", error=wrong),
        job("y", 1.0, 2.0, status="failed", error=wrong),
        JobSubmitted(time=0.0, run="r", job="z", name="z", executor="e", lane="a"),
        JobEnded(time=2.0, run="r", job="z", lane="a", status="skipped", attempt=0, error=wrong),
        JobSubmitted(time=0.0, run="r", job="u", name="u", executor="e", lane="a"),
        JobStarted(time=2.0, run="r", job="u", lane="a", attempt=1, waited=2.0),
        JobRetried(time=3.0, run="r", job="u", attempt=1, error=other, delay=1.0),
    )
    first, second = summary.errors
    assert (first.message, first.failed, first.skipped, first.retried) == ("no page", 2, 1, 0)
    assert [each.id for each in first.examples] == ["x", "y", "z"]
    assert (second.message, second.failed, second.retried) == ("no book", 0, 1)
    assert summary.state == "running"
    assert (summary.totals.failed, summary.totals.skipped, summary.waiting) == (2, 1, 1)


def test_jobs_that_failed_are_examples_before_those_that_were_tried_again() -> None:
    wrong = ErrorText("ValueError", "no page")
    events: list[Event] = []
    for name in ("r1", "r2", "r3"):
        events += [
            JobSubmitted(time=0.0, run="r", job=name, name=name, executor="e", lane="a"),
            JobStarted(time=2.0, run="r", job=name, lane="a", attempt=1, waited=2.0),
            JobRetried(time=3.0, run="r", job=name, attempt=1, error=wrong, delay=1.0),
        ]
    summary = told(started(), iter(events), job("x", 1.0, 2.0, status="failed", error=wrong))
    assert [each.id for each in summary.errors[0].examples] == ["x", "r1", "r2"]


def test_errors_that_all_differ_are_counted_in_bounded_memory() -> None:
    tally = SummaryTally(keep=10)
    tally.apply(started())
    for number in range(5_000):
        error = ErrorText("ValueError", f"page {number}")
        for event in job(f"j{number}", 1.0, 2.0, status="failed", error=error):
            tally.apply(event)
    summary = tally.summary()
    assert summary.totals.failed == 5_000
    assert (summary.errors[0].message, summary.errors[0].failed) == ("", 4_000)
    assert sum(each.failed for each in summary.errors) + summary.other_errors == 5_000
    assert len(tally.state.jobs) <= 10


def test_slowest_and_longest_waits_come_first() -> None:
    runs = (job(f"j{number}", float(number), number + 100.0 / (number + 1)) for number in range(50))
    summary = told(started(), *runs)
    assert [each.id for each in summary.slowest[:3]] == ["j0", "j1", "j2"]
    assert summary.slowest[0].seconds == 100.0
    assert len(summary.slowest) == 10
    assert [each.id for each in summary.waited[:3]] == ["j49", "j48", "j47"]
    assert summary.waited[0].seconds == 49.0


def test_why_a_job_waited_is_what_held_it_last() -> None:
    limit = Waits("limit", "gpt-5: requests", "waits for its limit, gpt-5: requests", 1, ("x",))
    submitted, *rest = job("x", 9.0, 10.0)
    summary = told(started(), submitted, sample(8.0, limit, a=1), iter(rest))
    assert (summary.waited[0].why, summary.waited[0].kind) == ("waits at a limit (gpt-5: requests)", "limit")


def test_what_held_jobs_is_summed_up_from_samples() -> None:
    slot = Waits("slot", None, "waits for a free slot", 7, ())
    first = Waits("release", "g", "waits for the release of group g", 2, ())
    second = Waits("release", "h", "waits for the release of group h", 3, ())
    summary = told(
        started(),
        sample(1.0, slot, first),
        sample(3.0, slot, first, second),
        sample(4.0, slot),
        ended(9.0),
    )
    held = {each.kind: (each.text, each.seconds, each.jobs) for each in summary.held}
    assert held == {
        "slot": ("wait for a free slot", 8.0, 7),
        "release": ("wait for the primers of their groups to answer", 3.0, 5),
    }
    assert summary.log.sampled


def test_shares_are_measured_while_lanes_compete() -> None:
    def served(name: str, lane: str) -> Iterator[Event]:
        return job(name, 1.0, 2.0, lane=lane, cost=1.0)

    summary = told(
        started(),
        served("alone", "a"),
        sample(3.0, a=5, b=5),
        served("a1", "a"),
        served("a2", "a"),
        served("b1", "b"),
        sample(4.0, a=3, b=4),
        served("b2", "b"),
        sample(5.0, a=0, b=4),
    )
    lane = summary.lanes["a"]
    assert lane.share_while_waiting is not None
    assert round(lane.share_while_waiting, 6) == 0.666667
    assert (lane.due_while_waiting, lane.served) == (0.75, 3.0)


def test_a_lane_without_a_rival_has_no_share_while_waiting() -> None:
    summary = told(started(), sample(1.0, a=5), job("x", 1.0, 2.0, cost=1.0), sample(2.0, a=5))
    assert summary.lanes["a"].share_while_waiting is None
    assert "b" not in summary.lanes


def test_savings_are_those_of_the_jobs_by_group_and_tag() -> None:
    summary = told(
        started(),
        GroupStarted(time=0.0, run="r", group="g", lane="a"),
        job("g/primer", 0.0, 1.0, group="g", role="primer", usage=Usage(100, 0, output_tokens=5)),
        job("g/follower/0", 1.0, 2.0, group="g", role="follower", usage=Usage(100, 90, output_tokens=5)),
        GroupEnded(time=2.0, run="r", group="g", outcome="succeeded", counts={}),
        ended(2.0),
    )
    assert (summary.groups, summary.savings.groups["g"].hit_ratio) == (1, 0.45)
    totals = summary.totals
    assert (totals.input_tokens, totals.cached_tokens, totals.evaluated_tokens) == (200, 90, 110)


def test_without_groups_savings_are_sums_only() -> None:
    usage = Usage(100, 50)
    summary = told(started(), job("x", 0.0, 1.0, group="g", usage=usage), keep_groups=False)
    assert summary.savings.groups == {}
    assert summary.savings.totals.cached_tokens == 50


def test_of_several_runs_the_last_one_counts() -> None:
    summary = told(
        started(),
        job("x", 1.0, 50.0, status="failed", error=ErrorText("ValueError", "old")),
        ended(51.0),
        started(100.0),
        job("y", 101.0, 102.0),
        ended(103.0),
    )
    assert (summary.totals.jobs, summary.totals.attempts, summary.errors) == (1, 1, ())
    assert [each.id for each in summary.slowest] == ["y"]
    assert summary.seconds == 3.0
    assert summary.log.earlier_runs == 1


def test_a_log_without_its_beginning_is_told_as_far_as_it_goes() -> None:
    _, *rest = job("x", 5.0, 7.0)
    summary = told(iter(rest), ended(8.0))
    assert (summary.started, summary.state, summary.totals.succeeded) == (None, "completed", 1)
    assert summary.totals.seconds == 2.0
    assert summary.seconds >= 2.0


def test_an_end_that_is_told_twice_counts_once() -> None:
    events = list(job("x", 1.0, 2.0, usage=Usage(100, 0)))
    summary = told(started(), iter(events), events[-1])
    assert (summary.totals.jobs, summary.savings.totals.jobs, len(summary.slowest)) == (1, 1, 1)


def test_the_summary_reads_back_as_it_was_written() -> None:
    summary = told(started(), job("x", 1.0, 2.0, status="failed", error=ErrorText("E", "m")), ended(3.0))
    assert RunSummary.model_validate_json(summary.model_dump_json()) == summary


def test_how_much_of_a_log_is_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join(dump_event(each) for each in (started(), *job("x", 1.0, 2.0), ended(3.0))))
    parts: list[float] = []
    assert summarise(path, progress=parts.append).totals.succeeded == 1
    assert parts == [1.0]


def test_another_run_that_goes_on_meanwhile_is_left_out_and_told() -> None:
    other: Any = {"run": "other", "job": "y", "lane": "a"}
    summary = told(
        started(),
        JobSubmitted(time=0.0, name="y", executor="e", **other),
        JobStarted(time=1.0, attempt=1, waited=1.0, **other),
        job("x", 1.0, 2.0),
    )
    assert (summary.totals.jobs, summary.totals.attempts) == (1, 1)
    assert summary.notes == ("2 events of another run at the same time are left out",)


def test_what_is_said_to_have_started_after_its_end_is_no_attempt() -> None:
    summary = told(
        started(),
        job("x", 1.0, 2.0),
        JobStarted(time=3.0, run="r", job="x", lane="a", attempt=2, waited=1.0),
    )
    assert summary.totals.attempts == 1


@pytest.mark.parametrize("time", [inf, -inf, nan, 1e300, -1.0])
def test_times_that_cannot_be_are_left_out_and_told(time: float) -> None:
    summary = told(
        started(),
        sample(1.0, Waits("slot", None, "", count=1), a=1),
        sample(time, Waits("slot", None, "", count=1), a=1),
        sample(3.0),
        job("x", 1.0, 4.0),
    )
    assert [each.seconds for each in summary.held] == [2.0]
    assert summary.seconds == 4.0
    assert summary.notes == ("1 event with times that cannot be are left out",)


def test_a_reader_of_a_log_is_shown_no_event_that_does_not_count(tmp_path: Path) -> None:
    events: list[Event] = [started(), sample(inf), *job("x", 1.0, 2.0)]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(dump_event(event) for event in events))
    seen: list[str] = []
    summarise(path, seen=lambda _, event, __: seen.append(event.type))
    assert seen == ["run.started", "job.submitted", "job.started", "job.ended"]


def test_a_job_is_called_by_its_group_and_an_error_without_the_name_of_the_script() -> None:
    place = JobPlace(id="j", name="\x1b[2Jx", lane="a", group="g")
    assert place.called == r"g/\x1b[2Jx"
    assert JobPlace(id="j", name="g/x", lane="a", group="g").called == "g/x"
    error = ErrorSummary(type="__main__.Busy", failed=3, examples=(place,))
    assert (error.called, error.befell) == ("Busy", r"g/\x1b[2Jx and 2 more")


@pytest.mark.parametrize("weight", [0.0, -1.0])
def test_lanes_without_a_weight_have_no_due(weight: float, tmp_path: Path) -> None:
    lanes = {name: LaneLoad(2, 1, 3, weight, 0.5) for name in ("a", "b")}
    samples = [
        QueueSampled(time=time, run="r", slots_used=2, waiting=4, lanes=lanes, waits=())
        for time in (1.0, 3.0)
    ]
    events: list[Event] = [
        RunStarted(seq=1, time=0.0, run="r", slots=2, lanes={"a": weight, "b": weight}),
        samples[0],
        *job("x", 1.0, 2.0, cost=1.0),
        *job("y", 1.0, 2.0, lane="b", cost=1.0),
        samples[1],
    ]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(dump_event(event) for event in events))
    sketch = Sketch()
    summary = summarise(path, seen=sketch.look)
    assert [lane.due_while_waiting for lane in summary.lanes.values()] == [None, None]
    assert "Lanes" in render_page(summary, sketch)


def test_of_very_many_that_wait_it_is_said_that_not_all_were_looked_at() -> None:
    tally = SummaryTally()
    tally.apply(RunStarted(time=1.0, run="r", slots=2, lanes={}))
    for number in range(1_500):
        tally.apply(JobSubmitted(time=1.0, run="r", job=f"j{number}", name="j", executor="x", lane="default"))
    (stuck,) = tally.summary().stuck
    assert (stuck.jobs, stuck.at_least, stuck.many) == (1_000, True, "1,000 or more jobs")
    assert StuckSummary(kind="slot", text="", jobs=1).many == "1 job"
