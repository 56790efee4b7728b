"""--limits and --budget as values of core."""

from __future__ import annotations

import pytest

from paceline import Budget, Limits
from paceline_integrations.cli.admission import NamedLimits, parse_budget, parse_limits, parse_named_limits


def test_limits_are_read_from_pairs() -> None:
    text = "concurrency=8, requests=300, tokens=60_000, input=5e4, output=1e4, burst=0.5, cached=exempt"
    assert parse_limits(text) == Limits(
        concurrency=8,
        requests_per_minute=300,
        tokens_per_minute=60_000,
        input_tokens_per_minute=50_000,
        output_tokens_per_minute=10_000,
        burst=0.5,
        cached_tokens_count=False,
    )
    assert parse_limits("cached=count,requests=1") == Limits(requests_per_minute=1)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("requests=3", None),
        ("gpt-5:requests=3", "gpt-5"),
        ("gemma3:27b: requests=3", "gemma3:27b"),
        ("vendor/model-1.5:requests=3", "vendor/model-1.5"),
        ("*:requests=3", "*"),
    ],
)
def test_limits_may_say_of_what_they_are(text: str, name: str | None) -> None:
    assert parse_named_limits(text) == NamedLimits(name, Limits(requests_per_minute=3), says_cached=False)


def test_whether_limits_say_how_cached_tokens_count_is_known() -> None:
    assert parse_named_limits("input=3,cached=count").says_cached
    assert not parse_named_limits("input=3,burst=2").says_cached


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (":requests=3", "expected a name before the colon, such as gpt-5:requests=300,tokens=60000, not "),
        ("gpt-5:", "expected pairs such as requests=300,tokens=60000, not "),
        ("gpt-5:rpm=3", "unknown word 'rpm'; known: concurrency, "),
        ("burst=2,cached=exempt", "'burst=2,cached=exempt' limits nothing: add what is limited, such as "),
        ("requests=1,o3:tokens=2", "unknown word 'o3:tokens'; known: "),
    ],
)
def test_wrong_named_limits_are_told_in_a_line(text: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared
        parse_named_limits(text)
    assert str(caught.value).startswith(told)


def test_a_budget_is_read_from_pairs() -> None:
    assert parse_budget("tokens=1e6,on=pause") == Budget(tokens=1e6)
    assert parse_budget("money=5,on=fail,period=3600,by=tenant,name=hourly") == Budget(
        money=5, on_exhausted="fail", period=3600, by="tenant", name="hourly"
    )
    assert parse_budget("money=0.5,on=cancel_run").on_exhausted == "cancel_run"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected pairs such as requests=300,tokens=60000, not ''"),
        ("300", "expected pairs such as requests=300,tokens=60000, not '300'"),
        ("requests=", "expected pairs such as requests=300,tokens=60000, not 'requests='"),
        (
            "rpm=3",
            "unknown word 'rpm'; known: concurrency, requests, tokens, input, output, burst and cached",
        ),
        ("requests=3,requests=4", "requests is given twice"),
        ("requests=many", "requests: expected a number, not 'many'"),
        ("concurrency=1.5", "concurrency: expected a whole number, not '1.5'"),
        ("concurrency=inf", "concurrency: expected a whole number, not 'inf'"),
        ("cached=no", "cached: expected count or exempt, not 'no'"),
        ("requests=0", "Limits: requests_per_minute must be a finite number above 0, not 0.0"),
        ("tokens=-5", "Limits: tokens_per_minute must be a finite number above 0, not -5.0"),
        ("concurrency=0", "Limits: concurrency must be a whole number of at least 1, not 0"),
        ("input=nan", "Limits: input_tokens_per_minute must be a finite number above 0, not nan"),
    ],
)
def test_wrong_limits_are_told_in_a_line(text: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared
        parse_limits(text)
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("euros=5", "unknown word 'euros'; known: tokens, money, period, by, on and name"),
        ("tokens=5,on=stop", "on: expected pause, fail or cancel_run, not 'stop'"),
        ("on=fail", "budget 'budget': say how many tokens or how much money it holds"),
        ("money=0", "budget 'budget': money must be a finite number above 0, not 0.0"),
        ("tokens", "expected pairs such as tokens=1e6,on=pause, not 'tokens'"),
    ],
)
def test_a_wrong_budget_is_told_in_a_line(text: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared
        parse_budget(text)
    assert str(caught.value) == told
