"""What somebody reads who sees the screen for the first time: what runs, what is stuck, and why."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from paceline import Budget, Engine, Job, JobContext, JsonlSink, Lane, Usage
from paceline_integrations.runstate import LogReader
from paceline_integrations.screen import Follow, Left, ScreenApp
from paceline_integrations.screen._pane import Pane

from . import scenes
from .screens import at, draw

pytestmark = pytest.mark.anyio
SMALL = (80, 24)
TENANTS = [Lane(f"tenant {number:02}") for number in range(30)]
Runs = dict[str, Path]
Seen = tuple[ScreenApp, list[str], Pilot[Left]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Model:
    async def execute(self, job: Job, ctx: JobContext) -> object:
        if ctx.job.payload == "broken":
            raise ConnectionError("the provider closed\nthe connection")
        ctx.usage(Usage(money=1.0, requests=1))
        return "done"


async def budgeted(path: Path) -> None:
    budget = Budget(money=2.0, period=3_600.0, name="daily")
    async with Engine(Model(), budget=budget, slots=1, cost=_one, sinks=[_log(path)]) as engine:
        for number in range(9):
            await engine.submit("letter", name=f"letter {number}")


async def broken(path: Path) -> None:
    async with Engine(Model(), slots=2, sinks=[_log(path)]) as engine:
        await engine.submit_group("acme", primer="broken", followers=["x", "x"])
        await engine.submit_group("globex", primer="fine", followers=["broken", "x"])


async def many(path: Path) -> None:
    async with Engine(_slow, slots=16, lanes=TENANTS, sinks=[_log(path)]) as engine:
        for number in range(1_500):
            await engine.submit(number, lane=TENANTS[number % 30].name)


async def _slow(payload: object) -> None:
    await asyncio.sleep(1.0)


def _one(job: Job, usage: Usage | None) -> float:
    return 1.0


def _log(path: Path) -> JsonlSink:
    return JsonlSink(path, content="full")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The logs of the runs above."""
    folder = tmp_path_factory.mktemp("runs")
    found: Runs = {}
    for scene in (budgeted, broken, many):
        found[scene.__name__] = folder / f"{scene.__name__}.jsonl"
        scenes.write(scene, found[scene.__name__])
    return found


@asynccontextmanager
async def seen(path: Path, seconds: float, size: tuple[int, int] = SMALL) -> AsyncGenerator[Seen]:
    """The screen of a run at a moment, as a picture has it."""
    source = at(path, seconds)
    source.still = True
    app = ScreenApp(source, ticks=False)
    async with app.run_test(size=size) as pilot:
        await draw(pilot)
        yield app, [strip.text.strip() for strip in app.screen._compositor.render_strips()], pilot


async def test_where_nothing_is_at_work_it_waits_and_nobody_says_for_how_long(runs: Runs) -> None:
    async with seen(runs["budgeted"], 60.0) as (_, lines, _):
        assert lines[0].startswith("· WAITING")
        assert "left" not in lines[2]
        assert "skips" not in lines[0]


async def test_one_reason_is_told_in_full(runs: Runs) -> None:
    async with seen(runs["budgeted"], 60.0) as (_, lines, _):
        assert lines[4] == "▌ 7 jobs wait because too little is left of the budget"
        assert lines[5].startswith("▌ 'daily' of the engine (money)  59 min")
        assert lines[5].endswith("to go")


async def test_what_went_wrong_stands_at_the_top_and_on_its_group(runs: Runs) -> None:
    async with seen(runs["broken"], 60.0) as (_, lines, _):
        assert lines[4] == "▌ 2 jobs failed: ConnectionError: the provider closed the connection"
        assert lines[5].startswith("▌ 2 jobs skipped because of ")
        assert lines[0].startswith("✘ ENDED")
        assert "─" not in lines[3]
        for name in ("acme", "globex"):
            assert "ConnectionError: the provider" in next(line for line in lines[7:] if name in line)


async def test_of_very_many_that_wait_not_all_are_counted_and_that_is_said(runs: Runs) -> None:
    async with seen(runs["many"], 2.0) as (_, lines, _):
        assert "or more jobs wait for a free slot" in lines[4]


async def test_jobs_do_not_say_again_of_which_group_they_are(runs: Runs) -> None:
    async with seen(runs["broken"], 60.0) as (app, _, pilot):
        await pilot.press("home", "enter")
        tree = app.query_one("#jobs", Pane)
        names = [tree.line(place, 70).text.split()[2] for place in (1, 2, 3)]
        assert names == ["primer", "follower/0", "follower/1"]


