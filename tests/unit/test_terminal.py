"""Reports and plans as a person reads them in a terminal."""

from __future__ import annotations

import io
import subprocess
import sys

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table

from paceline import (
    Attempt,
    Edge,
    ErrorInfo,
    JobResult,
    Plan,
    Question,
    Role,
    RunReport,
    RunTally,
    Savings,
    Usage,
)
from paceline._report_parts import NodeTimes
from paceline_integrations.terminal import plan_tree, report_timeline, report_tree, savings_table


def shown(renderable: RenderableType, width: int = 60) -> list[str]:
    console = Console(width=width, color_system=None, file=io.StringIO())
    with console.capture() as capture:
        console.print(renderable)
    return [line.rstrip() for line in capture.get().splitlines()]


def ran(tally: RunTally, name: str, *spans: tuple[float, float], **fields: object) -> None:
    node = NodeTimes(
        name=name,
        body=fields.pop("body", None),  # type: ignore[arg-type]  # as the tests write them
        after=fields.pop("after", ()),  # type: ignore[arg-type]  # as the tests write them
        ready=fields.pop("ready", spans[0][0] if spans else None),  # type: ignore[arg-type]
    )
    given: dict[str, object] = {"id": name, "name": name, "status": "succeeded", **fields}
    given["attempts"] = tuple(Attempt(number, *span) for number, span in enumerate(spans, 1))
    tally.add(JobResult(**given), node=node)  # type: ignore[arg-type]


def graph() -> RunReport:
    tally = RunTally()
    ran(tally, "load", (0.0, 2.0))
    ran(tally, "pages", (2.0, 10.0), role="map", after=("load",))
    ran(tally, "pages[0]", (2.0, 6.0), body="pages")
    error = ErrorInfo("ValueError", "no\nsuch page", "")
    failed = {"status": "failed", "error": error}
    ran(tally, "pages[1]", (4.0, 6.0), (8.0, 10.0), ready=2.0, body="pages", **failed)
    ran(tally, "report", status="skipped", error=error, after=("pages",))
    return tally.report(name="daily")


def test_a_tree_shows_each_task_in_what_it_belongs_to() -> None:
    assert shown(report_tree(graph())) == [
        "✘ daily failed · 2 of 4 tasks · 10.0 s · 2 at once",
        "├── ✔ load  2.00 s",
        "├── ✔ pages  8.00 s  ← load",
        "│   ├── ✔ pages[0]  4.00 s",
        "│   └── ✘ pages[1] failed  6.00 s  2 attempts  ValueError: …",
        "└── ○ report skipped  ValueError: no such page",
    ]


def test_a_task_whose_name_looks_like_that_of_an_item_lies_in_nothing() -> None:
    tally = RunTally()
    for name in ("pages", "pages[0]", "pages/load"):
        ran(tally, name, (0.0, 2.0))
    assert shown(report_tree(tally.report()))[1:] == [
        "├── ✔ pages  2.00 s",
        "├── ✔ pages[0]  2.00 s",
        "└── ✔ pages/load  2.00 s",
    ]


def test_a_timeline_shows_waiting_and_running_on_one_axis_without_colours() -> None:
    assert shown(report_timeline(graph()), 40) == [
        "✘ daily failed · 2 of 4 tasks · 10.0 s …",
        "✔ load     │████                │ 2.00 s",
        "✔ pages    │    ────────────────│ 8.00 s",
        "✔ pages[0] │    ████████        │ 4.00 s",
        "✘ pages[1] │    ░░░░████░░░░████│ 6.00 s",
        "○ report   │skipped: ValueError…│      -",
        "           └────────────────────┘",
        "           0               10.0 s",
        "            █ runs   ░ waits   ─ holds …",
    ]


def test_a_timeline_is_as_wide_as_asked_and_never_wider_than_the_terminal() -> None:
    for asked, terminal, width in ((None, 80, 80), (50, 80, 50), (200, 80, 80), (None, 30, 30)):
        lines = shown(report_timeline(graph(), asked), terminal)[1:-2]
        assert {cell_len(line) for line in lines if "│" in line} == {width}


