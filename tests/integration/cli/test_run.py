"""`paceline run`, from a file of groups to results and an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from paceline import RetryPolicy, RunReport, read_events

from .conftest import Call, Write, rows

NAMED = {"name": "t", "payload": "title"}
BOOK: list[dict[str, Any]] = [
    {"group": "a", "lane": "batch", "primer": "read", "followers": ["sum up", NAMED]},
    {"group": "b", "followers": ["x"], "metadata": {"page": 3}},
]


def no_delay(policy: RetryPolicy, failures: int, random: Random) -> float:
    return 0.0


def test_results_are_one_line_a_job_in_input_order(paceline: Call, write: Write) -> None:
    write(BOOK)
    ended = paceline("run", "groups.jsonl", "--executor", "jobs:late", "--out", "r.jsonl", "--slots", "1")
    assert ended.code == 0
    found = [(row["group"], row["role"], row["index"], row["name"], row["output"]) for row in rows("r.jsonl")]
    assert found == [
        ("a", "primer", 0, "a/primer", "read"),
        ("a", "follower", 0, "a/follower/0", "sum up"),
        ("a", "follower", 1, "t", "title"),
        ("b", "follower", 0, "b/follower/0", "x"),
    ]
    assert {row["status"] for row in rows("r.jsonl")} == {"succeeded"}


def test_the_summary_tells_counts_tokens_and_shares(paceline: Call, write: Write) -> None:
    write([*BOOK, {"group": "c", "followers": ["fail"]}])
    ended = paceline(
        "run", "groups.jsonl", "--executor", "jobs:echo", "--out", "r.jsonl", "--lane", "batch=3"
    )
    assert ended.code == 1
    assert "failed c/follower/0 ValueError: no such page" in ended.out
    assert "4 done, 1 failed in " in ended.out
    assert "prompt tokens 500 · cached 360 (72%) · evaluated 140 · answered 35 · 5 requests" in ended.out
    lanes = [line.split()[:3] for line in ended.out.splitlines() if len(line.split()) == 5]
    assert sorted(lanes[1:]) == [["batch", "3", "3"], ["default", "1", "2"]]
    assert "prompt 500 tokens: 360 from the cache (72%; best possible 72%), cost 0.35 of a cold fan-out" in (
        " ".join(ended.out.split())
    )
    assert ended.out.splitlines()[-1] == "results in r.jsonl"


def test_the_summary_tells_what_each_group_and_tenant_saved(paceline: Call, write: Write) -> None:
    write(
        [
            {"group": "a", "primer": "read", "followers": ["x", "y"], "metadata": {"tenant": "acme"}},
            {"group": "b", "primer": "read", "followers": ["x"]},
        ]
    )
    ended = paceline(
        "run", "groups.jsonl", "--executor", "jobs:echo", "--out", "r.jsonl", "--savings-by", "tenant"
    )
    told = [line.split() for line in ended.out.splitlines() if line.startswith("  ")]
    rows = {" ".join(words[:-7]): words[-7:] for words in told}
    assert rows["a"] == rows["acme"] == ["3", "300", "180", "120", "60%", "60%", "0.46"]
    assert rows["b"] == rows["no tenant"] == ["2", "200", "90", "110", "45%", "45%", "0.59"]


def test_json_prints_the_report_alone(paceline: Call, write: Write) -> None:
    write(BOOK)
    ended = paceline("run", "groups.jsonl", "--executor", "jobs:echo", "--json")
    report = RunReport.model_validate_json(ended.out)
    assert ended.code == 0
    assert (report.state, report.totals.jobs, report.totals.cached_tokens) == ("succeeded", 4, 270)
    assert report.outputs == {"a/primer": "read", "a/follower/0": "sum up", "t": "title", "b/follower/0": "x"}
    assert report.groups["a"].totals.succeeded == 3
    assert report.lanes["batch"].weight == 1.0


def test_without_a_file_results_go_to_standard_output_and_nothing_else_does(
    paceline: Call, write: Write
) -> None:
    write(BOOK)
    ended = paceline("run", "groups.jsonl", "--executor", "jobs:echo")
    assert sorted(row["name"] for row in ended.rows) == ["a/follower/0", "a/primer", "b/follower/0", "t"]
    assert ended.err.count("working") == 4
    assert "4 done" in ended.err


def test_a_function_may_be_sync(paceline: Call, write: Write) -> None:
    write(BOOK)
    assert [row["output"] for row in paceline("run", "groups.jsonl", "--executor", "jobs:sync").rows]


def test_a_primer_that_fails_leaves_its_followers_skipped_with_its_error(
    paceline: Call, write: Write
) -> None:
    write([{"group": "a", "primer": "fail", "followers": ["x"]}])
    ended = paceline(
        "run", "groups.jsonl", "--executor", "jobs:echo", "--out", "r.jsonl", "--release", "complete"
    )
    assert ended.code == 1
    primer, follower = rows("r.jsonl")
    assert (primer["status"], follower["status"]) == ("failed", "skipped")
    assert follower["error"]["type"] == "ValueError"


def test_a_suspended_job_is_written_with_its_question(paceline: Call, write: Write) -> None:
    write([{"group": "a", "followers": ["ask", "x"]}])
    ended = paceline("run", "groups.jsonl", "--executor", "jobs:echo", "--out", "r.jsonl")
    assert ended.code == 3
    asking, other = rows("r.jsonl")
    assert (asking["status"], asking["questions"][0]["value"]) == ("suspended", "May I?")
    assert asking["key"] == "a/follower/0"
    assert other["status"] == "succeeded"
    assert "suspended a/follower/0 asks: May I?" in ended.out


def test_followers_of_a_primer_that_asks_are_not_waited_for_for_ever(paceline: Call, write: Write) -> None:
    write([{"group": f"g{n}", "primer": "ask", "followers": ["x", "y"]} for n in range(40)])
    ended = paceline(
        "run",
        "groups.jsonl",
        "--executor",
        "jobs:echo",
        "--out",
        "r.jsonl",
        "--slots",
        "1",
        "--release",
        "complete",
    )
    assert ended.code == 3
    found = rows("r.jsonl")
    assert [row["status"] for row in found[:3]] == ["suspended", "cancelled", "cancelled"]
    assert found[1]["error"]["message"] == "the primer of its group waits for an answer"
    assert len(found) == 120


def test_retries_are_further_attempts(paceline: Call, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paceline.RetryPolicy.delay", no_delay)
    write([{"group": "a", "followers": ["x"]}])
    ended = paceline("run", "groups.jsonl", "--executor", "jobs:third_time", "--retries", "2")
    assert ended.code == 0
    (row,) = ended.rows
    assert [attempt["outcome"] for attempt in row["attempts"]] == ["failed", "failed", "succeeded"]


def test_lanes_share_by_weight_however_the_file_is_ordered(
    paceline: Call, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paceline_integrations.cli.runner._JOBS_AT_HAND", 20)  # the file is longer than that
    write([{"group": f"{lane}{n}", "lane": lane, "followers": ["x"]} for lane in "ab" for n in range(200)])
    ended = paceline(
        "run", "groups.jsonl", "--executor", "jobs:echo", "--lane", "b=2", "--slots", "2", "--json"
    )
    tasks = RunReport.model_validate_json(ended.out).tasks.values()
    first = sorted(tasks, key=lambda task: task.started or 0.0)[:90]
    assert sum(task.lane == "b" for task in first) == pytest.approx(60, abs=4)


def test_events_are_logged_on_demand(paceline: Call, write: Write) -> None:
    write(BOOK)
    assert paceline("run", "groups.jsonl", "--executor", "jobs:echo", "--events", "e.jsonl").code == 0
    kinds = [event.type for event in read_events("e.jsonl")]
    assert kinds.count("job.ended") == 4
    assert kinds[0] == "run.started"


def test_logs_are_json_lines_on_standard_error(paceline: Call, write: Write) -> None:
    write(BOOK)
    ended = paceline(
        "run", "groups.jsonl", "--executor", "jobs:echo", "--json", "--log-json", "--log-level", "info"
    )
    logged = [json.loads(line) for line in ended.err.splitlines() if line.startswith("{")]
    assert [line["level"] for line in logged if line["message"].startswith("run.started")] == ["info"]
    assert sum(line["message"].startswith("job.ended") for line in logged) == 4
    RunReport.model_validate_json(ended.out)


def test_settings_come_from_the_environment(
    paceline: Call, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(BOOK)
    monkeypatch.setenv("PACELINE_EXECUTOR", "jobs:echo")
    monkeypatch.setenv("PACELINE_JSON", "1")
    assert RunReport.model_validate_json(paceline("run", "groups.jsonl").out).ok


def test_a_wrong_line_is_told_and_nothing_is_run(paceline: Call, write: Write) -> None:
    path = write(BOOK)
    path.write_text(path.read_text() + '{"group": "c"}\n')
    ended = paceline("run", "groups.jsonl", "--executor", "jobs:echo", "--out", "r.jsonl")
    assert ended.code == 2
    assert (
        ended.err == "paceline: groups.jsonl:3: group 'c' has no jobs: expected a primer, followers or both\n"
    )
    assert ended.out == ""
    assert not Path("r.jsonl").exists()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("absent:f", "cannot import 'absent': No module named 'absent'"),
        ("broken:f", "cannot import 'broken': ZeroDivisionError: division by zero ("),
        ("leaves:f", "cannot import 'leaves': SystemExit: 3 ("),
        ("jobs:ecoh", "has no 'ecoh'; did you mean echo?"),
        ("jobs:late.nothing", "has no 'nothing'"),
        ("jobs:Late", "Late is a class: name an object of it"),
        ("jobs:mistake", "is neither an Executor nor a callable"),
        ("jobs:nothing", "it is to be called with one argument, the payload"),
    ],
)
def test_an_executor_that_cannot_be_used_is_one_clear_line(
    paceline: Call, write: Write, spec: str, said: str
) -> None:
    write(BOOK)
    Path("broken.py").write_text("1 / 0")
    Path("leaves.py").write_text("raise SystemExit(3)")
    ended = paceline("run", "groups.jsonl", "--executor", spec, "--out", "r.jsonl")
    assert ended.code == 2
    (line,) = [line for line in ended.err.splitlines() if line != "imported"]
    assert line.startswith(f"paceline: --executor {spec}: ")
    assert said in line
    assert not Path("r.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "old.jsonl"), "--out old.jsonl: the file exists; give --overwrite to replace it"),
        (("--events", "old.jsonl"), "--events old.jsonl: the file exists; give --overwrite to replace it"),
        (("--out", "groups.jsonl", "--overwrite"), "--out groups.jsonl: that is the file of the groups"),
        (("--out", "x", "--events", "./x"), "--out and --events name the same file, x"),
        (("--out", "no/r.jsonl"), "--out no/r.jsonl: the folder no does not exist"),
        (("--lane", "batch=fast"), "--lane: the weight of lane 'batch' must be a number, not 'fast'"),
        (("--nope",), "No such option: --nope"),
    ],
)
def test_bad_usage_is_one_clear_line(
    paceline: Call, write: Write, arguments: tuple[str, ...], said: str
) -> None:
    before = write(BOOK).read_text()
    Path("old.jsonl").write_text("precious")
    ended = paceline("run", "groups.jsonl", "--executor", "jobs:echo", *arguments)
    assert ended.code == 2
    assert ended.err.startswith(f"paceline: {said}")
    assert ended.err.count("\n") == 1
    assert Path("old.jsonl").read_text() == "precious"
    assert Path("groups.jsonl").read_text() == before


def test_what_exists_is_replaced_on_demand(paceline: Call, write: Write) -> None:
    write(BOOK)
    Path("r.jsonl").write_text("old")
    assert (
        paceline("run", "groups.jsonl", "--executor", "jobs:echo", "--out", "r.jsonl", "--overwrite").code
        == 0
    )
    assert len(rows("r.jsonl")) == 4


def test_the_version_and_the_help_are_told(paceline: Call) -> None:
    assert paceline("--version").out.startswith("paceline ")
    assert all(word in paceline("--help").out for word in ("run", "demo", "simulate"))
    ended = paceline()
    assert (ended.code, ended.err) == (2, "")
