"""`paceline plan`: a file of groups, and what it would cost; mistakes in a line."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Call, Write

DOCUMENT = "A sentence of a contract. " * 400
QUESTIONS = [f"Question {n}?" for n in range(9)]


def group(name: str, document: str, questions: list[str]) -> dict[str, Any]:
    return {
        "group": name,
        "primer": {"document": document, "question": "Read it."},
        "followers": [{"document": document, "question": question} for question in questions],
    }


@pytest.fixture
def groups(write: Write) -> str:
    """Three groups of ten jobs whose documents differ from the first word on."""
    return str(write([group(f"g{n}", f"{n} {DOCUMENT}", QUESTIONS) for n in range(3)]))


def test_a_plan_compares_the_orders_and_recommends_one(paceline: Call, groups: str) -> None:
    ended = paceline("plan", groups, "--provider", "anthropic", "--slots", "30")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0].startswith("groups.jsonl: 3 groups, 30 jobs, about 78,")
    heads = next(line for line in lines if "all at once" in line)
    assert heads.split("  ")[-2:] == ["first token", ""]
    assert any(line.startswith("held up by") and "longest chain" in line for line in lines)
    told = " ".join(ended.out.split())
    assert (
        "Start followers on their primer's first token (--release first_token, the default): that costs"
        in told
    )
    assert "Assumed: 4 characters a token, 256 tokens an answer" in told


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("provider", ["anthropic", "llama.cpp"])
def test_a_screen_of_any_width_holds_its_lines(
    paceline: Call, groups: str, monkeypatch: pytest.MonkeyPatch, columns: int, provider: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ended = paceline("plan", groups, "--provider", provider, "--limits", "input=60000")
    assert max(map(len, ended.out.splitlines())) <= columns


def test_every_figure_is_whole_at_80_columns(
    paceline: Call, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    many = str(write([group(f"g{n}", f"{n} {DOCUMENT}" * 300, QUESTIONS) for n in range(5)]))
    assert "…" not in paceline("plan", many, "--provider", "llama.cpp").out


def test_the_json_has_all_of_it(paceline: Call, groups: str) -> None:
    ended = paceline("plan", groups, "--provider", "anthropic", "--slots", "30", "--json")
    found = json.loads(ended.out)
    assert (found["groups"], found["jobs"], found["recommended"]) == (3, 30, "on_first_token")
    at_once, *_, first = found["predictions"]
    assert (at_once["policy"], first["policy"]) == ("at_once", "on_first_token")
    assert first["cost"] / at_once["cost"] == pytest.approx(0.17, abs=0.01)
    assert first["evaluated"] + first["cached"] == found["prompt_tokens"]
    assert first["held_up_by"] == "chain"
    assert found["recommendation"].startswith("Start followers on")


def test_money_is_told_where_there_is_a_price(paceline: Call, groups: str, tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text("[sonnet]\ninput = 3\noutput = 15\n")
    options = ["--provider", "anthropic", "--prices", str(prices), "--model", "sonnet-20250929"]
    assert "money, with output" in paceline("plan", groups, *options).out
    found = json.loads(paceline("plan", groups, *options, "--json").out)
    assert found["price"]["cached_input"] == pytest.approx(0.3)
    best = found["predictions"][-1]
    assert best["money"] == pytest.approx((best["cost"] * 3 + best["output"] * 15) / 1e6)


def test_limits_are_kept_and_the_binding_one_is_named(paceline: Call, groups: str) -> None:
    ended = paceline(
        "plan", groups, "--provider", "openai", "--slots", "30", "--limits", "requests=30,burst=0.1"
    )
    assert "the limit of requests a minute decides how long it takes" in " ".join(ended.out.split())


def test_why_priming_does_not_pay_is_told(paceline: Call, write: Write) -> None:
    path = str(write([group("short", "A line.", QUESTIONS), group("lone", DOCUMENT, [])]))
    told = " ".join(paceline("plan", path, "--provider", "anthropic").out.split())
    assert "1 group (10 jobs): priming does not pay: their prefixes have at most" in told
    assert "1 group (1 job): priming does not pay: a single job has nobody to share" in told


def test_groups_without_a_primer_are_shown_with_one(paceline: Call, write: Write) -> None:
    lines = [
        {"group": f"g{n}", "followers": [f"{n} {DOCUMENT}{each}" for each in QUESTIONS]} for n in range(2)
    ]
    out = paceline("plan", str(write(lines)), "--provider", "anthropic").out
    heads, evaluated = (
        next(line for line in out.splitlines() if word in line) for word in ("first token ", "evaluated")
    )
    assert heads.split("  ")[-2:] == ["with primers", ""]
    assert int(evaluated.split()[-1].replace(",", "")) < int(evaluated.split()[-2].replace(",", "")) / 2
    assert "Give each group a primer" in out


def test_facts_that_were_not_checked_are_told(paceline: Call, groups: str) -> None:
    assert "Not checked of openai: step, ttl." in " ".join(
        paceline("plan", groups, "--provider", "openai").out.split()
    )


def test_providers_of_ones_own_and_settings_of_the_environment_count(
    paceline: Call, groups: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[mine]\ncache = "none"\n')
    monkeypatch.setenv("PACELINE_PROVIDERS", str(own))
    monkeypatch.setenv("PACELINE_PROVIDER", "mine")
    monkeypatch.setenv("PACELINE_LIMITS", "requests=600")
    monkeypatch.setenv("PACELINE_MODEL", "meant-for-the-demo")
    ended = paceline("plan", groups, "--json")
    assert json.loads(ended.out)["limits"]["requests_per_minute"] == 600
    assert "mine has no prefix cache" in json.loads(ended.out)["recommendation"]


def test_groups_come_from_standard_input_too(paceline: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps(group("g", DOCUMENT, QUESTIONS)).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert paceline("plan", "-", "--provider", "vllm").out.startswith("<stdin>: 1 group, 10 jobs")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "--provider is missing (or set PACELINE_PROVIDER): one of anthropic, anthropic-1h, "),
        (
            ["--provider", "antropic"],
            "--provider: there is no provider named 'antropic'; known: 'anthropic', ",
        ),
        (["--provider", "vllm", "--limits", "rpm=3"], "--limits: unknown word 'rpm'; known: concurrency, "),
        (["--provider", "vllm", "--limits", "tokens=0"], "tokens_per_minute must be a finite number above 0"),
        (["--provider", "vllm", "--slots", "0"], "--slots: must be greater than or equal to 1, not '0'"),
        (
            ["--provider", "vllm", "--prefill-rate", "-1"],
            "--prefill-rate: must be greater than or equal to 0",
        ),
        (["--provider", "vllm", "--chars-per-token", "0"], "--chars-per-token: must be greater than 0"),
        (
            ["--provider", "vllm", "--prices", "none.toml"],
            "--prices: none.toml: cannot be read: No such file",
        ),
        (["--provider", "vllm", "--providers", "bad.toml"], "--providers: bad.toml: not TOML: "),
        (
            ["--provider", "vllm", "--prices", "p.json"],
            "--model is missing: say whose price of p.json to take",
        ),
        (
            ["--provider", "vllm", "--prices", "p.json", "--model", "other"],
            "--model: p.json has no price of 'other'; known: 'gpt'",
        ),
        (
            ["--provider", "vllm", "--model", "gpt"],
            "--model gpt: say by --prices FILE where its price stands",
        ),
    ],
)
def test_mistakes_are_told_in_a_line(paceline: Call, groups: str, options: list[str], told: str) -> None:
    Path("bad.toml").write_text("[mine")
    Path("p.json").write_text('{"gpt": {"input": 1, "output": 1}}')
    ended = paceline("plan", groups, *options)
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert told in line


def test_a_wrong_file_of_groups_is_told_as_by_run(paceline: Call, tmp_path: Path) -> None:
    path = tmp_path / "groups.jsonl"
    path.write_text('{"primer": 1}\n')
    ended = paceline("plan", str(path), "--provider", "vllm")
    assert (ended.code, ended.out) == (2, "")
    assert "'group' is missing" in ended.err
