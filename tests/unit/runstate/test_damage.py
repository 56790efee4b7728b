"""Whatever events come, in whatever order: the state stands, and its numbers add up."""

from __future__ import annotations

import copy
import math
from collections import Counter
from typing import Any, get_args

from hypothesis import given, settings, strategies as st

from paceline import Usage
from paceline.events import (
    AskedQuestion,
    AttemptAbandoned,
    AttemptGone,
    ErrorText,
    Event,
    EventsDropped,
    GroupEnded,
    GroupReleased,
    GroupStarted,
    JobChunk,
    JobEnded,
    JobFirstToken,
    JobProgress,
    JobReplied,
    JobRetried,
    JobStarted,
    JobSubmitted,
    JobSuspended,
    LaneChanged,
    QueueSampled,
    RunEnded,
    RunStarted,
    Waits,
)
from paceline_integrations.runstate import Counts, GroupView, JobView, Node, RunState

JOBS = st.sampled_from(["a", "b", "c", "d", "e"])
NAMES = st.sampled_from(["g", "h"])
GROUPS = st.none() | NAMES
LANES = st.sampled_from(["default", "fast"])
ATTEMPTS = st.integers(-1, 3)
NUMBERS = st.floats(-5.0, 100.0) | st.sampled_from([float("nan"), float("inf")])
USAGES = st.none() | st.builds(Usage, st.none() | st.integers(-9, 99), st.none() | st.integers(0, 10**18))
ERRORS = st.none() | st.builds(ErrorText, st.just("Busy"), st.text(max_size=3))
ENDS = st.sampled_from(["succeeded", "failed", "cancelled", "skipped"])
ASKED = st.lists(st.builds(AskedQuestion, st.sampled_from(["1", "2"])), max_size=2).map(tuple)
ROLES = st.sampled_from(["job", "primer", "follower", "graph", "flow", "map"])
EMPTY = st.just(dict[str, Any]())
WAITS = st.builds(
    Waits,
    st.sampled_from(["limit", "lane_cap", "lane_share", "slot", "odd"]),
    st.none() | JOBS,
    st.just(""),
    st.integers(0, 5),
    st.lists(JOBS, max_size=2).map(tuple),
    st.none() | NUMBERS,
)


def built(kind: type[Event], **fields: Any) -> st.SearchStrategy[Any]:
    stamp = {
        "seq": st.integers(0, 99),
        "time": st.floats(-1.0, 2_000.0),
        "run": st.sampled_from(["r", "r", "q"]),
    }
    return st.builds(kind, **stamp, **fields)


EVENTS: st.SearchStrategy[Event] = st.one_of(
    built(RunStarted, slots=st.integers(-1, 3), lanes=st.dictionaries(LANES, NUMBERS)),
    built(RunEnded, outcome=st.just("completed"), counts=EMPTY),
    built(LaneChanged, lane=LANES, weight=NUMBERS, max_running=st.none() | st.integers(-1, 2)),
    built(GroupStarted, group=NAMES, lane=LANES, parent=st.none() | JOBS, settle=NUMBERS),
    built(GroupReleased, group=NAMES, by=st.just("first_token")),
    built(GroupEnded, group=NAMES, outcome=ENDS, counts=EMPTY),
    built(
        JobSubmitted,
        job=JOBS,
        name=JOBS,
        executor=st.just("x"),
        lane=LANES,
        group=GROUPS,
        role=ROLES,
        parent=st.none() | JOBS,
        after=st.lists(JOBS | st.just("g"), max_size=3).map(tuple),
        payload=st.none() | st.text(max_size=3),
    ),
    built(JobStarted, job=JOBS, lane=LANES, group=GROUPS, attempt=ATTEMPTS, waited=NUMBERS),
    built(JobFirstToken, job=JOBS, attempt=ATTEMPTS),
    built(
        JobEnded,
        job=JOBS,
        lane=LANES,
        group=GROUPS,
        status=ENDS,
        attempt=ATTEMPTS,
        usage=USAGES,
        cost=NUMBERS,
        error=ERRORS,
    ),
    built(JobRetried, job=JOBS, attempt=ATTEMPTS, error=ERRORS, delay=NUMBERS, usage=USAGES),
    built(JobSuspended, job=JOBS, attempt=ATTEMPTS, questions=ASKED),
    built(JobReplied, job=JOBS, question=st.sampled_from(["1", "2"])),
    built(JobProgress, job=JOBS, attempt=ATTEMPTS, message=st.none() | st.text(max_size=3), fraction=NUMBERS),
    built(JobChunk, job=JOBS, attempt=ATTEMPTS, chunk=st.none() | st.text(max_size=9) | st.integers()),
    built(AttemptAbandoned, job=JOBS, attempt=ATTEMPTS, reason=st.just("timeout")),
    built(AttemptGone, job=JOBS, attempt=ATTEMPTS, usage=USAGES, late=USAGES),
    built(
        QueueSampled,
        slots_used=st.integers(-1, 3),
        waiting=st.integers(),
        lanes=EMPTY,
        waits=st.lists(WAITS, max_size=3).map(tuple),
    ),
    built(EventsDropped, sink=st.just("s"), count=st.integers(-3, 3)),
)


