"""The end of a run as a person reads it: what held it, and how its budgets stand."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from paceline import WaitReason
from paceline_integrations.cli.budgets import BudgetState
from paceline_integrations.cli.summary import Held, print_held

LIMIT = WaitReason("limit", "gpt-5: input tokens per minute")


def lines(held: Held, *, whole: float = 60.0, width: int = 80) -> list[str]:
    file = io.StringIO()
    print_held(Console(file=file, width=width), held, whole)
    return file.getvalue().splitlines()


def test_what_held_the_jobs_is_told_if_it_was_long() -> None:
    said = "held for 41.2 s of 1 min 00 s: waits for its limit, gpt-5: input tokens per minute"
    assert lines(Held((LIMIT, 41.2)), width=120) == [said]
    assert " ".join(lines(Held((LIMIT, 41.2)), width=80)).split() == said.split()
    assert lines(Held((LIMIT, 0.5))) == []
    assert lines(Held()) == []


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            BudgetState("budget", "tokens", 1e6, 1870.0, 998130.0),
            "1,870 of 1,000,000 tokens spent, 998,130 left",
        ),
        (BudgetState("budget", "tokens", 1000, 1066.0, -66.0), "1,066 of 1,000 tokens spent, 66 too much"),
        (BudgetState("budget", "money", 5, 1.23456, 3.76544), "1.235 of 5 spent, 3.765 left"),
        (BudgetState("budget", "money", 0.01, 0.0096, 0.0004), "0.0096 of 0.01 spent, 0.0004 left"),
        (BudgetState("budget", "money", 50, 12.345, 37.655), "12.35 of 50 spent, 37.66 left"),
        (
            BudgetState("budget", "tokens", 9, 3.0, 6.0, period=3600.0),
            "3 of 9 tokens spent, 6 left in this period of 1 h 00 min",
        ),
    ],
)
@pytest.mark.parametrize("width", [80, 120])
def test_a_budget_is_one_line(state: BudgetState, said: str, width: int) -> None:
    assert lines(Held(budgets=(state,)), width=width) == [f"budget: {said}"]


def test_of_many_budgets_those_are_told_that_are_nearest_to_their_end() -> None:
    budgets = tuple(
        BudgetState("daily", "tokens", 100, float(spent), 100.0 - spent, "tenant", f"t{spent}")
        for spent in range(20)
    )
    told = lines(Held(budgets=budgets))
    assert told[0] == "daily of tenant t19: 19 of 100 tokens spent, 81 left"
    assert told[-2:] == [
        "daily of tenant t12: 12 of 100 tokens spent, 88 left",
        "and 12 more budgets, of which more is left",
    ]
