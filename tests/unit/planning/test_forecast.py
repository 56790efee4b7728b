"""What is recommended and in which words: which order, why not to prime, what then decides the time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paceline import Limits, Price, Provider, load_providers
from paceline_integrations.planning import Forecast, PlannedGroup, PlannedJob, Rates, forecast, recommendation

KNOWN = load_providers()
JOB = PlannedJob(200, 100)


def group(jobs: int, prefix: int = 5000, *, primed: bool = True, name: str = "g") -> PlannedGroup:
    if primed:
        return PlannedGroup(name, prefix, JOB, (JOB,) * (jobs - 1))
    return PlannedGroup(name, prefix, None, (JOB,) * jobs)


def planned(
    *groups: PlannedGroup, provider: str = "anthropic", slots: int = 50, limits: Limits | None = None
) -> Forecast:
    return forecast(groups, KNOWN[provider], slots=slots, limits=limits)


def test_a_shared_cache_wants_followers_at_the_first_token() -> None:
    plan = planned(*(group(10, name=f"g{n}") for n in range(5)))
    assert plan.recommended == "on_first_token"
    assert plan.unpaid == ()
    told = recommendation(plan)
    assert told.startswith(
        "Start followers on their primer's first token (--release first_token, the default)"
    )
    assert "costs 80% less than everything at once" in told
    assert told.count(".") == told.rstrip(".").count(".") + 1  # one sentence


def test_a_prefix_below_the_smallest_is_told_and_not_primed() -> None:
    plan = planned(group(10, prefix=400), group(5, prefix=300), provider="anthropic")
    (why,) = plan.unpaid
    assert (why.reason, why.groups, why.jobs) == ("short prefix", 2, 15)
    assert why.why == "their prefixes have at most 400 tokens, and anthropic caches none below 512"
    assert plan.recommended == "at_once"
    assert "priming does not pay, their prefixes have at most 400 tokens" in recommendation(plan)


def test_too_few_followers_are_told_and_not_cached() -> None:
    plan = planned(group(2), group(2), provider="anthropic-1h")
    (why,) = plan.unpaid
    assert (why.reason, why.groups) == ("few jobs", 2)
    assert why.why == "fewer than 3 jobs do not earn back what writing the prefix costs"
    assert plan.recommended == "no_cache"
    assert recommendation(plan).startswith("Do not cache these prefixes: that costs 49% less")


def test_a_job_by_itself_has_nobody_to_share_with() -> None:
    plan = planned(group(1), group(1))
    assert [each.why for each in plan.unpaid] == ["a single job has nobody to share its prefix with"]
    assert plan.recommended == "at_once"


def test_prompts_that_do_not_begin_alike_are_told() -> None:
    assert [each.reason for each in planned(group(9, prefix=0)).unpaid] == ["nothing shared"]


def test_only_the_groups_that_do_not_pay_are_told() -> None:
    plan = planned(group(20), group(5, prefix=100), group(1))
    assert {each.reason: each.jobs for each in plan.unpaid} == {"short prefix": 5, "few jobs": 1}
    assert plan.recommended == "on_first_token"


def test_a_provider_without_a_cache_gets_everything_at_once() -> None:
    plan = forecast([group(10)], Provider("plain", cache="none"))
    assert plan.recommended == "at_once"
    assert "priming does not pay, plain has no prefix cache" in recommendation(plan)


def test_a_read_that_costs_as_much_as_plain_input_does_not_pay() -> None:
    plan = forecast([group(10)], Provider("dear", read=1.0))
    assert [each.why for each in plan.unpaid] == ["dear charges as much for cached input as for plain input"]


def test_groups_without_a_primer_are_counted_where_one_would_help() -> None:
    plan = planned(group(5, primed=False), group(5, primed=False, prefix=10), group(1, primed=False))
    assert plan.unprimed == 1
    assert plan.primer_pays
    told = recommendation(plan)
    assert told.startswith(
        "Give each group a primer, its first follower will do: that costs 52% less and takes"
    )


def test_a_primer_that_would_save_nothing_is_not_asked_for() -> None:
    plan = planned(group(5, primed=False), provider="vllm", slots=1)
    assert (plan.unprimed, plan.primer_pays) == (1, False)
    assert "none of the groups that share a prefix has a primer" in recommendation(plan)


def test_one_slot_needs_no_order() -> None:
    plan = planned(group(10), provider="vllm", slots=1)
    assert plan.recommended == "at_once"
    assert "so few jobs run side by side" in recommendation(plan)


def test_a_cache_per_slot_wants_one_job_of_a_group_at_a_time() -> None:
    plan = planned(*(group(6, name=f"g{n}") for n in range(8)), provider="llama.cpp", slots=4)
    assert recommendation(plan).startswith("Run one job of a group at a time (--in-flight auto)")


def test_the_sentence_says_what_decides_the_time() -> None:
    groups = [group(10, name=f"g{n}") for n in range(5)]
    assert recommendation(planned(*groups, slots=2)).endswith("; more slots would make it faster.")
    limits = Limits(requests_per_minute=10, burst=0.1)
    assert recommendation(planned(*groups, limits=limits)).endswith(
        "; the limit of requests a minute decides how long it takes."
    )


def test_a_price_decides_where_there_is_one() -> None:
    """Of 5,000 dear answer tokens the prompt is next to nothing: then what is faster is better."""
    job = PlannedJob(100, 5000)
    groups = [PlannedGroup("a", 2000, job, (job,) * 9)]
    assert forecast(groups, KNOWN["openai"], slots=50).recommended == "on_first_token"
    priced = forecast(
        groups, KNOWN["openai"], slots=50, price=Price(input=0.1, output=100.0), rates=Rates(prefill=100)
    )
    assert priced.recommended == "at_once"
    assert "priming saves less than 2 % of the cost" in recommendation(priced)


def test_a_write_price_above_that_of_input_lets_no_cache_be_compared() -> None:
    free = replace(KNOWN["openai"], write=1.0)
    assert forecast([group(2)], free).without_cache is None
    dear = Price(input=1.0, output=1.0, cache_write=2.0)
    assert forecast([group(2)], free, price=dear).without_cache is not None


@pytest.mark.parametrize("slots", [0, -3])
def test_there_is_at_least_one_slot(slots: int) -> None:
    with pytest.raises(ValueError, match=f"slots must be at least 1, not {slots}"):
        forecast([group(2)], KNOWN["vllm"], slots=slots)


def test_there_is_something_to_plan() -> None:
    with pytest.raises(ValueError, match="give at least one group"):
        forecast([], KNOWN["vllm"])


def test_what_cannot_be_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="at least 0 tokens"):
        PlannedJob(-1, 0)
    with pytest.raises(ValueError, match="group 'a' has no jobs"):
        PlannedGroup("a", 0, None)
    with pytest.raises(ValueError, match="group 'a': a prefix has at least 0 tokens, not -1"):
        PlannedGroup("a", -1, JOB)
    with pytest.raises(ValueError, match="Rates: decode must be a finite number of at least 0, not -1"):
        Rates(decode=-1)


def test_an_order_that_was_not_compared_is_told() -> None:
    with pytest.raises(LookupError, match="'one_at_a_time' was not compared at vllm"):
        planned(group(3), provider="vllm").prediction("one_at_a_time")
