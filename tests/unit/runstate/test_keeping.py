"""Memory: a run of millions of jobs leaves its sums, its last jobs and its failures."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from paceline.events import JobChunk, LaneChanged
from paceline_integrations.runstate import (
    AttemptView,
    Bar,
    GroupView,
    JobView,
    LaneView,
    RunState,
    _keeping,
)

from .story import Story


def objects(kind: type) -> int:
    gc.collect()
    return sum(isinstance(each, kind) for each in gc.get_objects())


def test_the_last_jobs_and_the_last_failures_are_kept() -> None:
    story = Story(keep=3)
    for each in range(10):
        story.ran(f"good-{each}")
        story.submit(f"bad-{each}")
        story.start(f"bad-{each}")
        story.end(f"bad-{each}", "failed", error="Busy")
    assert list(story.state.jobs) == ["good-7", "bad-7", "good-8", "bad-8", "good-9", "bad-9"]
    assert (story.state.counts.succeeded, story.state.counts.failed) == (10, 10)
    assert len(story.state.roots()) == 6


def test_what_has_not_ended_stays_however_much_ends() -> None:
    story = Story(keep=0)
    story.submit("waits", "asks", "runs")
    story.start("runs")
    story.suspend("asks", "1")
    story.ran(*(f"j{each}" for each in range(50)))
    assert set(story.state.jobs) == {"waits", "asks", "runs"}
    assert story.state.counts.total == 53


def test_a_group_goes_with_the_last_of_its_jobs() -> None:
    story = Story(keep=2)
    story.group("contract", "rent", "notice")
    for name in ("rent", "notice"):
        story.start(name)
        story.end(name)
    story.start("intro")
    story.end("intro", "failed", error="Busy")
    story.end_group("contract", "failed")
    assert set(story.state.jobs) == {"rent", "notice", "intro"}
    story.ran("x", "y")
    assert "contract" in story.state.groups
    for name in ("worse", "worst"):
        story.submit(name)
        story.end(name, "failed", error="Busy")
    assert not story.state.groups
    assert [node.name for node in story.state.roots()] == ["x", "y", "worse", "worst"]


def test_a_group_that_goes_takes_no_other_of_its_name_along() -> None:
    story = Story(keep=1)
    story.group("contract", primer="first")
    story.end("first")
    story.end_group("contract")
    story.group("contract", primer="second")
    story.ran("x")
    assert "first" not in story.state.jobs
    assert story.state.groups["contract"].primer is story.job("second")
    assert len(story.state.roots()) == 2


def test_a_group_whose_primer_went_has_all_its_followers() -> None:
    story = Story(keep=1)
    story.group("contract", "rent", "notice")
    story.start("intro")
    story.end("intro")
    story.end("rent", "failed", error="Busy")
    story.ran("x")
    group = story.state.groups["contract"]
    assert [each.name for each in group.children] == ["rent", "notice"]


def test_a_group_that_goes_on_stays_though_its_jobs_went() -> None:
    story = Story(keep=0)
    story.group("contract", "rent")
    story.start("intro")
    story.end("intro")
    story.start("rent")
    story.end("rent")
    group = story.state.groups["contract"]
    assert (list(story.state.jobs), list(group.children), group.counts.succeeded) == ([], [], 2)
    story.end_group("contract")
    assert [node.name for node in story.state.roots()] == ["contract"]


def test_groups_without_jobs_are_bounded() -> None:
    story = Story(keep=0)
    for each in range(2_500):
        story.group(f"g{each}", primer=None)
        story.end_group(f"g{each}")
    assert len(story.state.groups) == 2_000


def test_a_graph_stays_as_long_as_a_job_of_it() -> None:
    story = Story(keep=1)
    story.submit("report", role="graph")
    story.submit("inner", role="map", parent="report")
    story.submit("inner[0]", parent="inner")
    story.start("inner[0]")
    story.end("inner[0]", "failed", error="Busy")
    story.end("inner", "cancelled")
    story.end("report", "cancelled")
    story.ran("x", "y")
    assert set(story.state.jobs) == {"report", "inner", "inner[0]", "y"}
    for each in range(5):
        story.submit(f"bad{each}")
        story.end(f"bad{each}", "failed", error="Busy")
    assert not {"report", "inner", "inner[0]"} & set(story.state.jobs)
    assert [node.name for node in story.state.roots()] == ["y", "bad4"]


def test_a_long_chain_of_jobs_below_each_other_can_be_let_go() -> None:
    story = Story(keep=0)
    story.submit("j0", role="flow")
    for each in range(1, 3_000):
        story.submit(f"j{each}", role="flow", parent=f"j{each - 1}")
    for each in range(3_000):
        story.end(f"j{each}", attempt=0)
    assert not story.state.jobs
    assert not story.state.roots()


def test_payloads_and_outputs_are_kept_up_to_a_size_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_keeping, "_VALUES", 1_000)
    story = Story()
    story.submit("a", payload="x" * 400)
    story.submit("b", payload={"prompt": ["x" * 400]})
    story.submit("c", payload=7)
    assert story.job("a").payload
    story.end("b", output="y" * 400)
    assert story.job("a").payload is None
    assert (story.job("b").payload, story.job("b").output) == ({"prompt": ["x" * 400]}, "y" * 400)
    story.submit("d", payload=["z" * 2_000])
    assert not any(each.payload or each.output for each in story.state.jobs.values())


def test_a_stream_keeps_its_end() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    for each in range(3_000):
        story.tell(JobChunk(job="a", attempt=1, chunk=f"{each:04}"))
    job = story.job("a")
    assert (len(job.tail), job.tail[-8:], job.tail_cut) == (8_000, "29982999", 4_000)
    story.tell(JobChunk(job="a", attempt=1, chunk="x" * 9_000))
    assert (job.tail, job.tail_cut) == ("x" * 8_000, 13_000)


def test_lanes_with_nothing_to_do_are_bounded() -> None:
    story = Story()
    story.submit("stays", lane="busy")
    for each in range(5_000):
        story.tell(LaneChanged(lane=f"tenant-{each}", weight=1.0))
    lanes = story.state.lanes
    assert len(lanes) < 4_100
    assert {"busy", "tenant-4999"} <= set(lanes)


def test_texts_without_end_are_cut() -> None:
    story = Story()
    story.submit("a")
    story.job("a")
    story.end("a", "failed", error=f"ValueError: {'x' * 1_000_000}")
    assert len(story.job("a").error) == 4_000


def test_a_job_that_waited_for_very_many_forgets_most_of_them() -> None:
    story = Story()
    story.submit("a", after=tuple(f"j{each}" for each in range(500)))
    assert len(story.job("a").after) == 500
    story.end("a", "cancelled", attempt=0)
    assert len(story.job("a").after) == 100


@pytest.mark.parametrize("jobs", [1_000])
def test_a_long_run_leaves_no_more_objects_and_memory_than_a_short_one(jobs: int) -> None:
    story = Story(keep=50)

    def runs(first: int) -> None:
        for each in range(first, first + jobs):
            story.group(f"g{each}", f"b{each}", primer=f"a{each}")
            for name in (f"a{each}", f"b{each}"):
                story.start(name)
                story.tell(JobChunk(job=name, attempt=1, chunk="word " * 10))
                story.end(name, "failed" if each % 7 == 0 else "succeeded", error="Busy")
            story.end_group(f"g{each}")
            story.told.clear()

    tracemalloc.start()
    try:
        runs(0)
        kinds = (JobView, GroupView, AttemptView, Bar, LaneView)
        first = [objects(kind) for kind in kinds], tracemalloc.get_traced_memory()[0]
        runs(jobs)
        second = [objects(kind) for kind in kinds], tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert second[0][0] <= first[0][0] + 10
    assert second[0][0] < 200
    assert all(after <= before + 210 for before, after in zip(first[0], second[0], strict=True))
    assert second[1] < first[1] * 1.3
    assert story.state.counts.total == 4 * jobs


def test_another_run_in_the_log_lets_the_first_one_go() -> None:
    story = Story()
    story.ran(*(f"j{each}" for each in range(100)))
    before = objects(JobView)
    other = Story("run-2")
    for event in other.told:
        story.state.apply(event)
    assert objects(JobView) <= before - 100
    assert isinstance(story.state, RunState)
