"""The screen of an engine in the same process: events as they come, and what a person does to jobs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from paceline import (
    Dag,
    Engine,
    Job,
    JobCancelled,
    JobFailed,
    JobSkipped,
    JobSuspended,
    Lane,
    PacelineError,
    Suspend,
    UnknownName,
)
from paceline.events import Event, JobEnded, JobStarted, JobSubmitted, RunStarted
from paceline_integrations.screen import EngineControls, Left, NoTerminal, Screen, ScreenApp
from paceline_integrations.screen._live import Live

from .screens import draw

pytestmark = pytest.mark.anyio
_PATIENCE = 20.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def until(screen: Screen, condition: Callable[[], bool]) -> None:
    """Take events from the screen's queue until something is so."""
    async with asyncio.timeout(_PATIENCE):
        while not condition():
            screen._live.advance(0.1)
            await asyncio.sleep(0.005)


def job_named(screen: Screen, name: str) -> str:
    return next(job.id for job in screen.state.jobs.values() if job.name == name)


class Flaky:
    """Fails each job once, by name; asks where the payload says so."""

    def __init__(self) -> None:
        self.seen: list[Job] = []
        self.gate = asyncio.Event()

    async def execute(self, job: Job, ctx: Any) -> object:
        self.seen.append(job)
        if job.payload == "wait":
            await self.gate.wait()
        if job.payload == "ask" and job.reply is None:
            return Suspend("how many?", schema=int)
        if job.payload == "fail" and sum(each.name == job.name for each in self.seen) == 1:
            raise ValueError("the first time it fails")
        return job.reply or "done"


async def test_a_cancelled_job_ends_and_says_by_whom() -> None:
    screen, flaky = Screen(), Flaky()
    async with Engine(flaky, sinks=[screen.sink]) as engine:
        handle = await engine.submit("wait", name="slow")
        await until(screen, lambda: screen.state.counts.running == 1)
        await EngineControls(engine, screen.state).cancel(handle.id)
        with pytest.raises(JobCancelled, match="by a person at the screen"):
            await handle
        await until(screen, lambda: screen.state.counts.cancelled == 1)


async def test_a_job_that_has_ended_meanwhile_is_not_cancelled() -> None:
    screen = Screen()
    async with Engine(Flaky(), sinks=[screen.sink]) as engine:
        handle = await engine.submit("quick")
        await handle
        with pytest.raises(UnknownName, match="it has ended"):
            await EngineControls(engine, screen.state).cancel(handle.id)


async def test_a_retry_is_the_same_work_in_the_same_lane() -> None:
    screen, flaky = Screen(), Flaky()
    async with Engine({"flaky": flaky}, lanes=[Lane("night")], sinks=[screen.sink]) as engine:
        options: dict[str, Any] = {"lane": "night", "priority": 3, "metadata": {"tenant": "a"}}
        handle = await engine.submit("fail", name="odd", executor="flaky", **options)
        with pytest.raises(JobFailed):
            await handle
        await until(screen, lambda: screen.state.counts.failed == 1)
        await EngineControls(engine, screen.state).retry(handle.id)
        await until(screen, lambda: screen.state.counts.succeeded == 1)
    first, second = flaky.seen
    assert (second.payload, second.name, second.lane) == ("fail", "odd", "night")
    metadata = {"tenant": "a", "paceline.retry_of": first.id}
    assert (second.priority, second.metadata, second.executor) == (3, metadata, "flaky")
    assert second.id != first.id
    assert (screen.state.counts.failed, screen.state.counts.total) == (0, 1)


async def test_a_job_that_was_tried_again_is_not_tried_a_second_time() -> None:
    screen = Screen()
    async with Engine(Flaky(), sinks=[screen.sink]) as engine:
        handle = await engine.submit("fail")
        with pytest.raises(JobFailed):
            await handle
        await until(screen, lambda: screen.state.counts.failed == 1)
        controls = EngineControls(engine, screen.state)
        await controls.retry(handle.id)
        await until(screen, lambda: bool(screen.state.jobs[handle.id].again))
        with pytest.raises(PacelineError, match="was tried again already"):
            await controls.retry(handle.id)
        app = ScreenApp(screen._live, controls, ticks=False)
        async with app.run_test(size=(100, 24)) as pilot:
            await draw(pilot)
            lines = [strip.text for strip in app.screen._compositor.render_strips()]
            assert any("tried again: " in line for line in lines)


