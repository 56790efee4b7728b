"""Savings from reports, results and logs tell the same; and how they are printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from paceline import (
    Engine,
    Job,
    JobContext,
    JobResult,
    JsonlSink,
    RunReport,
    RunTally,
    Savings,
    SavingsTotals,
    Usage,
    events,
    read_events,
)
from paceline.testing import VirtualClock

from .made_up import group, ran


class Cached:
    """Stands for a provider that caches what the primer read."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        ctx.usage(Usage(1000, 0 if job.role == "primer" else 900, output_tokens=5))
        return job.payload


def test_a_report_the_results_of_a_group_and_a_log_tell_the_same(tmp_path: Path) -> None:
    log = tmp_path / "run.jsonl"

    async def main() -> tuple[list[JobResult], RunReport]:
        async with Engine(Cached(), sinks=[JsonlSink(log)]) as engine:
            work = await engine.submit_group(
                "book", primer="read", followers=["sum up", "title"], metadata={"tenant": "acme"}
            )
            alone = await engine.submit("alone", metadata={"tenant": "other"})
            results = [*await work.results(), await alone.wait()]
            return results, RunReport.of(results, engine.snapshot())

    results, report = VirtualClock().run(main)
    savings = Savings.of(results, by="tenant")
    assert {tag: totals.jobs for tag, totals in savings.tags.items()} == {"acme": 3, "other": 1}
    assert savings.groups["book"].hit_ratio == 0.6
    assert report.savings(by="tenant") == savings
    assert RunReport.model_validate_json(report.model_dump_json()).savings(by="tenant") == savings
    assert Savings.of_events(read_events(log), by="tenant") == savings


def test_a_log_without_its_beginning_still_has_its_sums(tmp_path: Path) -> None:
    log = tmp_path / "run.jsonl"

    async def main() -> None:
        async with Engine(Cached(), sinks=[JsonlSink(log)]) as engine:
            await (await engine.submit_group("book", primer="read", followers=["a"])).results()

    VirtualClock().run(main)
    ends = [event for event in read_events(log) if isinstance(event, events.JobEnded)]
    totals = Savings.of_events(ends).groups["book"]
    assert (totals.jobs, totals.prompt_tokens, totals.cached_tokens) == (2, 2000, 900)


def test_a_job_that_never_started_is_in_no_log_of_savings() -> None:
    end = events.JobEnded(job="a", lane="default", status="cancelled", attempt=0)
    assert Savings.of_events([end]).totals == SavingsTotals()
    begun = events.JobEnded(job="a", lane="default", status="cancelled", attempt=1)
    assert Savings.of_events([begun]).totals == SavingsTotals(jobs=1, unreported=1)


def test_a_report_of_sums_only_says_how_to_have_it() -> None:
    tally = RunTally(keep_tasks=False)
    tally.add(ran(100, 50))
    with pytest.raises(ValueError, match="SavingsTally"):
        tally.report().savings()
    assert "savings" not in str(tally.report())
    assert RunTally(keep_tasks=False).report().savings().totals.jobs == 0


def test_a_printed_report_tells_of_savings_where_a_cache_had_to_do_with_it() -> None:
    assert "savings: 45% of the prompts from the cache" in str(RunReport.of(group(0, 900)))
    assert "savings: 0% of the prompts from the cache" in str(RunReport.of(group(0, 0)))
    assert "savings" not in str(RunReport.of([ran(100, 0)]))
    assert "savings" not in str(RunReport.of([ran(100, None)]))


def test_printed_it_is_a_sentence_and_a_table() -> None:
    jobs = [*group(0, 900, metadata={"tenant": "acme"}), *group(0, 0, name="song", lane="batch")]
    jobs.append(ran(100, None, metadata={"tenant": "b\x1b[2J"}))
    sentence, *lines = str(Savings.of(jobs, by="tenant")).splitlines()
    assert sentence == (
        "prompt 4,000 tokens: 900 from the cache (22%; best possible at most 48%), "
        "cost 0.80 of a cold fan-out; of 5 jobs 1 did not report what came from the cache"
    )
    assert lines == [
        "group            jobs  prompt  cached  evaluated  hit  best  cost",
        "book                2   2,000     900      1,100  45%   45%  0.59",
        "song                2   2,000       0      2,000   0%  ≤50%  1.00",
        "(in no group)  0 of 1       -       -          -    -     -     -",
        "lane       jobs  prompt  cached  evaluated  hit  best  cost",
        "default  2 of 3   2,000     900      1,100  45%   45%  0.59",
        "batch         2   2,000       0      2,000   0%  ≤50%  1.00",
        "tenant         jobs  prompt  cached  evaluated  hit  best  cost",
        "acme              2   2,000     900      1,100  45%   45%  0.59",
        "b�[2J        0 of 1       -       -          -    -     -     -",
        "(no tenant)       2   2,000       0      2,000   0%  ≤50%  1.00",
    ]


def test_of_many_groups_those_that_missed_most_are_printed() -> None:
    jobs = [job for n in range(30) for job in group(0, 900, 0 if n == 17 else 900, name=f"g{n}")]
    lines = str(Savings.of(jobs)).splitlines()
    assert len(lines) == 23
    assert lines[2].startswith("g17 ")
    assert lines[-1] == "… and 10 more, which missed less"
