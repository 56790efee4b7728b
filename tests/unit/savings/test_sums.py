"""Savings by group, lane and tag: sums agree, however they are split and in whatever order they come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st

from paceline import JobResult, Role, RunReport, Savings, SavingsTally, SavingsTotals, Usage

from .made_up import group, ran


def test_tags_are_what_metadata_say_as_text() -> None:
    values = ["acme", 7, True, None, ["a", "b"], "acme"]
    jobs = [ran(100, 50, metadata={"tenant": value}) for value in values]
    savings = Savings.of([*jobs, ran(100, 50)], by="tenant")
    assert {tag: totals.jobs for tag, totals in savings.tags.items()} == {
        "acme": 2,
        "7": 1,
        "true": 1,
        '["a","b"]': 1,
    }
    assert savings.untagged is not None
    assert savings.untagged.jobs == 2
    report = RunReport.model_validate_json(RunReport.of(jobs).model_dump_json())
    assert report.savings(by="tenant").tags == Savings.of(jobs, by="tenant").tags


def test_what_cannot_be_read_as_metadata_does_not_break_a_report() -> None:
    class Broken(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError("gone")

    report = RunReport.of([ran(1, 1, metadata=Broken(a=1))])
    assert list(RunReport.model_validate_json(report.model_dump_json()).tasks["name"].metadata) == ["…"]


roles: st.SearchStrategy[Role] = st.sampled_from(["job", "primer", "follower"])
counts = st.none() | st.integers(-5, 3000)


def part_of(most: int | None) -> st.SearchStrategy[int | None]:
    """Mostly a part, sometimes more than the whole, less than nothing, or unknown."""
    return st.none() | st.integers(-5, max(most or 0, 0) + 5) | st.integers(0, max(most or 0, 0))


@st.composite
def results(draw: st.DrawFn) -> list[JobResult]:
    def one() -> JobResult:
        role = draw(roles)
        name = None if role == "job" else draw(st.sampled_from(["a", "b", "c"]))
        tenant = draw(st.sampled_from([None, "x", "y"]))
        prompt = draw(counts)
        cached = draw(part_of(prompt))
        left = (prompt or 0) - (cached or 0)
        requests = draw(st.none() | st.integers(0, 3))
        usage = Usage(prompt, cached, draw(part_of(left)), draw(counts), requests=requests)
        return ran(
            0,
            0,
            role,
            name,
            usage=draw(st.none() | st.just(usage)),
            lane=draw(st.sampled_from(["l", "m"])),
            status=draw(st.sampled_from(["succeeded", "failed", "skipped"])),
            metadata={} if tenant is None else {"tenant": tenant},
        )

    return [one() for _ in range(draw(st.integers(0, 12)))]


ADDED = (
    "jobs",
    "unreported",
    "assumed",
    "prompt_tokens",
    "cached_tokens",
    "written_tokens",
    "best_cached_tokens",
    "evaluated_tokens",
    "output_tokens",
    "cost",
    "cold_cost",
)


def added(parts: Sequence[SavingsTotals | None]) -> dict[str, float]:
    return {name: sum(getattr(part, name) or 0 for part in parts if part is not None) for name in ADDED}


@given(results(), st.floats(0, 2), st.floats(0, 2), st.integers(0, 2000))
def test_sums_agree_however_they_are_split(
    jobs: list[JobResult], read: float, write: float, min_prefix: int
) -> None:
    savings = Savings.of(jobs, by="tenant", read=read, write=write, min_prefix=min_prefix)
    whole = added([savings.totals])
    for named, rest in (
        (savings.groups, savings.ungrouped),
        (savings.lanes, None),
        (savings.tags, savings.untagged),
    ):
        assert added([*named.values(), rest]) == pytest.approx(whole)


@given(results(), st.floats(0, 2), st.floats(0, 2), st.randoms(use_true_random=False))
def test_the_order_in_which_jobs_are_told_changes_nothing(
    jobs: list[JobResult], read: float, write: float, random: Any
) -> None:
    shuffled = list(jobs)
    random.shuffle(shuffled)
    one, other = (Savings.of(each, read=read, write=write) for each in (jobs, shuffled))
    assert added([one.totals]) == pytest.approx(added([other.totals]))
    assert one.groups.keys() == other.groups.keys()


@given(results())
def test_the_best_possible_is_between_what_was_had_and_all_there_is(jobs: list[JobResult]) -> None:
    savings = Savings.of(jobs, by="tenant")
    for totals in (savings.totals, *savings.groups.values(), *savings.lanes.values(), *savings.tags.values()):
        if totals.prompt_tokens is None:
            assert totals.unreported == totals.jobs
            continue
        assert totals.cached_tokens is not None
        assert totals.best_cached_tokens is not None
        assert totals.written_tokens is not None
        assert 0 <= totals.cached_tokens <= totals.best_cached_tokens <= totals.prompt_tokens
        assert totals.cached_tokens + totals.written_tokens <= totals.prompt_tokens
        assert 0 <= totals.unreported <= totals.jobs
        if totals.cost_ratio is not None:
            assert 0 <= totals.cost_ratio <= 1  # a read for less than a write never costs more


@given(results(), st.floats(0, 2))
def test_it_survives_json(jobs: list[JobResult], read: float) -> None:
    savings = Savings.of(jobs, by="tenant", read=read)
    text = savings.model_dump_json()
    assert Savings.model_validate_json(text) == savings
    assert Savings.model_validate_json(text).model_dump_json() == text


@given(results())
def test_a_tally_that_settles_groups_has_the_same_sums(jobs: list[JobResult]) -> None:
    kept, sums = SavingsTally(by="tenant"), SavingsTally(by="tenant", keep_groups=False)
    for job in sorted(jobs, key=lambda job: job.group or ""):
        kept.add(job)
        sums.add(job)
        assert kept.savings() == kept.savings()  # looking changes nothing
        assert kept.savings().totals == sums.savings().totals
    for name in ("a", "b", "c", "nobody's"):
        sums.settle(name)
    assert sums.savings() == kept.savings().model_copy(update={"groups": {}})


def test_a_settled_group_is_one_of_its_own() -> None:
    tally = SavingsTally()
    for _ in range(2):
        for job in group(0, 900):
            tally.add(job)
        tally.settle("book")
    assert tally.savings().groups["book"].best_cached_tokens == 1800