async def test_what_cannot_be_retried_is_refused_with_the_reason() -> None:
    screen, flaky = Screen(), Flaky()
    dag = Dag("report")

    async def load() -> str:
        raise ValueError("no")

    dag.task(load, name="load")
    async with Engine(flaky, sinks=[screen.sink]) as engine:
        controls = EngineControls(engine, screen.state)
        done = await engine.submit("quick", name="quick")
        await done
        graph = await engine.submit(None, executor=dag)
        with pytest.raises(JobFailed):
            await graph
        await until(screen, lambda: screen.state.bodies.failed == 1)
        with pytest.raises(PacelineError, match="'quick' is succeeded: only what did not succeed"):
            await controls.retry(done.id)
        with pytest.raises(PacelineError, match="is a graph, which cannot be retried alone"):
            await controls.retry(graph.id)
        with pytest.raises(PacelineError, match="part of a graph, flow or map"):
            await controls.retry(next(j.id for j in screen.state.jobs.values() if j.parent == graph.id))
        with pytest.raises(PacelineError, match="not known any more"):
            await controls.retry("long gone")


async def test_a_skipped_follower_may_be_retried_by_itself() -> None:
    screen, flaky = Screen(), Flaky()
    async with Engine(flaky, sinks=[screen.sink]) as engine:
        group = await engine.submit_group("g", primer="fail", followers=["a"])
        with pytest.raises(JobSkipped):
            await group.followers[0]
        await until(screen, lambda: screen.state.counts.skipped == 1)
        await EngineControls(engine, screen.state).retry(group.followers[0].id)
        await until(screen, lambda: screen.state.counts.succeeded == 1)


async def test_a_question_is_answered_and_a_misfit_refused() -> None:
    screen = Screen()
    async with Engine(Flaky(), sinks=[screen.sink]) as engine:
        handle = await engine.submit("ask")
        with pytest.raises(JobSuspended):
            await handle
        await until(screen, lambda: len(screen.state.asking) == 1)
        controls = EngineControls(engine, screen.state)
        question = controls.questions(handle.id)[0]
        assert (question.value, question.schema) == ("how many?", int)
        with pytest.raises(PacelineError, match="does not fit"):
            await controls.answer(handle.id, question.id, "many")
        assert controls.questions(handle.id) == (question,)
        await controls.answer(handle.id, question.id, 7)
        assert await handle == 7


async def test_a_job_is_cancelled_and_answered_by_keys() -> None:
    screen, flaky = Screen(), Flaky()
    async with Engine(flaky, sinks=[screen.sink]) as engine:
        app = ScreenApp(screen._live, EngineControls(engine, screen.state), ticks=False)
        async with app.run_test(size=(80, 24)) as pilot:
            slow = await engine.submit("wait", name="slow")
            asks = await engine.submit("ask", name="asks")
            await until(screen, lambda: len(screen.state.asking) == 1)
            await draw(pilot)
            await pilot.press("c", "y", "a", "4", "2", "enter")
            assert (await asks.wait()).output == 42
            assert (await slow.wait()).status == "cancelled"


def events(count: int, first: int = 0) -> list[Event]:
    """A run that begins, and jobs of it."""
    made: list[Event] = [RunStarted(time=1.0, run="r", slots=4, lanes={"default": 1.0})] if not first else []
    for number in range(first, first + count):
        job = f"{number:06}"
        made.append(JobSubmitted(time=1.0, run="r", job=job, name=job, executor="x", lane="default"))
        made.append(JobStarted(time=2.0, run="r", job=job, lane="default", attempt=1, waited=1.0))
        ended = JobEnded(
            time=3.0, run="r", job=job, lane="default", status="succeeded", attempt=1, seconds=1.0
        )
        made.append(ended)
    return made


def test_what_comes_before_the_screen_is_shown_is_kept_in_bounded_memory() -> None:
    live = Live(most=100)
    live.put(events(1_000))
    assert len(live._queue) == 100
    live.shown = True
    assert not live.advance(10.0)
    assert live.state.counts.succeeded == 1_000


