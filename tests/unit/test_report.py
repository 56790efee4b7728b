"""RunReport: what became of jobs, for people and for programs."""

from __future__ import annotations

import pytest

from paceline import (
    Attempt,
    CriticalPath,
    Edge,
    Engine,
    ErrorInfo,
    Job,
    JobContext,
    JobResult,
    Lane,
    LongestWait,
    Question,
    RunReport,
    RunTally,
    Suspend,
    TaskReport,
    Usage,
)
from paceline._report_parts import NodeTimes
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


def test_a_report_survives_json_under_either_name_of_a_field() -> None:
    report = run_group()
    for by_alias in (True, False):
        text = report.model_dump_json(by_alias=by_alias)
        again = RunReport.model_validate_json(text)
        assert again == report
        assert again.model_dump_json(by_alias=by_alias) == text


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
    assert lines[2] == (
        "savings: 80% of the prompts from the cache (best possible at most 87%), "
        "cost 0.28 of a cold fan-out; of 5 jobs 2 did not report what came from the cache"
    )
    assert lines[3].split() == ["lane", "weight", "jobs", "due", "share"]
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
    error = ErrorInfo("ValueError", "no such page", "")
    for each in (result("a", usage=Usage(input_tokens=7)), result("b", status="skipped", error=error)):
        whole.add(each)
        sums.add(each)
    assert sums.totals == whole.totals
    assert sums.report().state == whole.report().state == "skipped"
    assert (sums.report().tasks, sums.report().critical_path, sums.report().width) == ({}, None, 0)


def test_a_question_is_told_with_its_schema() -> None:
    asked = RunReport.of([result("a", status="suspended", questions=(Question("1", "how many?", int),))])
    (question,) = RunReport.model_validate_json(asked.model_dump_json(by_alias=True)).tasks["a"].questions
    assert (question.id, question.value, question.answer_schema) == ("1", "how many?", "<class 'int'>")


def test_a_task_that_nobody_wanted_is_no_trouble() -> None:
    report = RunReport.of([result("a"), result("b", status="skipped")])
    assert report.ok
    assert str(report) == "succeeded: 1 of 2 jobs succeeded, 1 skipped, in 0.00 s"


def test_a_report_made_without_checks_is_what_one_made_with_checks_is() -> None:
    error = ErrorInfo("ValueError", "no", "")
    task = RunReport.of(
        [
            result(
                "a",
                status="failed",
                error=error,
                attempts=(Attempt(1, 1.0, 2.0, "failed", error),),
                usage=Usage(requests=1),
            )
        ]
    ).tasks["a"]
    checked = TaskReport.model_validate(task.model_dump())
    assert checked == task
    assert checked.model_fields_set == task.model_fields_set == set(TaskReport.model_fields)
    assert task.model_copy(update={"index": 3}).index == 3


def test_followers_wait_for_the_primer_of_their_own_group_whoever_is_told_first() -> None:
    def member(group: str, role: str, start: float, end: float, key: str) -> JobResult:
        return result(key, key=key, group=group, role=role, attempts=(Attempt(1, start, end, "succeeded"),))

    results = [
        member("book", "follower", 3.0, 4.0, "book/follower/0"),
        member("book", "primer", 1.0, 2.0, "book/primer"),
        member("book", "primer", 5.0, 6.0, "book#2/primer"),
        member("book", "follower", 7.0, 9.0, "book#2/follower/0"),
    ]
    report = RunReport.of(results)
    assert {name: task.after for name, task in report.tasks.items()} == {
        "book/follower/0": ("book/primer",),
        "book/primer": (),
        "book#2/primer": (),
        "book#2/follower/0": ("book#2/primer",),
    }
    assert report.critical_path == CriticalPath(tasks=("book#2/primer", "book#2/follower/0"), seconds=4.0)


def test_jobs_of_which_nobody_knows_what_waited_for_what_have_no_critical_path() -> None:
    alone = result("a", attempts=(Attempt(1, 1.0, 3.0, "succeeded"),))
    assert RunReport.of([alone, result("b")]).critical_path is None
    assert RunReport.of([alone]).critical_path == CriticalPath(tasks=("a",), seconds=2.0)
    assert RunReport.of([result("never ran")]).critical_path is None


