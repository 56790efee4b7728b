"""What settings, facts of a provider and an executor come to: whose word counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paceline import Budget, GroupPolicy, Job, JobContext, Limits
from paceline_integrations.cli._errors import CommandError
from paceline_integrations.cli.settings import RunSettings, read_settings
from paceline_integrations.cli.terms import Terms, terms_of


class Uses:
    """An executor that names what it uses."""

    def __init__(self, *resources: str) -> None:
        self.resources = resources

    async def execute(self, job: Job, ctx: JobContext, /) -> object:
        return job.payload


ONE, TWO, NONE = Uses("gpt-5"), Uses("gpt-5", "o3"), Uses()
PRICES = '{"gpt-5": {"input": 2, "output": 8}}'


def terms(executor: Uses = ONE, **flags: Any) -> Terms:
    return terms_of(read_settings(RunSettings, {"executor": "m:chain", **flags}), executor, "chain")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("prices.json").write_text(PRICES)


def test_without_a_word_nothing_is_limited_and_groups_run_as_they_always_do() -> None:
    found = terms()
    assert (found.limits, found.budgets, found.prices) == ({}, (), {})
    assert found.policy == GroupPolicy()
    assert found.savings == {"by": None}


@pytest.mark.parametrize(
    ("provider", "policy"),
    [
        ("anthropic", GroupPolicy(settle=2.0, ttl=300.0)),
        ("vllm", GroupPolicy()),
        ("llama.cpp", GroupPolicy(in_flight=1)),
    ],
)
def test_a_provider_says_how_groups_run(provider: str, policy: GroupPolicy) -> None:
    assert terms(provider=provider).policy == policy


def test_what_is_said_wins_over_the_provider() -> None:
    said = terms(
        provider="llama.cpp", in_flight="auto", ttl="9", settle="0.5", miss_hold="3", release="complete"
    )
    assert said.policy == GroupPolicy(
        release="complete", settle=0.5, in_flight="auto", ttl=9.0, miss_hold=3.0
    )
    none = terms(provider="anthropic", settle="0", ttl="0")
    assert none.policy == GroupPolicy()
    assert terms(provider="llama.cpp", in_flight="0").policy.in_flight is None


def test_facts_of_ones_own_count() -> None:
    Path("own.toml").write_text('[mine]\ncache = "slot"\nttl = 7\nread = 0.3\n')
    found = terms(provider="mine", providers="own.toml")
    assert found.policy == GroupPolicy(in_flight=1, ttl=7.0)
    assert found.savings.get("read") == 0.3


def test_savings_are_told_by_the_providers_prices() -> None:
    found = terms(provider="anthropic-older", prices="prices.json", savings_by="tenant").savings
    assert {name: found.get(name) for name in ("by", "read", "write", "min_prefix")} == {
        "by": "tenant",
        "read": 0.1,
        "write": 1.25,
        "min_prefix": 4096,
    }
    assert list(found.get("prices") or ()) == ["gpt-5"]


@pytest.mark.parametrize(
    ("executor", "on"), [(ONE, "gpt-5"), (TWO, "chain"), (NONE, "chain")], ids=["one", "two", "none"]
)
def test_limits_without_a_name_are_those_of_the_one_model_or_the_executor(executor: Uses, on: str) -> None:
    assert terms(executor, limits=["requests=3"]).limits == {on: Limits(requests_per_minute=3)}


def test_limits_may_be_of_each_model_the_executor_and_all_jobs() -> None:
    found = terms(TWO, limits=["gpt-5:requests=3", "o3:requests=4", "chain:requests=5", "*:concurrency=6"])
    assert list(found.limits) == ["gpt-5", "o3", "chain", "*"]


def test_cached_tokens_count_as_at_the_provider_unless_it_is_said() -> None:
    def counts(provider: str, text: str) -> bool:
        return terms(provider=provider, limits=[text]).limits["gpt-5"].cached_tokens_count

    assert counts("openai", "input=9")
    assert not counts("anthropic", "input=9")
    assert counts("anthropic", "input=9,cached=count")
    assert not counts("openai", "input=9,cached=exempt")


def test_a_budget_of_money_goes_by_the_prices() -> None:
    found = terms(budget=["money=5"], prices="prices.json")
    assert found.budgets == (Budget(money=5),)
    assert found.prices["gpt-5"].input == 2


@pytest.mark.parametrize(
    ("executor", "flags", "said"),
    [
        (
            ONE,
            {"limits": ["gpt-6:requests=3"]},
            "--limits: the executor does not use 'gpt-6': name one of gpt-5, chain, or * for all jobs",
        ),
        (
            ONE,
            {"limits": ["gpt-5:requests=3", "tokens=5"]},
            "--limits: 'gpt-5' is given twice, with its name and without: put all pairs in one",
        ),
        (ONE, {"provider": "antropic"}, "--provider: there is no provider named 'antropic'; known: "),
        (
            ONE,
            {"provider": "vllm", "providers": "none.toml"},
            "--providers: none.toml: cannot be read: No such file",
        ),
        (ONE, {"prices": "none.json"}, "--prices: none.json: cannot be read: No such file"),
        (
            ONE,
            {"budget": ["money=5"]},
            "--budget: money needs --prices FILE, which says what models cost; or give tokens",
        ),
        (
            TWO,
            {"budget": ["money=5"], "prices": "prices.json"},
            "--budget: money needs a price of 'o3', and prices.json has none; known: 'gpt-5'",
        ),
    ],
)
def test_what_cannot_be_held_is_told_in_a_line(executor: Uses, flags: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandError) as caught:
        terms(executor, **flags)
    (line,) = caught.value.lines
    assert line.startswith(said)
