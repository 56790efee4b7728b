"""`paceline run` with limits and budgets, against the simulator: what waits, what ends, what is told."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from paceline import RunReport
from paceline_integrations.simulator import Simulator, SimulatorSettings, SimulatorStats

from .conftest import Call, Ended, Write, rows

CHAT = """
import os
import httpx
from paceline import Cost, Usage, classify_http

class Chat:
    resources = ("gpt-5",)

    def estimate(self, job):
        return Cost(input_tokens=len(str(job.payload).split()), output_tokens=4)

    def classify(self, error):
        return classify_http(error.response.status_code, error.response.headers)

    async def execute(self, job, ctx):
        body = {
            "model": "gpt-5",
            "max_tokens": 4,
            "messages": [{"role": "user", "content": "{document} {ask}".format(**job.payload)}],
        }
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            answer = await client.post(os.environ["SIMULATOR"] + "/chat/completions", json=body)
        ctx.rate_limits(answer.headers)
        answer.raise_for_status()
        used = answer.json()["usage"]
        cached = used["prompt_tokens_details"]["cached_tokens"]
        ctx.usage(Usage(used["prompt_tokens"], cached, output_tokens=4, model="gpt-5"))
        return "answer"

chain = Chat()
"""
PRICES = "[gpt-5]\ninput = 10\noutput = 0\ncached_input = 1\n"


def group(name: str, followers: int, **more: Any) -> dict[str, Any]:
    document = f"{name} " + "the tide comes in and the tide goes out " * 8
    payloads = [{"document": document, "ask": f"question {n}"} for n in range(followers + 1)]
    return {"group": name, "primer": payloads[0], "followers": payloads[1:], **more}


class Session:
    """The command line, and a provider to talk to."""

    def __init__(self, paceline: Call, monkeypatch: pytest.MonkeyPatch) -> None:
        self._paceline = paceline
        self._monkeypatch = monkeypatch

    def run(self, *options: str, **server: Any) -> tuple[Ended, SimulatorStats]:
        with Simulator(SimulatorSettings(**server)) as simulator:
            self._monkeypatch.setenv("SIMULATOR", simulator.base_url)
            ended = self._paceline(
                "run", "groups.jsonl", "--executor", "chat:chain", "--out", "r.jsonl", "--overwrite", *options
            )
            return ended, simulator.stats()


@pytest.fixture
def session(paceline: Call, monkeypatch: pytest.MonkeyPatch) -> Session:
    Path("chat.py").write_text(CHAT)
    Path("prices.toml").write_text(PRICES)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delitem(sys.modules, "chat", raising=False)
    return Session(paceline, monkeypatch)


def statuses() -> Counter[str]:
    return Counter(row["status"] for row in rows("r.jsonl"))


def test_jobs_wait_so_that_the_provider_refuses_none(session: Session, write: Write) -> None:
    write([group(f"g{n}", 5) for n in range(4)])
    ended, stats = session.run("--limits", "requests=1080,burst=0.004", rpm=1200, burst=0.005)
    assert ended.code == 0
    assert (stats.requests, stats.rejected) == (24, 0)
    held = re.search(r"^held for ([\d.]+) s of ([\d.]+) s: (.*)$", ended.out, re.MULTILINE)
    assert held is not None
    assert held[3] == "waits for its limit, gpt-5: requests per minute"
    assert 0.5 < float(held[1]) <= float(held[2])


def test_without_limits_what_the_provider_asks_for_is_waited_for(session: Session, write: Write) -> None:
    write([group(f"g{n}", 5) for n in range(4)])
    ended, stats = session.run("--retries", "9", rpm=1200, burst=0.005)
    assert ended.code == 0
    assert 0 < stats.rejected < 12, "what it says of its limits is kept from then on"


def test_tokens_that_are_cached_count_as_the_provider_counts_them(session: Session, write: Write) -> None:
    write([group("g0", 10)])

    def seconds(provider: str) -> float:
        limits = "input=18000,burst=0.0167"  # the prompts have some 900 tokens, of which 300 may go at once
        ended, _ = session.run("--limits", limits, "--settle", "0", "--provider", provider)
        found = re.search(r"^11 done, 0 failed in ([\d.]+) (m?s)", ended.out, re.MULTILINE)
        assert found is not None
        return float(found[1]) / (1000 if found[2] == "ms" else 1)

    assert seconds("openai") > 1.5
    assert seconds("anthropic") < 1.0, "what is read from the cache is exempt there"


def test_a_cache_per_slot_is_read_by_one_job_of_a_group_at_a_time(session: Session, write: Write) -> None:
    write([group(f"g{n}", 6) for n in range(2)])
    server = {"cache": "slot", "slots": 4, "decode_rate": 200}
    _, side_by_side = session.run("--slots", "4", **server)
    ended, one_by_one = session.run("--slots", "4", "--provider", "llama.cpp", **server)
    assert ended.code == 0
    assert one_by_one.evaluated_tokens < 0.7 * side_by_side.evaluated_tokens


def test_savings_are_told_by_the_providers_prices_and_in_money(session: Session, write: Write) -> None:
    write([group("g0", 4)])
    ended, stats = session.run("--provider", "simulator", "--prices", "prices.toml")
    assert "a token read from the cache counts 0, written 1" in ended.out
    money = (stats.evaluated_tokens * 10 + stats.cached_tokens) / 1e6
    assert f"money {money:,.4g} instead of {stats.prompt_tokens / 1e5:,.4g}" in " ".join(ended.out.split())


def test_money_is_spent_up_to_the_budget_and_the_rest_is_not_run(session: Session, write: Write) -> None:
    write([group(f"g{n}", 5) for n in range(4)])
    ended, stats = session.run("--budget", "money=0.004", "--prices", "prices.toml", "--slots", "2")
    assert ended.code == 1
    found = re.search(r"^budget: ([\d.]+) of 0.004 spent, ([\d.]+) left$", ended.out, re.MULTILINE)
    assert found is not None
    assert float(found[1]) + float(found[2]) == pytest.approx(0.004)
    paid = (stats.evaluated_tokens * 10 + stats.cached_tokens) / 1e6
    assert float(found[1]) == pytest.approx(paid, rel=0.01)
    assert 0 < stats.requests < 24
    assert statuses()["succeeded"] == stats.requests


BOOK = [group(f"g{n}", 4, metadata={"tenant": "xy"[n % 2]}) for n in range(6)]


@pytest.mark.parametrize(
    ("on", "found"),
    [
        ("pause", {"succeeded": 9, "cancelled": 15, "skipped": 6}),
        ("fail", {"succeeded": 9, "failed": 15, "skipped": 6}),
    ],
)
def test_a_spent_budget_ends_what_is_left(
    paceline: Call, write: Write, on: str, found: dict[str, int]
) -> None:
    write(BOOK)
    budget = f"tokens=1000,on={on}"
    ended = paceline(
        "run",
        "groups.jsonl",
        "--executor",
        "jobs:echo",
        "--out",
        "r.jsonl",
        "--budget",
        budget,
        "--slots",
        "1",
    )
    assert ended.code == 1
    assert sum(statuses().values()) == 30
    assert set(statuses()) <= set(found)
    assert statuses()["succeeded"] <= 1000 // 107
    assert "budget: " in ended.out
    assert ended.out.count("of the budget of the engine (tokens)") <= 3, "one of a kind stands for all"


def test_a_budget_that_is_spent_early_does_not_hold_up_a_long_file(
    paceline: Call, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paceline_integrations.cli.runner._JOBS_AT_HAND", 20)
    write([group(f"g{n}", 4, metadata={"tenant": "x" if n < 200 else "y"}) for n in range(220)])
    budget = "tokens=11000,by=tenant"
    ended = paceline("run", "groups.jsonl", "--executor", "jobs:echo", "--out", "r.jsonl", "--budget", budget)
    assert ended.code == 1
    found = rows("r.jsonl")
    assert len(found) == 1100
    assert all(row["status"] == "succeeded" for row in found[1000:]), "the jobs of y, at its end"
    assert not all(row["status"] == "succeeded" for row in found[:1000])


def test_a_budget_that_ends_the_run_leaves_the_rest(
    paceline: Call, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paceline_integrations.cli.runner._JOBS_AT_HAND", 20)  # the file is longer than that
    write([group(f"g{n}", 4) for n in range(200)])
    ended = paceline(
        "run",
        "groups.jsonl",
        "--executor",
        "jobs:echo",
        "--out",
        "r.jsonl",
        "--budget",
        "tokens=2000,on=cancel_run",
    )
    assert ended.code == 1
    assert "the run is over: the budget of the engine (tokens) is exhausted" in " ".join(ended.out.split())
    assert " not finished in " in ended.out


def test_a_budget_of_each_tag_holds_back_only_its_own(paceline: Call, write: Write) -> None:
    write([{**each, "followers": each["followers"] * (1 + 30 * (n % 2))} for n, each in enumerate(BOOK)])
    ended = paceline(
        "run", "groups.jsonl", "--executor", "jobs:echo", "--out", "r.jsonl",
        "--budget", "tokens=4000,by=tenant,name=daily",
    )  # fmt: skip
    assert ended.code == 1
    done = Counter("xy"[int(row["group"][1:]) % 2] for row in rows("r.jsonl") if row["status"] == "succeeded")
    assert done["x"] == 15
    # Its jobs use somewhat more than is expected of their payloads.
    assert 0 < done["y"] <= 4000 // 107 + 8
    assert "daily of tenant x: 1,605 of 4,000 tokens spent, 2,395 left" in ended.out
    assert "daily of tenant y: " in ended.out


def test_a_budget_of_a_period_is_waited_for(paceline: Call, write: Write) -> None:
    write([group("g", 5)])
    ended = paceline(
        "run",
        "groups.jsonl",
        "--executor",
        "jobs:echo",
        "--out",
        "r.jsonl",
        "--budget",
        "tokens=400,period=0.3",
    )
    assert ended.code == 0
    assert "in this period of 0.3 s" in ended.out


def test_the_report_as_json_stands_alone(paceline: Call, write: Write) -> None:
    write(BOOK)
    ended = paceline(
        "run", "groups.jsonl", "--executor", "jobs:echo", "--json", "--budget", "tokens=1000", "--slots", "1"
    )
    assert ended.code == 1
    assert RunReport.model_validate_json(ended.out).totals.cancelled > 0
    assert " of 1,000 tokens spent, " in ended.err


def test_a_job_that_a_limit_never_lets_through_fails_at_once(paceline: Call, write: Write) -> None:
    write([group("g", 0)])
    ended = paceline(
        "run", "groups.jsonl", "--executor", "jobs:counting", "--out", "r.jsonl", "--limits", "input=10"
    )
    assert ended.code == 1
    assert "paceline.LimitExceeded: it needs " in ended.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--limits", "requests=0"], "--limits: Limits: requests_per_minute must be a finite number above 0"),
        (["--limits", "rpm=3"], "--limits: unknown word 'rpm'; known: concurrency, requests, "),
        (
            ["--limits", "gpt-6:requests=3"],
            "--limits: the executor does not use 'gpt-6': name one of gpt-5, ",
        ),
        (["--budget", "tokens=-1"], "--budget: budget 'budget': tokens must be a finite number above 0"),
        (["--budget", "on=fail"], "--budget: budget 'budget': say how many tokens or how much money"),
        (["--budget", "money=1"], "--budget: money needs --prices FILE"),
        (["--provider", "opnai"], "--provider: there is no provider named 'opnai'; known: 'anthropic', "),
        (["--providers", "none.toml", "--provider", "x"], "--providers: none.toml: cannot be read: "),
        (["--prices", "none.toml"], "--prices: none.toml: cannot be read: "),
        (["--in-flight", "some"], "--in-flight: expected a whole number (0: no cap) or auto, not 'some'"),
        (["--ttl", "-3"], "--ttl: must be greater than or equal to 0, not '-3'"),
        (["--budget", "tokens=1,by=tenant"], "groups.jsonl:1: metadata: 'tenant' must be a text or a number"),
    ],
)
@pytest.mark.usefixtures("session")
def test_mistakes_are_told_in_a_line_and_nothing_is_run(
    paceline: Call, write: Write, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    monkeypatch.setenv("SIMULATOR", "http://127.0.0.1:9/v1")
    write([group("g", 1, metadata={"tenant": ["x"]})])
    ended = paceline("run", "groups.jsonl", "--executor", "chat:chain", "--out", "r.jsonl", *options)
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert line.startswith(f"paceline: {said}")
    assert not Path("r.jsonl").exists()