def rows_of(state: RunState) -> list[Node]:
    """All rows of the tree."""
    found: list[Node] = []
    left = list(state.roots())
    while left:
        node = left.pop()
        found.append(node)
        left += node.children
    return found


def tallied(jobs: list[JobView]) -> dict[str, int]:
    return dict(Counter(job.status for job in jobs))


def told(counts: Counts) -> dict[str, int]:
    return {status: count for status, count in counts.by.items() if count}


@given(st.lists(EVENTS, max_size=60))
@settings(max_examples=300)
def test_numbers_agree_with_the_jobs_whatever_events_come(events: list[Event]) -> None:
    state = RunState()
    for event in events:
        state.apply(event)
    jobs = list(state.jobs.values())
    leaves = [job for job in jobs if not job.is_body]
    assert told(state.counts) == tallied(leaves)
    assert told(state.bodies) == tallied([job for job in jobs if job.is_body])
    for name, lane in state.lanes.items():
        assert told(lane.counts) == tallied([job for job in leaves if job.lane == name])
        assert 0.0 <= lane.share <= 1.0
        assert 0.0 <= lane.due <= 1.0
    rows = rows_of(state)
    assert len(set(map(id, rows))) == len(rows)
    assert {id(row) for row in rows if isinstance(row, JobView)} == set(map(id, jobs))
    for row in rows:
        if isinstance(row, GroupView):
            assert told(row.counts) == tallied([job for job in jobs if job.group_view is row])
    for job in jobs:
        assert (job.ended is not None) == (job.status in {"succeeded", "failed", "cancelled", "skipped"})
        assert (job.id in state.asking) == (
            job.status == "suspended" and bool(job.questions or not job.is_body)
        )
        assert state.why(job).text
        assert "{" not in state.why(job).text
    for each in state.stuck(99):
        assert each.jobs > 0
    assert all(job.usage is None or (state.totals.input_tokens or 0) >= 0 for job in jobs)
    running = [bar for bar in state.bars_between(0.0, math.inf) if bar.attempt.ended is None]
    assert len(running) <= sum(len(job.attempts) for job in jobs)
    assert state.dropped >= 0
    assert (state.seconds_left() or 0.0) >= 0.0


@given(st.lists(EVENTS, max_size=40), st.integers(0, 2))
def test_little_is_kept_whatever_events_come(events: list[Event], keep: int) -> None:
    state = RunState(keep=keep)
    for event in events:
        state.apply(event)
    done = [job for job in state.jobs.values() if job.done and not job.stale]
    assert len([job for job in done if job.status == "failed"]) <= keep
    assert len([job for job in done if job.status != "failed"]) <= keep
    assert {id(row) for row in rows_of(state) if isinstance(row, JobView)} == set(
        map(id, state.jobs.values())
    )
    for status, count in state.counts.by.items():
        assert count >= 0, status
    state.stuck()


def looks(state: RunState) -> Any:
    """All that can be seen of a state."""
    seen = [
        (row.name, row.status, row.place)
        if isinstance(row, GroupView)
        else (row.name, row.status, row.place, row.usage, row.error, row.tail, state.why(row))
        for row in rows_of(state)
    ]
    bars = state.bars_between(0.0, math.inf)
    told = [(bar.row, bar.name, bar.attempt.started, bar.attempt.ended) for bar in bars]
    numbers = (
        state.version,
        state.now,
        state.counts,
        state.totals,
        state.rate_at(state.now),
        state.rows,
        state.earlier_runs,
    )
    return seen, told, numbers, state.stuck(99)


@given(st.lists(EVENTS, max_size=40), st.lists(st.integers(0, 40), max_size=5))
def test_looking_in_between_changes_nothing(events: list[Event], places: list[int]) -> None:
    straight, looked_at = RunState(), RunState()
    straight.apply_all(copy.deepcopy(events))
    for place, event in enumerate(events):
        if place in places:
            looks(looked_at)
            assert looked_at.lanes is not None
        looked_at.apply(event)
    seen, expected = looks(looked_at), looks(straight)
    assert seen[:3] == expected[:3]
    assert [each.text for each in seen[3]] == [each.text for each in expected[3]]


def test_events_that_are_waited_for_are_those_that_there_are() -> None:
    from paceline_integrations.runstate._state import HANDLERS

    kinds = {kind.__dataclass_fields__["type"].default for kind in get_args(Event)}
    assert kinds - set(HANDLERS) == {"prefix.cached", "span.ended"}
