"""What prefix caches saved: worked out from whatever usage there is, for people and for programs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from paceline import (
    Attempt,
    Engine,
    ErrorInfo,
    Job,
    JobContext,
    JobResult,
    JsonlSink,
    Role,
    RunReport,
    RunTally,
    Savings,
    SavingsTally,
    SavingsTotals,
    Usage,
    events,
    read_events,
)
from paceline._prices import Price
from paceline.testing import VirtualClock

numbers = itertools.count()


def ran(
    prompt: int | None,
    cached: int | None,
    role: Role = "job",
    group: str | None = None,
    **fields: Any,
) -> JobResult:
    """Make up a job that ran once, and what it told of its prompt."""
    written, calls = fields.pop("written", None), fields.pop("calls", 1)
    usage = Usage(prompt, cached, written, output_tokens=fields.pop("output", 10), requests=calls)
    given: dict[str, Any] = {
        "id": f"job-{next(numbers)}",
        "name": "name",
        "status": "succeeded",
        "usage": fields.pop("usage", usage),
        "attempts": (Attempt(1, 0.0, 1.0),),
        "role": role,
        "group": group,
        **fields,
    }
    return JobResult(**given)


def group(primer: int, *followers: int, name: str = "book", **fields: Any) -> list[JobResult]:
    """Make up a group by what its jobs found in the cache."""
    return [
        ran(1000, primer, "primer", name, **fields),
        *(ran(1000, cached, "follower", name, **fields) for cached in followers),
    ]


# What is told.


def test_a_group_whose_followers_found_the_prefix_had_the_best_there_is() -> None:
    totals = Savings.of(group(0, 900, 900, 900)).totals
    assert (totals.jobs, totals.prompt_tokens, totals.cached_tokens) == (4, 4000, 2700)
    assert (totals.evaluated_tokens, totals.output_tokens) == (1300, 40)
    assert totals.hit_ratio == totals.best_hit_ratio == 0.675
    assert totals.cost == pytest.approx(1300 + 0.1 * 2700)
    assert totals.cold_cost == 4000
    assert totals.cost_ratio == pytest.approx(0.3925)


def test_a_follower_that_missed_shows_in_the_best_possible() -> None:
    totals = Savings.of(group(0, 900, 0, 400)).totals
    assert (totals.cached_tokens, totals.best_cached_tokens, totals.assumed) == (1300, 2700, 0)


def test_the_best_possible_of_a_group_that_never_hit_is_an_upper_bound_and_said_to_be() -> None:
    totals = Savings.of(group(0, 0, 0)).totals
    assert (totals.best_cached_tokens, totals.assumed) == (2000, 3)
    assert "best possible at most 67%" in str(totals)


def test_a_prefix_that_is_assumed_and_too_short_to_be_cached_is_none() -> None:
    short = Savings.of(group(0, 0, 0), min_prefix=1024).totals
    assert (short.best_cached_tokens, short.assumed, short.worth_telling) == (0, 0, False)
    assert Savings.of(group(0, 0, 0), min_prefix=1000).totals.best_cached_tokens == 2000
    seen = Savings.of(group(0, 900, 0), min_prefix=1024).totals
    assert seen.best_cached_tokens == 1800  # it was cached: whoever says otherwise is mistaken


def test_nothing_is_assumed_of_a_primer_that_nobody_followed() -> None:
    totals = Savings.of(group(0)).totals
    assert (totals.best_cached_tokens, totals.assumed) == (0, 0)


def test_what_the_primer_found_was_there_before_the_group() -> None:
    totals = Savings.of(group(300, 900, 300)).totals
    assert totals.best_cached_tokens == 300 + 900 + 900


def test_followers_that_found_no_more_than_their_primer_did_not_find_its_prefix() -> None:
    totals = Savings.of(group(300, 300, 300)).totals
    assert (totals.best_cached_tokens, totals.assumed) == (300 + 1000 + 1000, 3)


def test_a_shared_prefix_is_never_longer_than_the_primers_prompt() -> None:
    jobs = [ran(500, 0, "primer", "a"), ran(2000, 1900, "follower", "a"), ran(2000, 0, "follower", "a")]
    assert Savings.of(jobs).totals.best_cached_tokens == 1900 + 500


@pytest.mark.parametrize("told", ["skipped", "unreported"])
def test_who_need_not_evaluate_the_prefix_again_is_not_taken_to_have_done_so(told: str) -> None:
    warm = ran(None, None, "primer", "a", status="skipped", usage=None, attempts=())
    silent = ran(None, None, "primer", "a")
    first = warm if told == "skipped" else silent
    totals = Savings.of([first, ran(1000, 900, "follower", "a"), ran(1000, 0, "follower", "a")]).totals
    assert totals.best_cached_tokens == 1800
    assert (totals.jobs, totals.unreported) == ((2, 0) if told == "skipped" else (3, 1))


def test_without_a_primer_the_one_that_found_least_came_first() -> None:
    jobs = [ran(1000, cached, "follower", "a") for cached in (900, 0, 900, 100)]
    assert Savings.of(jobs).totals.best_cached_tokens == 900 + 0 + 900 + 900
    failed = ran(None, None, "primer", "a", status="failed", usage=None)
    assert Savings.of([failed, *jobs]).totals.best_cached_tokens == 2700
    error = ErrorInfo("ValueError", "what it waited for failed", "")
    skipped = ran(None, None, "primer", "a", status="skipped", usage=None, attempts=(), error=error)
    assert Savings.of([skipped, *jobs]).totals.best_cached_tokens == 2700


def test_nothing_is_assumed_of_jobs_that_share_no_primer() -> None:
    alone = [ran(1000, 0), ran(1000, 250)]
    together = [ran(1000, 0, "follower", "a"), ran(1000, 0, "follower", "a")]
    totals = Savings.of([*alone, *together]).totals
    assert (totals.best_cached_tokens, totals.assumed) == (250, 0)


def test_a_job_of_several_calls_could_have_found_the_prefix_in_each() -> None:
    jobs = [
        ran(3000, 0, "primer", "a", calls=3),
        ran(1000, 800, "follower", "a"),
        ran(4000, 3900, "follower", "a", calls=4),  # what its own calls shared counts for nobody else
        ran(2000, 0, "follower", "a", calls=2),
    ]
    assert Savings.of(jobs).totals.best_cached_tokens == 2 * 800 + 800 + 3900 + 2 * 800
    agents = [ran(3000, 0, "primer", "a", calls=3), ran(4000, 3200, "follower", "a", calls=4)]
    assert Savings.of(agents).totals.best_cached_tokens == 2 * 800 + 3200


def test_of_two_primers_told_as_of_one_group_either_may_come_first() -> None:
    jobs = [*group(0, 900), *group(300, 900)]
    assert Savings.of(jobs).totals == Savings.of(jobs[::-1]).totals


def test_groups_of_one_name_that_follow_one_another_each_pay_for_their_prefix() -> None:
    first = [ran(1000, 0, "primer", "a", key="a/primer"), ran(1000, 900, "follower", "a", key="a/follower/0")]
    second = [
        ran(1000, 0, "primer", "a", key="a#2/primer"),
        ran(1000, 900, "follower", "a", key="a#2/follower/0"),
    ]
    savings = Savings.of([*first, *second])
    assert savings.groups["a"].best_cached_tokens == savings.groups["a"].cached_tokens == 1800


def test_writing_to_the_cache_costs_what_it_is_said_to() -> None:
    told = Savings.of(group(0, 900, written=0)[1:] + group(0, written=900)[:1], write=1.25).totals
    assert (told.written_tokens, told.cost) == (900, 100 + 1.25 * 900 + 100 + 0.1 * 900)
    assert told.cold_cost == 2 * (100 + 1.25 * 900)
    untold = Savings.of(group(0, 900), write=1.25).totals
    assert untold.model_dump() == told.model_dump()  # what it shares with the others, and did not find
    lost = Savings.of([ran(1000, 0, written=900)], write=1.25).totals
    assert lost.cost_ratio == 1.0


# In money.

PRICES = {"big": Price(input=10.0, output=20.0, cached_input=1.0), "free": Price(0.0, 0.0)}


def in_money(cached: int, model: str | None, money: float | None = None) -> JobResult:
    usage = Usage(1_000_000, cached, None, 100_000, requests=1, money=money, model=model)
    return ran(0, 0, usage=usage)


def test_with_prices_both_costs_are_told_in_money() -> None:
    totals = Savings.of([in_money(0, "big-2025-08-07"), in_money(500_000, "big")], prices=PRICES).totals
    assert (totals.money, totals.cold_money, totals.unpriced) == (12.0 + 7.5, 24.0, 0)
    assert "money 19.5 instead of 24" in str(totals)


def test_a_job_without_a_price_is_counted_and_in_neither_sum() -> None:
    jobs = [in_money(500_000, "big"), in_money(0, "huge", 99.0), in_money(0, None)]
    totals = Savings.of(jobs, prices=PRICES).totals
    assert (totals.money, totals.cold_money, totals.unpriced) == (7.5, 12.0, 2)
    assert "money 7.5 instead of 12 without 2 jobs that have no price" in str(totals)


def test_without_prices_money_is_what_was_reported() -> None:
    totals = Savings.of([in_money(0, "big", 0.5), in_money(0, "big", 0.25)]).totals
    assert (totals.money, totals.cold_money, totals.unpriced) == (0.75, None, 0)
    assert Savings.of([in_money(0, "big")]).totals.money is None


# Missing and bad usage.


def test_jobs_that_did_not_report_are_counted_and_in_no_sum() -> None:
    jobs = [*group(0, 900), ran(500, None), ran(None, None, usage=None), ran(None, 0)]
    totals = Savings.of(jobs).totals
    assert (totals.jobs, totals.unreported, totals.prompt_tokens) == (5, 3, 2000)
    assert str(totals) == (
        "prompt 2,000 tokens: 900 from the cache (45%; best possible 45%), cost 0.59 of a cold fan-out; "
        "of 5 jobs 3 did not report what came from the cache"
    )


@pytest.mark.parametrize(
    "usage",
    [
        Usage(100, 101),
        Usage(100, 60, 50),
        Usage(-5, -10),
        Usage(math.nan, math.nan),  # type: ignore[arg-type]  # from user code without a type checker
        Usage("100", "50"),  # type: ignore[arg-type]
        Usage(),
    ],
    ids=str,
)
def test_numbers_that_cannot_be_are_no_report(usage: Usage) -> None:
    totals = Savings.of([ran(0, 0, usage=usage)]).totals
    assert totals == SavingsTotals(jobs=1, unreported=1)
    assert (totals.hit_ratio, totals.evaluated_tokens, totals.worth_telling) == (None, None, False)
    assert str(totals) == "no job reported what came from the cache"


def test_other_numbers_that_cannot_be_are_unknown() -> None:
    usage = Usage(100, 50, -1, -7, requests=-3, money=math.nan)
    totals = Savings.of([ran(0, 0, usage=usage)]).totals
    assert (totals.cached_tokens, totals.output_tokens, totals.money) == (50, None, None)


def test_who_never_ran_is_not_asked_and_bodies_are_passed_over() -> None:
    error = ErrorInfo("ValueError", "no", "")
    jobs = [
        ran(0, 0, status="skipped", usage=None, attempts=(), error=error),
        ran(0, 0, status="cancelled", usage=None, attempts=()),
        ran(100, 50, "graph"),
        ran(100, 50, "flow"),
    ]
    assert Savings.of(jobs).totals == SavingsTotals()
    assert str(Savings.of(jobs)) == "no job ran"


def test_an_empty_prompt_has_no_ratio() -> None:
    totals = Savings.of([ran(0, 0)]).totals
    assert (totals.hit_ratio, totals.cost_ratio) == (None, None)
    assert str(totals) == "prompt 0 tokens: 0 from the cache"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"read": -0.1}, "savings: read must be a finite number of at least 0, not -0.1"),
        ({"write": math.inf}, "savings: write must be a finite number of at least 0, not inf"),
        ({"min_prefix": -1}, "savings: min_prefix must be a finite number"),
        ({"by": ""}, "savings: by must not be empty"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Savings.of([], **options)


# Groups, lanes and tags.


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


# Where it comes from.


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


# As text.


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
