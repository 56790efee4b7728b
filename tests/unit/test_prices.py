"""Prices: money of a usage, tables read from files, editions of models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from paceline import Price, Usage, load_prices, price_of

PRICE = Price(input=2.0, output=8.0, cached_input=0.2, cache_write=2.5)
TOKENS = st.integers(0, 10**9)


def test_each_kind_of_token_costs_its_own_price() -> None:
    usage = Usage(
        input_tokens=1_000_000, cached_tokens=600_000, cache_write_tokens=100_000, output_tokens=500_000
    )
    assert PRICE.money(usage) == pytest.approx(0.3 * 2.0 + 0.6 * 0.2 + 0.1 * 2.5 + 0.5 * 8.0)


def test_a_price_that_is_not_said_is_that_of_plain_input() -> None:
    usage = Usage(input_tokens=1000, cached_tokens=600, cache_write_tokens=100, output_tokens=0)
    assert Price(3.0, 1.0).money(usage) == Price(3.0, 1.0).money(Usage(input_tokens=1000, output_tokens=0))


@pytest.mark.parametrize("usage", [Usage(), Usage(output_tokens=5), Usage(input_tokens=5)])
def test_unknown_tokens_have_no_price(usage: Usage) -> None:
    assert PRICE.money(usage) is None


def test_unknown_output_that_costs_nothing_leaves_nothing_unknown() -> None:
    assert Price(2.0, 0.0).money(Usage(input_tokens=1_000_000)) == 2.0


def test_unknown_cached_tokens_are_taken_for_plain_input() -> None:
    assert PRICE.money(Usage(input_tokens=1_000_000, output_tokens=0)) == 2.0


@given(read=TOKENS, cached=TOKENS, written=TOKENS, output=TOKENS)
def test_no_usage_however_wrong_is_worth_less_than_nothing_or_more_than_all_at_the_dearest(
    read: int, cached: int, written: int, output: int
) -> None:
    usage = Usage(input_tokens=read, cached_tokens=cached, cache_write_tokens=written, output_tokens=output)
    money = PRICE.money(usage)
    assert money is not None
    assert 0 <= money <= (read * 2.5 + output * 8.0) / 1_000_000 * (1 + 1e-9)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["input", "output", "cached_input", "cache_write"])
def test_a_price_is_a_finite_number_of_at_least_0(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"Price: {name} must be a finite number of at least 0"):
        Price(**{"input": 1.0, "output": 1.0, name: value})


TABLE = {"gpt-5": Price(1, 1), "gpt-5-mini": Price(2, 2), "gpt-5-2026-01-01": Price(3, 3), "claude": PRICE}


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gpt-5", 1),
        ("gpt-5-2025-08-07", 1),
        ("gpt-5-2026-01-01", 3),
        ("gpt-5-mini-2025-08-07", 2),
        ("gpt-5-latest", 1),
        ("gpt-5-preview-05-06", 1),
        ("gpt-5-0613", 1),
        ("gpt-5@20250929", 1),
        ("gpt-5-20250514-v1:0", 1),
    ],
)
def test_an_edition_of_a_model_has_its_price(model: str, price: float) -> None:
    found = price_of(TABLE, model)
    assert found is not None
    assert found.input == price


@pytest.mark.parametrize(
    "model", ["gpt-5-pro", "gpt-5.6", "gpt-50", "gpt-5-32k", "gpt-5-1", "gpt", "claude-opus", ""]
)
def test_the_price_of_another_model_is_not_guessed(model: str) -> None:
    assert price_of(TABLE, model) is None


TOML = """
[gpt-5]
input = 1.25
output = 10

["gpt-5.6"]
input = 2
output = 8
cached_input = 0.2
cache_write = 2.5
"""


def test_a_table_is_read_from_toml_or_json(tmp_path: Path) -> None:
    expected = {"gpt-5": Price(1.25, 10), "gpt-5.6": Price(2, 8, 0.2, 2.5)}
    (tmp_path / "prices.toml").write_text(TOML)
    assert load_prices(tmp_path / "prices.toml") == expected
    rows = {
        "gpt-5": {"input": 1.25, "output": 10},
        "gpt-5.6": dict(zip(FIELDS, (2, 8, 0.2, 2.5), strict=True)),
    }
    (tmp_path / "prices.json").write_text(json.dumps(rows))
    assert load_prices(str(tmp_path / "prices.json")) == expected


FIELDS = ("input", "output", "cached_input", "cache_write")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[gpt-5", "not TOML: "),
        ("gpt-5 = 3", "'gpt-5' must be an object, as each key names a model, not 3"),
        ("[gpt-5]\ninput = 1", "'gpt-5': output missing: say what a million tokens cost, 0 if they cost"),
        ("[gpt-5]", "'gpt-5': input and output missing"),
        ("[gpt-5]\ninput = -1\noutput = 1", "'gpt-5': input must be a finite number of at least 0, not -1"),
        ("[gpt-5]\ninput = 'dear'\noutput = 1", "'gpt-5': input must be a finite number"),
        (
            "[gpt-5]\ninputs = 1",
            "'gpt-5': unknown key 'inputs'; known: input, output, cached_input, cache_write",
        ),
        ("[gpt-5.6]\ninput = 1", 'in TOML a name with a dot needs quotes: ["gpt-5.6"]'),
    ],
)
def test_a_wrong_table_is_told_with_file_model_and_remedy(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        load_prices(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)


@pytest.mark.parametrize("content", ["[]", "3", "null"])
def test_json_that_names_no_models_is_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "prices.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="expected an object in which each key names a model"):
        load_prices(path)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_prices(tmp_path / "none.toml")