def ran(tally: RunTally, name: str, start: float | None, end: float | None = None, **fields: object) -> None:
    """Tell a tally of one node of a graph."""
    node = NodeTimes(
        name=name,
        body=fields.pop("body", None),  # type: ignore[arg-type]  # as the tests write them
        after=fields.pop("after", ()),  # type: ignore[arg-type]  # as the tests write them
        accepted=0.0,
        ready=fields.pop("ready", start),  # type: ignore[arg-type]
        waited_for=fields.pop("why", None),  # type: ignore[arg-type]
    )
    attempts = () if start is None else (Attempt(1, start, end, "succeeded"),)
    tally.add(result(f"job of {name}", **{"attempts": attempts, **fields}), node=node)


def run_graph() -> RunReport:
    """Load, then a nested graph and a map side by side, of which one item waits for a slot; then a report."""
    tally = RunTally()
    ran(tally, "load", 0.0, 1.0, usage=Usage(output_tokens=1))
    ran(tally, "inner", 1.0, 3.0, after=("load",), role="graph", usage=Usage(output_tokens=100))
    ran(tally, "inner/clean", 1.0, 2.0, body="inner")
    ran(tally, "inner/rank", 2.0, 3.0, after=("inner/clean",), body="inner")
    ran(tally, "pages", 1.0, 5.0, after=("load",), role="map")
    ran(tally, "pages[0]", 1.0, 2.0, body="pages", usage=Usage(output_tokens=10))
    slow = {"ready": 1.0, "why": "waits for a free slot", "usage": Usage(output_tokens=20)}
    ran(tally, "pages[1]", 2.5, 5.0, body="pages", **slow)
    ran(tally, "nothing", 5.0, 5.0, after=("pages",), role="map")
    ran(tally, "report", 5.0, 6.0, after=("inner", "nothing"))
    ran(tally, "maybe", None, after=("report",), status="skipped")
    edges = [
        Edge("load", "inner"),
        Edge("load", "pages", "users", parameter="page"),
        Edge("pages", "nothing"),
    ]
    edges += [Edge("nothing", "report"), Edge("inner", "report", data=False)]
    return tally.report(name="daily", run_id="run-1", output={"pages": (1, 2)}, edges=edges)


def test_a_graph_is_told_with_its_name_output_and_edges() -> None:
    report = run_graph()
    assert (report.name, report.run_id, report.state) == ("daily", "run-1", "succeeded")
    assert report.output == {"pages": (1, 2)}
    assert [(edge.source, edge.target, edge.key, edge.data) for edge in report.edges[:2]] == [
        ("load", "inner", None, True),
        ("load", "pages", "users", True),
    ]
    assert report.edges[1].parameter == "page"
    assert [task.body for task in report.tasks.values()][1:6] == [None, "inner", "inner", None, "pages"]
    assert not report.edges[-1].data
    task = report.tasks["pages[1]"]
    assert (task.name, task.accepted, task.ready, task.started, task.waited) == (
        "pages[1]",
        0.0,
        1.0,
        2.5,
        1.5,
    )
    assert task.waited_for == "waits for a free slot"
    back = RunReport.model_validate_json(report.model_dump_json())
    assert back.output == {"pages": [1, 2]}
    assert back == report.model_copy(update={"output": back.output})


def test_bodies_are_listed_and_counted_nowhere_but_their_time_is_the_runs() -> None:
    report = run_graph()
    assert report.tasks["pages"].role == "map"
    assert (report.totals.jobs, report.totals.attempts, report.totals.output_tokens) == (7, 6, 31)
    assert report.width == 2  # inner/rank and pages[1]; inner/clean and pages[0]
    tally = RunTally()
    ran(tally, "agent", 1.0, 9.0, role="flow", status="failed", error=ErrorInfo("ValueError", "no", ""))
    ran(tally, "search", 2.0, 3.0)
    report = tally.report(name="agent")
    assert (report.state, report.totals.jobs, report.totals.failed, report.totals.seconds) == (
        "failed",
        1,
        0,
        8.0,
    )


def test_how_a_graph_ended_may_be_told() -> None:
    tally = RunTally()
    ran(tally, "optional", 0.0, 1.0, status="failed", error=ErrorInfo("ValueError", "no", ""))
    assert tally.report(state="succeeded").ok
    assert not tally.report().ok


def test_the_critical_path_leads_through_the_tasks_in_nested_graphs_and_maps() -> None:
    report = run_graph()
    assert report.critical_path == CriticalPath(
        tasks=("load", "pages[1]", "report"), seconds=6.0, usage=Usage(output_tokens=21)
    )
    assert report.longest_wait == LongestWait(task="pages[1]", seconds=1.5, why="waits for a free slot")


