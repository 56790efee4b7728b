"""How times and amounts are written for people."""

from __future__ import annotations

import pytest

from paceline_integrations.figures import amount, count, duration


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (-1.0, "0 ms"),
        (0.0124, "12 ms"),
        (0.0994, "99 ms"),
        (0.0995, "0.1 s"),
        (59.94, "59.9 s"),
        (59.95, "1 min 00 s"),
        (60.0, "1 min 00 s"),
        (3_599.6, "1 h 00 min"),
        (90_000.0, "1 d 01 h"),
        (86_400_000.0, "1,000 d 00 h"),
    ],
)
def test_a_duration_is_as_exact_as_it_matters(seconds: float, written: str) -> None:
    assert duration(seconds) == written


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (None, "-"),
        (999, "999"),
        (1_000, "1.0k"),
        (99_949, "99.9k"),
        (99_950, "100k"),
        (999_500, "1.00M"),
        (10**10, "10,000.00M"),
    ],
)
def test_an_amount_is_short(number: int | None, written: str) -> None:
    assert amount(number) == written


def test_one_is_not_several() -> None:
    assert [count(1, "job"), count(1_200, "job"), count(2, "query", "queries")] == [
        "1 job",
        "1,200 jobs",
        "2 queries",
    ]