def test_a_frozen_picture_stands_still_while_events_are_taken() -> None:
    now = 5.0
    live = Live(clock=lambda: now, most=100)
    live.shown = True
    live.put(events(10))
    live.advance(1.0)
    live.pause(wanted=True)
    now, before = 50.0, live.state.version
    live.put(events(20, first=10))
    assert not live.advance(1.0)
    assert (live.state.version, live.now) == (before, 5.0)
    live.pause(wanted=False)
    live.advance(1.0)
    assert live.state.counts.succeeded == 30


def test_a_picture_that_is_frozen_for_long_moves_on_rather_than_take_all_memory() -> None:
    live = Live(most=100)
    live.shown = True
    live.pause(wanted=True)
    live.put(events(60))
    live.advance(1.0)
    assert len(live._queue) == 100
    assert live.state.counts.total > 0


def test_a_screen_that_does_not_get_round_to_events_holds_up_its_own_sink_only() -> None:
    live = Live(most=10)
    live.shown = True
    live.put(events(10))
    held = threading.Thread(target=live.put, args=(events(1, first=10),), daemon=True)
    held.start()
    held.join(0.3)
    assert held.is_alive()
    live.advance(1.0)
    held.join(_PATIENCE)
    assert not held.is_alive()


def test_after_the_screen_is_left_nothing_is_kept() -> None:
    live = Live()
    live.shown = True
    live.put(events(1))
    live.leave()
    live.put(events(1, first=1))
    assert not live._queue


async def test_at_2000_events_a_second_it_draws_at_most_ten_times_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    live, now = Live(), 100.0
    live.shown = True
    app = ScreenApp(live, ticks=False)
    async with app.run_test(size=(200, 50)) as pilot:
        await draw(pilot)
        monkeypatch.setattr("paceline_integrations.screen._app.perf_counter", lambda: now)
        app.draw()
        drawn = app.draws
        for moment in range(200):  # two seconds, in which it looks a hundred times a second
            live.put(events(7, first=7 * moment))
            now = 100.0 + (moment + 1) / 100
            app.tick()
        assert 18 <= app.draws - drawn <= 20
        drawn = app.draws
        for moment in range(200, 400):  # two more, in which nothing happens but the time
            now = 100.0 + (moment + 1) / 100
            app.tick()
        assert 3 <= app.draws - drawn <= 4


async def test_without_a_terminal_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    async with Engine(Flaky(), sinks=[screen.sink]) as engine:
        monkeypatch.setattr("sys.__stderr__", None)
        with pytest.raises(NoTerminal, match="needs a terminal"):
            await screen.run()
        with pytest.raises(NoTerminal):
            async with Screen().watching(engine):
                pytest.fail("it is not shown")


async def test_on_a_terminal_that_cannot_be_drawn_on_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.__stdin__", Terminal())
    monkeypatch.setattr("sys.__stderr__", Terminal())
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(NoTerminal, match="TERM says that this one is dumb"):
        await Screen().run()


async def test_a_screen_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.__stderr__", None)
    with pytest.raises(NoTerminal):
        await screen.run()
    with pytest.raises(PacelineError, match="shown once"):
        await screen.run()


async def test_an_engine_without_jobs_shows_that_there_are_none() -> None:
    screen = Screen("demo")
    async with Engine(Flaky(), sinks=[screen.sink]):
        app = ScreenApp(screen._live, ticks=False)

        async def look(pilot: Pilot[Left]) -> None:
            await draw(pilot)
            assert "No jobs yet." in app.export_screenshot().replace("&#160;", " ")

        async with app.run_test(size=(80, 24)) as pilot:
            await look(pilot)


async def test_where_the_program_only_waits_to_be_left_it_says_how() -> None:
    screen = Screen()
    async with Engine(Flaky(), sinks=[screen.sink]) as engine:
        app = ScreenApp(screen._live, ticks=False)
        async with app.run_test(size=(100, 24)) as pilot:
            await (await engine.submit("quick"))
            await until(screen, lambda: screen.state.counts.succeeded == 1)
            await draw(pilot)
            assert "IDLE" in app.export_screenshot()
            screen.all_done()
            await draw(pilot)
            assert "ALL&#160;DONE" in app.export_screenshot()
            assert screen._live.note == "q leaves"
            with pytest.raises(JobFailed):
                await (await engine.submit("fail"))
            await until(screen, lambda: screen.state.counts.failed == 1)
            screen.tell("of today")
            assert screen._live.note == "q leaves, r tries again · of today"
            screen.all_done(done=False)
            assert screen._live.note == "of today"