def test_a_chain_of_100_000_tasks_is_its_own_critical_path() -> None:
    tally = RunTally()
    count = 100_000
    for place in range(count):
        ran(tally, str(place), float(place), place + 1.0, after=(str(place - 1),) if place else ())
    path = tally.report().critical_path
    assert path is not None
    assert (len(path.tasks), path.tasks[0], path.tasks[-1], path.seconds) == (count, "0", "99999", count)


def test_a_printed_graph_tells_what_each_task_did_and_where_the_time_went() -> None:
    assert str(run_graph()).splitlines() == [
        "daily succeeded: 6 of 7 jobs succeeded, 1 skipped, in 6.00 s, at most 2 at once",
        "output: {'pages': (1, 2)}",
        "tokens: 0 read, 31 written",
        "task         status     seconds  waited  attempts",
        "load         succeeded     1.00    0.00         1",
        "inner        succeeded     2.00    0.00         1",
        "inner/clean  succeeded     1.00    0.00         1",
        "inner/rank   succeeded     1.00    0.00         1",
        "pages        succeeded     4.00    0.00         1",
        "pages[0]     succeeded     1.00    0.00         1",
        "pages[1]     succeeded     2.50    1.50         1",
        "nothing      succeeded     0.00    0.00         1",
        "report       succeeded     1.00    0.00         1",
        "maybe        skipped          -       -         -",
        "critical path: load → pages[1] → report, 6.00 s, 21 tokens",
        "longest wait: pages[1], 1.50 s: waits for a free slot",
    ]


def test_a_printed_graph_of_many_tasks_stays_short() -> None:
    tally = RunTally()
    for place in range(1000):
        ran(tally, str(place), float(place), place + 1.0, after=(str(place - 1),) if place else ())
    lines = str(tally.report(name="chain", output="x" * 500 + "\x1b[31m")).splitlines()
    assert len(lines) == 25
    assert max(map(len, lines)) < 120
    assert lines[1].startswith("output: xxx")
    assert lines[-2:] == [
        "… and 980 more",
        "critical path: 0 → 1 → 2 → 3 → … 992 more … → 996 → 997 → 998 → 999, 1000.00 s",
    ]


def test_what_moves_a_cursor_is_not_printed() -> None:
    assert "\x1b" not in str(RunTally().report(name="a\x1b[2J", output="b\x1b[31m"))


def test_a_report_draws_what_ran() -> None:
    report = run_graph()
    drawn = report.to_mermaid()
    assert 'n_load -->|"users"| n_pages' in drawn
    assert "n_inner -.-> n_report" in drawn
    assert "n_inner_clean -.-> n_inner_rank" in drawn
    assert "class n_maybe skipped" in drawn
    assert 'n_load -> n_pages_1 [label="users" lhead="cluster_n_pages"]' in report.to_dot()
    assert "n_book_primer -.-> n_book_follower_0" in run_group().to_mermaid()


def test_an_error_of_the_flow_itself_is_printed_and_one_that_a_task_tells_is_not_told_twice() -> None:
    tally = RunTally()
    ran(tally, "search", 0.0, 1.0, status="failed", error=ErrorInfo("ValueError", "no", ""))
    own = tally.report(name="agent", state="failed", error=KeyError("hits"))
    assert str(own).splitlines()[-2:] == ["error: KeyError: 'hits'", "search failed: ValueError: no"]
    its = tally.report(name="agent", error=ValueError("no"))
    assert "error: " not in str(its)
    assert (own.untold_error, its.untold_error) == (own.error, None)
    assert RunReport.model_validate_json(own.model_dump_json()) == own


def test_a_job_that_was_cancelled_without_a_word_is_told_all_the_same() -> None:
    assert str(RunReport.of([result("a", status="cancelled")])).splitlines()[1] == "a cancelled:"


def test_what_a_member_of_a_group_is_known_to_wait_for_stays() -> None:
    tally = RunTally()
    tally.add(result("p", group="book", role="primer", key="book/primer"))
    ran(tally, "f", 1.0, 2.0, group="book", role="follower", key="book/follower/0", after=("other",))
    ran(tally, "g", 1.0, 2.0, group="book", role="graph")
    tasks = tally.report().tasks
    assert (tasks["f"].after, tasks["g"].after) == (("other",), ())
