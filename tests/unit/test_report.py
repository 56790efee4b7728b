"""RunReport: what became of jobs, for people and for programs."""

from __future__ import annotations

import pytest

from paceline import (
    Attempt,
    Engine,
    ErrorInfo,
    Job,
    JobContext,
    JobResult,
    Lane,
    Question,
    RunReport,
    RunTally,
    Suspend,
    Usage,
)
from paceline.testing import VirtualClock


def result(name: str, **fields: object) -> JobResult:
    given: dict[str, object] = {"id": f"id-{name}", "name": name, "status": "succeeded", **fields}
    return JobResult(**given)  # type: ignore[arg-type]  # fields of its own


class Worker:
    """Fails, asks or answers, as it is told."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        return work(job.payload, ctx)


def work(payload: object, ctx: JobContext) -> object:
    if payload == "fail":
        raise ValueError("no such page")
    if payload == "ask":
        return Suspend("May I?")
    ctx.usage(Usage(input_tokens=100, cached_tokens=80, output_tokens=5))
    return payload


def run_group() -> RunReport:
    async def main() -> RunReport:
        async with Engine(Worker(), lanes=[Lane("batch", 3.0)]) as engine:
            group = await engine.submit_group(
                "book", primer="read", followers=["sum up", "fail", "ask"], lane="batch"
            )
            alone = await engine.submit("alone", name="alone")
            results = [*await group.results(), await alone.wait()]
            return RunReport.of(results, engine.snapshot())

    return VirtualClock().run(main)


def test_a_report_tells_each_job_each_group_and_the_sums() -> None:
    report = run_group()
    assert report.state == "failed"
    assert {name: task.status for name, task in report.tasks.items()} == {
        "book/primer": "succeeded",
        "book/follower/0": "succeeded",
        "book/follower/1": "failed",
        "book/follower/2": "suspended",
        "alone": "succeeded",
    }
    assert report.outputs == {"book/primer": "read", "book/follower/0": "sum up", "alone": "alone"}
    failed = report.tasks["book/follower/1"]
    assert (failed.group, failed.role, failed.index, failed.lane) == ("book", "follower", 1, "batch")
    assert failed.error is not None
    assert (failed.error.type, failed.error.message) == ("ValueError", "no such page")
    assert [question.value for question in report.tasks["book/follower/2"].questions] == ["May I?"]
    totals = report.totals
    assert (totals.jobs, totals.succeeded, totals.failed, totals.suspended) == (5, 3, 1, 1)
    assert (totals.input_tokens, totals.cached_tokens, totals.evaluated_tokens) == (300, 240, 60)
    assert (totals.output_tokens, totals.requests) == (15, 3)
    assert report.groups["book"].status == "failed"
    assert report.groups["book"].totals.jobs == 4


def test_a_lane_is_told_with_its_share_and_its_due() -> None:
    lanes = run_group().lanes
    assert (lanes["batch"].weight, lanes["batch"].jobs, lanes["batch"].due) == (3.0, 4, 0.75)
    assert lanes["batch"].share == pytest.approx(0.8)
    assert sum(lane.share for lane in lanes.values()) == pytest.approx(1.0)


def test_a_report_survives_json() -> None:
    report = run_group()
    text = report.model_dump_json(by_alias=True)
    again = RunReport.model_validate_json(text)
    assert again == report
    assert again.model_dump_json(by_alias=True) == text


def test_outputs_are_the_objects_themselves_and_plain_data_in_json() -> None:
    given = {"when": object(), "share": float("nan"), "tags": {"a"}}
    report = RunReport.of([result("a", output=given)])
    assert report.outputs["a"] is given
    back = RunReport.model_validate_json(report.model_dump_json()).outputs["a"]
    assert back["share"] == "nan"
    assert back["tags"] == ["a"]
    assert back["when"].startswith("<object object")


def test_a_name_that_is_taken_gives_way_to_the_key_and_then_to_the_id() -> None:
    twins = [
        result("title", key="a/follower/0"),
        result("title", key="b/follower/0", id="second"),
        result("title", key="b/follower/0", id="third"),
    ]
    assert list(RunReport.of(twins).tasks) == ["title", "b/follower/0", "third"]


def test_times_span_all_attempts() -> None:
    attempts = (Attempt(1, 10.0, 11.0, "failed"), Attempt(2, 15.0, 17.5, "succeeded"))
    report = RunReport.of([result("a", attempts=attempts), result("b", attempts=(Attempt(1, 9.0, 10.0),))])
    assert (report.tasks["a"].started, report.tasks["a"].ended) == (10.0, 17.5)
    assert (report.started, report.ended, report.totals.seconds) == (9.0, 17.5, 8.5)
    assert report.totals.attempts == 3


def test_unknown_tokens_stay_unknown() -> None:
    totals = RunReport.of([result("a", usage=Usage(output_tokens=3))]).totals
    assert (totals.input_tokens, totals.evaluated_tokens, totals.output_tokens) == (None, None, 3)


def test_nothing_at_all_is_a_success() -> None:
    assert RunReport.of([]).ok


def test_a_printed_report_tells_counts_tokens_lanes_and_troubles() -> None:
    lines = str(run_group()).splitlines()
    assert lines[0].startswith("failed: 3 of 5 jobs succeeded, 1 failed, 1 suspended, in ")
    assert lines[1] == "tokens: 300 read (240 from the cache, 60 evaluated), 15 written, 3 requests"
    assert lines[2].split() == ["lane", "weight", "jobs", "due", "share"]
    assert "batch         3     4  75%    80%" in lines
    assert lines[-2:] == [
        "book/follower/1 failed: ValueError: no such page",
        "book/follower/2 suspended: asks May I?",
    ]


def test_a_printed_report_keeps_each_trouble_on_one_short_line_and_not_too_many() -> None:
    error = ErrorInfo("ValueError", "a\nb " + "x" * 500, "")
    text = str(RunReport.of([result(f"j{n}", status="failed", error=error) for n in range(30)]))
    lines = text.splitlines()
    assert len(lines) == 12
    assert max(map(len, lines)) <= 101
    assert lines[-1] == "… and 20 more"


def test_a_tally_that_keeps_no_tasks_has_the_same_sums() -> None:
    whole, sums = RunTally(), RunTally(keep_tasks=False)
    for each in (result("a", usage=Usage(input_tokens=7)), result("b", status="skipped")):
        whole.add(each)
        sums.add(each)
    assert sums.totals == whole.totals
    assert sums.report().state == whole.report().state == "skipped"
    assert sums.report().tasks == {}


def test_a_question_is_told_with_its_schema() -> None:
    asked = RunReport.of([result("a", status="suspended", questions=(Question("1", "how many?", int),))])
    (question,) = RunReport.model_validate_json(asked.model_dump_json(by_alias=True)).tasks["a"].questions
    assert (question.id, question.value, question.answer_schema) == ("1", "how many?", "<class 'int'>")