def test_names_are_cut_by_columns_and_say_nothing_to_the_terminal() -> None:
    tally = RunTally()
    ran(tally, "日本語" * 30, (0.0, 1.0))
    ran(tally, "\x1b[31mred", (0.0, 1.0))
    report = tally.report(name="\x1b[2J")
    lines = shown(report_timeline(report), 60)
    assert {cell_len(line) for line in lines if "│" in line} == {60}
    assert not any("\x1b" in line for line in [*lines, *shown(report_tree(report))])


def test_of_many_tasks_those_that_did_not_succeed_are_shown() -> None:
    tally = RunTally()
    ran(tally, "pages", (0.0, 1.0), role="map")
    for number in range(200):
        status = "failed" if number == 150 else "succeeded"
        ran(tally, f"pages[{number}]", (number * 1.0, number + 1.0), status=status, body="pages")
    report = tally.report(name="many")
    tree = shown(report_tree(report, most=5))
    assert len(tree) == 8
    assert any("pages[150] failed" in line for line in tree)
    assert tree[-1].strip(" │└─") == "… and 195 more: 195 succeeded"
    timeline = shown(report_timeline(report, most=5))
    assert any("pages[150]" in line for line in timeline)
    assert timeline[-1] == "… and 196 more"


def test_a_job_that_asks_is_shown_with_its_question_and_one_that_runs_to_the_end_of_the_axis() -> None:
    tally = RunTally()
    asked = (Question("1", "May I?"),)
    ran(tally, "approve", (0.0, 1.0), status="suspended", questions=asked)
    running = JobResult("r", "runs", "running", attempts=(Attempt(1, 1.0),))
    tally.add(running)
    tally.add(JobResult("d", "done", "succeeded", attempts=(Attempt(1, 0.0, 4.0),)))
    report = tally.report()
    assert "‖ approve suspended  1.00 s  asks: May I?" in "\n".join(shown(report_tree(report)))
    (line,) = [line for line in shown(report_timeline(report)) if "runs" in line and "│" in line]
    assert "█│" in line


def test_an_error_that_no_task_tells_is_shown_in_the_tree() -> None:
    tally = RunTally()
    ran(tally, "search", (0.0, 1.0))
    report = tally.report(name="agent", state="failed", error=KeyError("hits"))
    assert shown(report_tree(report))[1] == "├── KeyError: 'hits'"


def test_a_timeline_in_a_table_takes_the_room_that_there_is() -> None:
    table = Table.grid()
    table.add_row(report_timeline(graph(), 50))
    assert max(map(cell_len, shown(table, 80))) == 50
    assert max(map(cell_len, shown(table, 40))) == 40


def test_a_timeline_of_tasks_that_never_ran_has_no_legend() -> None:
    tally = RunTally()
    ran(tally, "a", status="skipped")
    assert shown(report_timeline(tally.report()), 30)[1:] == [
        "○ a    │skipped            │ -",
        "       └───────────────────┘",
        "       0                0 µs",
    ]


def test_nothing_at_all_is_shown_as_that() -> None:
    assert shown(report_tree(RunReport())) == shown(report_timeline(RunReport()))
    assert shown(report_tree(RunReport())) == ["✔ run succeeded · 0 of 0 tasks · 0 µs"]


class Graph:
    name = "daily"
    edges = (
        Edge("load", "clean", "users"),
        Edge("load", "count", "[0]"),
        Edge("clean", "report"),
        Edge("count", "report", data=False),
    )

    def plan(self) -> Plan:
        return Plan.of(["load", "clean", "count", "report"], self.edges, ["clean.page: Any"])


def test_a_plan_is_shown_by_levels_with_what_each_task_takes() -> None:
    assert shown(plan_tree(Graph())) == [
        "daily · 4 tasks · widest level 2",
        "├── level 1",
        "│   └── load",
        "├── level 2",
        "│   ├── clean  ← load.users",
        "│   └── count  ← load[0]",
        "├── level 3",
        "│   └── report  ← clean, (count)",
        "└── note: clean.page: Any",
    ]
    assert shown(plan_tree(Graph(), most=1))[4:] == ["└── note: clean.page: Any"]


