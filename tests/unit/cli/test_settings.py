"""Settings: by flag, then by environment variable, each mistake in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paceline import Budget, Lane, Limits
from paceline_integrations.cli._errors import CommandError
from paceline_integrations.cli.admission import NamedLimits
from paceline_integrations.cli.settings import RunSettings, read_settings


def read(**flags: Any) -> RunSettings:
    return read_settings(RunSettings, {"executor": "m:f", **flags})


def test_a_flag_comes_before_the_environment_and_that_before_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read(slots=None).slots == 8
    monkeypatch.setenv("PACELINE_SLOTS", "3")
    assert read(slots=None).slots == 3
    assert read(slots="5").slots == 5


def test_every_option_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "EXECUTOR": "a.b:c",
        "OUT": "r.jsonl",
        "EVENTS": "e.jsonl",
        "EVENTS_CONTENT": "snippet",
        "ANSWERS": "a.jsonl",
        "QUESTIONS": "q.jsonl",
        "LANE": "batch=1, chat = 2.5",
        "SLOTS": "2",
        "LIMITS": "requests=3,burst=0.5; gpt-5:tokens=9,cached=exempt",
        "BUDGET": "tokens=1e6,on=fail;money=5,name=hourly",
        "PROVIDER": "anthropic",
        "PROVIDERS": "facts.toml",
        "PRICES": "prices.toml",
        "RELEASE": "complete",
        "SETTLE": "0.5",
        "IN_FLIGHT": "4",
        "TTL": "60",
        "MISS_HOLD": "2",
        "RETRIES": "6",
        "SAVINGS_BY": "tenant",
        "OVERWRITE": "1",
        "TUI": "1",
        "JSON": "true",
        "LOG_LEVEL": "INFO",
        "LOG_JSON": "yes",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"PACELINE_{name}", value)
    assert dict(read_settings(RunSettings, {})) == {
        "executor": "a.b:c",
        "out": Path("r.jsonl"),
        "events": Path("e.jsonl"),
        "events_content": "snippet",
        "answers": Path("a.jsonl"),
        "questions": Path("q.jsonl"),
        "lane": (Lane("batch", 1.0), Lane("chat", 2.5)),
        "slots": 2,
        "limits": (
            NamedLimits(None, Limits(requests_per_minute=3, burst=0.5), says_cached=False),
            NamedLimits("gpt-5", Limits(tokens_per_minute=9, cached_tokens_count=False), says_cached=True),
        ),
        "budget": (Budget(tokens=1e6, on_exhausted="fail"), Budget(money=5, name="hourly")),
        "provider": "anthropic",
        "providers": Path("facts.toml"),
        "prices": Path("prices.toml"),
        "release": "complete",
        "settle": 0.5,
        "in_flight": 4,
        "ttl": 60.0,
        "miss_hold": 2.0,
        "retries": 6,
        "savings_by": "tenant",
        "overwrite": True,
        "tui": True,
        "json_report": True,
        "log_level": "info",
        "log_json": True,
    }


def test_lanes_are_names_and_weights() -> None:
    assert read(lane=["a=2", "b=c=0.5"]).lane == (Lane("a", 2.0), Lane("b=c", 0.5))


def test_an_empty_variable_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACELINE_OUT", "")
    assert read().out is None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"executor": None}, "--executor is missing (or set PACELINE_EXECUTOR)"),
        ({"executor": "jobs"}, "--executor: expected module:attribute, not 'jobs'"),
        ({"lane": ["batch"]}, "--lane: expected NAME=WEIGHT, such as batch=1, not 'batch'"),
        ({"lane": ["batch=fast"]}, "--lane: the weight of lane 'batch' must be a number, not 'fast'"),
        ({"lane": ["a=1", "a=2"]}, "--lane: lane 'a' is named twice"),
        ({"slots": "0"}, "--slots: must be greater than or equal to 1, not '0'"),
        ({"limits": ["tokens"]}, "--limits: expected pairs such as requests=300,tokens=60000, not 'tokens'"),
        ({"limits": [""]}, "--limits: expected pairs such as requests=300,tokens=60000, not ''"),
        (
            {"limits": ["a:tokens=1", "a:requests=1"]},
            "--limits: 'a' is limited twice: put all pairs in one",
        ),
        (
            {"limits": ["tokens=1", "requests=1"]},
            "--limits: the executor is limited twice: put all pairs in one",
        ),
        (
            {"budget": ["tokens=0"]},
            "--budget: budget 'budget': tokens must be a finite number above 0, not 0.0",
        ),
        (
            {"budget": ["tokens=9", "money=5"]},
            "--budget: two are named 'budget': give each a name of its own, name=...",
        ),
        (
            {"in_flight": "-1"},
            "--in-flight: expected a whole number (0: no cap) or auto, not '-1'",
        ),
        ({"ttl": "-1"}, "--ttl: must be greater than or equal to 0, not '-1'"),
        ({"settle": "soon"}, "--settle: must be a valid number, not 'soon'"),
        ({"miss_hold": "inf"}, "--miss-hold: must be a finite number, not 'inf'"),
        ({"slots": "many"}, "--slots: must be a valid integer, not 'many'"),
        ({"retries": "-1"}, "--retries: must be greater than or equal to 0, not '-1'"),
        ({"release": "never"}, "--release: must be 'first_token' or 'complete', not 'never'"),
        (
            {"log_level": "loud"},
            "--log-level: must be 'debug', 'info', 'warning', 'error' or 'critical', not 'loud'",
        ),
    ],
)
def test_a_wrong_flag_is_one_line(flags: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandError) as caught:
        read(**flags)
    assert caught.value.lines == (said,)


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf"])
def test_a_weight_is_positive_and_finite(weight: str) -> None:
    with pytest.raises(CommandError, match=r"--lane: lane 'a': weight must be"):
        read(lane=[f"a={weight}"])


def test_a_wrong_variable_is_told_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACELINE_IN_FLIGHT", "lots")
    with pytest.raises(CommandError) as caught:
        read()
    said = "PACELINE_IN_FLIGHT: expected a whole number (0: no cap) or auto, not 'lots'"
    assert caught.value.lines == (said,)
