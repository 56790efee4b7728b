"""Budgets in money: by the prices of models, or by what the provider says."""

import pytest

from paceline import Budget, Cost, Engine, Limits, Price, Usage
from paceline.testing import VirtualClock

from ._providers import Call, Model, tokens
from ._runs import outcome

PRICES = {"m": Price(input=10.0, output=100.0, cached_input=1.0)}


def test_a_budget_in_money_goes_by_the_prices() -> None:
    """A thousand tokens in and a hundred out are two cents."""
    budget = Budget(money=0.1, on_exhausted="fail")
    statuses, _ = outcome([tokens(1000, 100)] * 20, budget=budget, prices=PRICES)
    assert statuses.count("succeeded") == 5


def test_cached_tokens_are_cheaper() -> None:
    usage = Usage(input_tokens=1000, cached_tokens=1000, output_tokens=0)

    async def main() -> None:
        async with Engine(Model(), budget=Budget(money=1.0), prices=PRICES) as engine:
            await (await engine.submit(Call(Cost(1000, 0), usage)))
            assert engine.budget().spent() == pytest.approx({"money": 0.001})

    VirtualClock().run(main)


def test_what_the_provider_says_of_money_counts_before_any_price() -> None:
    usage = Usage(input_tokens=1000, output_tokens=0, money=0.5)

    async def main() -> None:
        async with Engine(Model(), budget=Budget(money=1.0), prices=PRICES) as engine:
            await (await engine.submit(Call(Cost(1000, 0), usage)))
            assert engine.budget().spent() == {"money": 0.5}

    VirtualClock().run(main)


def test_a_model_that_only_the_job_names_has_its_price_too() -> None:
    async def main() -> None:
        limits = {"gpt": Limits(concurrency=9)}
        prices = {"gpt": Price(input=10.0, output=100.0)}
        async with Engine(Model("key"), limits=limits, budget=Budget(money=1.0), prices=prices) as engine:
            await (await engine.submit(tokens(1000, 100), resources="gpt"))
            assert engine.budget().spent() == pytest.approx({"money": 0.02})

    VirtualClock().run(main)


def test_tokens_and_money_of_one_budget_both_hold() -> None:
    budget = Budget(tokens=5500, money=1.0, on_exhausted="fail")
    statuses, _ = outcome([tokens(1000, 100)] * 20, budget=budget, prices=PRICES)
    assert statuses.count("succeeded") == 5
    budget = Budget(tokens=55000, money=0.04, on_exhausted="fail")
    statuses, _ = outcome([tokens(1000, 100)] * 20, budget=budget, prices=PRICES)
    assert statuses.count("succeeded") == 2