def test_a_missing_rich_is_told_with_the_line_that_installs_it() -> None:
    program = "import sys; sys.modules['rich'] = None; import paceline_integrations.terminal"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert 'ImportError: drawing in a terminal needs an extra: pip install "paceline[cli]"' in ended.stderr


def used(cached: int | None, role: Role = "job", group: str | None = None, **fields: object) -> JobResult:
    given: dict[str, object] = {"lane": "default", "money": None, "metadata": {}, **fields}
    usage = Usage(1000, cached, money=given.pop("money"))  # type: ignore[arg-type]  # as the tests write them
    return JobResult("id", "name", "succeeded", usage=usage, role=role, group=group, **given)  # type: ignore[arg-type]


def saved(**fields: object) -> Savings:
    book = [used(0, "primer", "[b]book", **fields), used(900, "follower", "[b]book", **fields)]
    song = [used(0, "primer", "song\x1b", lane="batch"), used(0, "follower", "song\x1b", lane="batch")]
    return Savings.of([*book, *song, used(None, metadata={"tenant": "acme"})], by="tenant", write=1.25)


def test_savings_are_a_sentence_and_one_table_of_groups_lanes_and_tags() -> None:
    assert shown(savings_table(saved()), 80) == [
        "prompt 4,000 tokens: 900 from the cache (22%; best possible at most 48%), cost",
        "0.79 of a cold fan-out; of 5 jobs 1 did not report what came from the cache",
        "                 jobs  prompt  cached  evaluated  hit   best  cost",
        "group",
        "  [b]book           2   2,000     900      1,100  45%    45%  0.58",
        "  song              2   2,000       0      2,000   0%  ≤ 50%  1.00",
        "  in no group  0 of 1       -       -          -    -      -     -",
        "lane",
        "  default      2 of 3   2,000     900      1,100  45%    45%  0.58",
        "  batch             2   2,000       0      2,000   0%  ≤ 50%  1.00",
        "tenant",
        "  acme         0 of 1       -       -          -    -      -     -",
        "  no tenant         4   4,000     900      3,100  22%  ≤ 48%  0.79",
        "best: with each group's prefix evaluated once",
        "cost: 1 with no cache; a token read from the cache counts 0.1, written 1.25",
    ]


def test_in_a_narrow_terminal_the_numbers_of_savings_are_fewer_and_whole() -> None:
    savings = saved(money=0.5)
    assert [
        line for line in shown(savings_table(savings), 40) if "prompt  hit" in line or "no gro" in line
    ] == [
        "               prompt  hit   best  cost",
        "  in no group       -    -      -     -",
    ]
    assert [line for line in shown(savings_table(savings), 30) if "  hit" in line or "no gro" in line] == [
        "              hit   best  cost",
        "  in no gro…    -      -     -",
    ]


def test_of_savings_in_money_those_without_a_price_are_told() -> None:
    text = " ".join(" ".join(shown(savings_table(saved(money=0.5)), 90)).split())
    assert "cost 0.79 of a cold fan-out, money 1 without 2 jobs that have no price; of 5 jobs 1 did" in text
    assert "[b]book 2 2,000 900 1,100 45% 45% 0.58 1 song" in text


def test_of_many_groups_those_that_missed_most_are_shown() -> None:
    jobs = [
        job
        for number in range(30)
        for found in [0 if number == 17 else 900]
        for job in (
            used(0, "primer", f"g{number}"),
            used(900, "follower", f"g{number}"),
            used(found, "follower", f"g{number}"),
        )
    ]
    lines = shown(savings_table(Savings.of(jobs), most=3), 80)
    assert [line.split()[0] for line in lines[4:7]] == ["g17", "g0", "g1"]
    assert lines[7] == "  … and 27 more"


def test_savings_of_which_nothing_is_known_are_one_line() -> None:
    assert shown(savings_table(Savings.of([]))) == ["no job ran"]
    assert shown(savings_table(Savings.of([used(None)]))) == ["no job reported what came from the cache"]