async def test_bars_of_many_lanes_are_long_enough_to_be_compared(runs: Runs) -> None:
    async with seen(runs["many"], 2.0, (200, 50)) as (app, _, _):
        assert app.query_one("#lanes", Pane).line(0, 80).text.count("█") > 8


async def test_no_time_stands_twice_on_the_axis(contracts: Path) -> None:
    for seconds in (2.0, 7.0, 21.0, 57.0):
        async with seen(contracts, seconds, (200, 50)) as (app, _, _):
            times = re.findall(r"\d+:\d+", app.query_one("#timeline", Pane).line(0, 90).text)
            assert len(times) == len(set(times)) > 1


@pytest.mark.parametrize("size", [(120, 36), (200, 50)])
async def test_the_details_have_room_below_many_lanes_and_slots(runs: Runs, size: tuple[int, int]) -> None:
    async with seen(runs["many"], 2.0, size) as (app, lines, _):
        assert app.query_one("#detail").size.height >= 6
        assert any("┌0:00" in line for line in lines)


@asynccontextmanager
async def followed(path: Path, silent: float) -> AsyncGenerator[list[str]]:
    """The top of the screen that follows a log, so many seconds after its last event."""
    source = Follow(LogReader(path), clock=lambda: source.state.now + silent)
    app = ScreenApp(source, ticks=False)
    async with app.run_test(size=(120, 24)) as pilot:
        await draw(pilot)
        yield [strip.text.strip() for strip in app.screen._compositor.render_strips()][:4]


@pytest.fixture(scope="module")
def killed(contracts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a run that was killed while jobs were at work."""
    path = tmp_path_factory.mktemp("killed") / "killed.jsonl"
    lines = contracts.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: len(lines) // 2]))
    return path


async def test_a_log_that_is_silent_for_a_moment_is_one_of_a_run_that_goes_on(killed: Path) -> None:
    async with followed(killed, 2.0) as lines:
        assert lines[0].startswith("● RUNNING")
        assert "no word" not in lines[0]
        assert "left" in lines[2]


async def test_nobody_says_how_long_jobs_take_yet_of_which_nothing_is_heard(killed: Path) -> None:
    async with followed(killed, 12.0) as lines:
        assert lines[0].startswith("● RUNNING")
        assert "no word for 12 s" in lines[0]
        assert "left" not in lines[2]


@pytest.mark.parametrize(("silent", "told"), [(80.0, "1 min 20 s"), (7_500.0, "2 h 05 min")])
async def test_a_log_that_is_silent_for_long_is_not_said_to_run(
    killed: Path, silent: float, told: str
) -> None:
    async with followed(killed, silent) as lines:
        assert lines[0].startswith("· SILENT")
        assert f"no word for {told}: busy, or killed" in lines[0]
        assert "left" not in lines[2]


async def test_a_run_that_has_ended_is_not_silent(contracts: Path) -> None:
    async with followed(contracts, 7_500.0) as lines:
        assert lines[0].startswith("✔ COMPLETED") or lines[0].startswith("✘ ENDED")
        assert "no word" not in lines[0]


async def test_a_small_terminal_keeps_the_state_of_the_run(contracts: Path) -> None:
    async with seen(contracts, 21.0, (40, 10)) as (_, lines, _):
        assert re.match(r"[●·] (RUNNING|WAITING) +●3 ·\d+ ✔\d+ ✘\d", lines[0])
    async with seen(contracts, 21.0, (80, 12)) as (_, lines, _):
        assert re.match(r"[●·] (RUNNING|WAITING) +● 3 running", lines[0])


async def test_the_help_tells_the_signs_of_bars_and_the_last_column(contracts: Path) -> None:
    async with seen(contracts, 21.0) as (app, _, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        shown = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
        assert "bars ━ done  ▞ failed  ╌ cancelled, skipped  ╸ at work  ─ to come" in shown
        assert "last column: how long it runs or ran" in shown


async def test_a_very_small_terminal_shows_counts_reasons_and_jobs(contracts: Path) -> None:
    async with seen(contracts, 21.0, (20, 5)) as (_, lines, _):
        assert lines[0].startswith("● 3 running")
        assert lines[1].startswith("▌ 1 job asks")
        assert "contrac…" in lines[2]
        assert lines[4].endswith("quit")
