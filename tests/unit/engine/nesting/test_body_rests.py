"""Graphs and flows of which something waits for an answer: they rest, and go on when it is given."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import pytest

from paceline import (
    Dag,
    DeadlineExceeded,
    Engine,
    GraphRun,
    Handle,
    JobCancelled,
    JobContext,
    JobFailed,
    JobSuspended,
    MemorySink,
    PacelineError,
    ReplyRefused,
    RetryPolicy,
    Suspend,
    as_completed,
    current_job,
    dag,
    events,
    flow,
    gather,
    task,
)
from paceline.testing import VirtualClock


def here() -> JobContext:
    context = current_job()
    assert context is not None
    return context


def now() -> float:
    return asyncio.get_running_loop().time()


@task
async def ask(what: str = "?") -> Any:
    """Asks once, and puts out what was answered."""
    reply = here().job.reply
    return Suspend(what) if reply is None else reply


@task
async def sleep(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return float(seconds)


@task
async def join(*parts: Any) -> str:
    return "+".join(map(str, parts))


@dag
async def graph(seconds: float) -> Any:
    return await join(await ask(), await sleep(seconds))


@flow
async def a_flow(seconds: float) -> Any:
    return await join(*await gather(ask(), sleep(seconds)))


@flow
async def nested(seconds: float) -> Any:
    """A flow, around a graph, around a flow."""
    return await middle(seconds)


@dag
async def middle(seconds: float) -> Any:
    return await join(await a_flow(seconds), "m")


def run(main: Callable[[Engine], Awaitable[object]], **options: Any) -> Any:
    async def whole() -> object:
        async with Engine(**options) as engine:
            return await main(engine)

    return VirtualClock().run(whole)


def asked(handle: Handle, run: GraphRun[Any]) -> Handle:
    """The job below it that asks."""
    [found] = [each for each in run.tasks.values() if each.questions]
    assert found != handle
    return found


@pytest.mark.parametrize("body", [graph, a_flow, nested], ids=lambda each: each.name)
@pytest.mark.parametrize("slots", [1, 4])
def test_a_body_rests_when_nothing_in_it_can_go_on_without_an_answer(body: Any, slots: int) -> None:
    async def main(engine: Engine) -> None:
        started = await body.start(engine, seconds=5.0)
        handle = started.handle
        result = await handle.wait()
        assert now() == 5  # not before the other branch has ended
        assert (result.status, handle.status, started.status) == ("suspended",) * 3
        leaf = asked(handle, started)
        with pytest.raises(JobSuspended, match=f"waits for jobs that ask something: 'ask' .{leaf.id}.$"):
            await handle
        assert (await started.report()).state == "suspended"
        await asyncio.sleep(10)
        await engine.reply(leaf.id, "yes")
        assert handle.status == "running"
        assert (await handle).startswith("yes+5.0")
        assert (await handle.wait()).status == "succeeded"
        assert now() == 15

    run(main, slots=slots)


def test_a_body_can_rest_again_and_again() -> None:
    @flow
    async def twice() -> list[Any]:
        return [await ask("first"), await ask("second")]

    async def main(engine: Engine) -> None:
        started = await twice.start(engine)
        for answer in (1, 2):
            assert (await started.handle.wait()).status == "suspended"
            await engine.reply(asked(started.handle, started).id, answer)
        assert await started == [1, 2]

    run(main)


def test_of_two_questions_one_answer_lets_its_branch_go_on_until_the_body_rests_again() -> None:
    @flow
    async def two() -> tuple[Any, Any]:
        async def branch(what: str) -> Any:
            answer = await ask(what)
            await sleep(3)
            return answer

        return await asyncio.gather(branch("a"), branch("b"))

    async def main(engine: Engine) -> None:
        started = await two.start(engine)
        await started.handle.wait()
        first, second = (each for each in started.tasks.values() if each.questions)
        with pytest.raises(JobSuspended, match=f"{first.id}.*{second.id}"):
            await started
        await engine.reply(first.id, "A")
        assert started.status == "running"
        assert (await started.handle.wait()).status == "suspended"
        assert now() == 3
        await engine.reply(second.id, "B")
        assert list(await started) == ["A", "B"]

    run(main)


def test_a_flow_that_asks_itself_rests_and_goes_on() -> None:
    @flow
    async def asks() -> str:
        context = here()
        answer = await context.ask("Ship it?", schema=bool)
        return f"{answer} {await sleep(1)}"

    sink = MemorySink()

    async def main(engine: Engine) -> None:
        started = await asks.start(engine)
        result = await started.handle.wait()
        assert (result.status, [each.value for each in result.questions]) == ("suspended", ["Ship it?"])
        with pytest.raises(JobSuspended, match=f"to 'Ship it.'; give it with engine.reply.'{started.id}"):
            await started
        with pytest.raises(ReplyRefused, match="does not fit"):
            await engine.reply(started.id, "perhaps")
        assert started.status == "suspended"
        await engine.reply(started.id, True)
        assert await started == "True 1.0"
        with pytest.raises(PacelineError, match="ended"):
            await engine.reply(started.id, True)

    run(main, sinks=[sink])
    mine = [event for event in sink.events if getattr(event, "job", None) == sink.of(events.JobEnded)[-1].job]
    assert [event.type for event in mine] == [
        "job.submitted",
        "job.started",
        "job.suspended",
        "job.replied",
        "job.ended",
    ]
    suspended = sink.of(events.JobSuspended)[0]
    assert suspended.questions[0].id == sink.of(events.JobReplied)[0].question


def test_every_event_of_bodies_that_ask_and_rest_can_be_written_and_read() -> None:
    sink = MemorySink()

    @flow
    async def asks() -> Any:
        return await here().ask({"a": [1]}), await graph(1.0)

    async def main(engine: Engine) -> None:
        started = await asks.start(engine)
        await started.handle.wait()
        await engine.reply(started.id, 1)
        await started.handle.wait()
        await engine.reply(asked(started.handle, started).id, 2)
        await started

    run(main, sinks=[sink])
    for event in sink.events:
        back = events.parse_event(events.dump_event(event))
        assert (back.type, back.seq) == (event.type, event.seq)
    started = [event.job for event in sink.of(events.JobStarted)]
    ended = [event.job for event in sink.of(events.JobEnded)]
    assert set(started) >= set(ended)
    assert len(ended) == len(set(ended))


def test_questions_of_one_flow_are_answered_one_by_one() -> None:
    @flow
    async def asks() -> tuple[Any, Any]:
        return await asyncio.gather(here().ask("a"), here().ask("b"))

    async def main(engine: Engine) -> None:
        started = await asks.start(engine)
        [a, b] = (await started.handle.wait()).questions
        with pytest.raises(ReplyRefused, match="several questions"):
            await engine.reply(started.id, 0)
        await engine.reply(started.id, 2, question=b.id)
        assert started.status == "suspended"
        with pytest.raises(ReplyRefused, match="not open"):
            await engine.reply(started.id, 2, question=b.id)
        await engine.reply(started.id, 1, question=a.id)
        assert list(await started) == [1, 2]

    run(main)


def test_a_question_that_was_given_up_is_asked_no_more() -> None:
    @flow
    async def impatient() -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                return str(await here().ask("anybody?"))
        await sleep(1)
        return "nobody"

    async def main(engine: Engine) -> None:
        started = await impatient.start(engine)
        assert (await started.handle.wait()).status == "suspended"
        await asyncio.sleep(2.5)
        assert started.handle.questions == ()
        assert started.status == "running"
        with pytest.raises(ReplyRefused, match="asks nothing"):
            await engine.reply(started.id, "me")
        assert await started == "nobody"

    run(main)


def test_a_question_of_an_attempt_that_failed_is_asked_no_more_by_the_next() -> None:
    @flow(retry=RetryPolicy(attempts=2, base=1.0, cap=1.0))
    async def leaves_a_question() -> str:
        if here().attempt == 1:
            asking = asyncio.ensure_future(here().ask("stale"))
            await asyncio.sleep(1)
            assert not asking.done()
            raise OSError
        await asyncio.sleep(5)
        return "done"

    async def main(engine: Engine) -> None:
        started = await leaves_a_question.start(engine)
        assert (await started.handle.wait()).status == "suspended"
        await asyncio.sleep(1.000001)
        assert started.status == "waiting"
        with pytest.raises(ReplyRefused, match="asks nothing"):
            await engine.reply(started.id, "late")
        await asyncio.sleep(2)
        assert (started.status, started.handle.questions) == ("running", ())
        assert await started == "done"

    run(main)


def test_an_answer_to_the_body_of_a_job_that_asks_is_refused_and_says_where_to_turn() -> None:
    async def main(engine: Engine) -> None:
        started = await nested.start(engine, seconds=1.0)
        await started.handle.wait()
        leaf = asked(started.handle, started)
        with pytest.raises(ReplyRefused, match=f"asks nothing; answer what it waits for: 'ask' .{leaf.id}."):
            await engine.reply(started.id, "yes")
        assert leaf.status == "suspended"
        await engine.reply(leaf.id, "yes")
        with pytest.raises(ReplyRefused, match="asks nothing"):
            await engine.reply(leaf.id, "yes")
        await started

    run(main)


@pytest.mark.parametrize("slots", [1, 3])
def test_a_job_that_waits_below_a_body_for_one_that_asks_lets_the_body_rest(slots: int) -> None:
    """Not a body itself: it spawned two jobs, the second after the first, and awaits the second."""

    async def spawns() -> Any:
        async def quick(_: object) -> Any:
            return here().job.reply or Suspend("deep")

        context = here()
        first = await context.spawn(None, executor=quick)
        await asyncio.sleep(1)
        second = await context.spawn(None, executor=quick, after=first)
        with contextlib.suppress(JobSuspended):
            await second
        return "on"

    @flow
    async def body() -> Any:
        return await task(spawns)()

    async def main(engine: Engine) -> None:
        started = await body.start(engine)
        assert (await started.handle.wait()).status == "suspended"
        assert now() == 1
        [deep] = [job for job, reason in engine.snapshot().waiting.items() if reason.kind == "reply"]
        await engine.reply(deep, "yes")
        assert (
            await started.handle.wait()
        ).status == "suspended"  # the second asks too, and its await is over
        started.cancel()

    run(main, slots=slots)


def test_what_a_job_has_left_behind_keeps_its_body_from_resting() -> None:
    async def leaves() -> None:
        await here().spawn(10.0, executor=sleep.fn)
        await asyncio.sleep(2)

    @flow
    async def body() -> Any:
        async def later() -> None:
            await asyncio.sleep(1)
            await sleep(3)

        return await asyncio.gather(ask(), task(leaves)(), later(), sleep(1.5))

    async def main(engine: Engine) -> None:
        started = await body.start(engine)
        assert (await started.handle.wait()).status == "suspended"
        assert now() == 10
        started.cancel()

    run(main)


def test_a_body_whose_group_settles_does_not_rest_yet() -> None:
    @flow
    async def with_a_group(host: Engine) -> Any:
        from paceline import GroupPolicy

        async def nap(seconds: float) -> float:
            await asyncio.sleep(seconds)
            return seconds

        policy = GroupPolicy(release="complete", settle=7.0)
        group = await host.submit_group("g", primer=1, followers=[1], policy=policy, executor=nap)
        answer = ask()
        await group.results()
        return await answer

    async def main(engine: Engine) -> None:
        started = await with_a_group.start(engine, host=engine)
        assert (await started.handle.wait()).status == "suspended"
        assert now() == 9
        await engine.reply(asked(started.handle, started).id, "ok")
        assert await started == "ok"

    run(main)


def test_a_body_that_waits_for_a_job_elsewhere_too_does_not_rest_before_that_does() -> None:
    @flow
    async def waits(other: Handle) -> Any:
        return await gather(ask(), sleep.after(other)(1.0))

    async def main(engine: Engine) -> None:
        async def nap(seconds: float) -> None:
            await asyncio.sleep(seconds)

        other = await engine.submit(5, executor=nap)
        started = await waits.start(engine, inputs={"other": other})
        assert (await started.handle.wait()).status == "suspended"
        assert now() == 6
        started.cancel()

        asking = await engine.submit(3, executor=lambda seconds: Suspend("later"))
        started = await waits.start(engine, inputs={"other": asking})
        assert (await started.handle.wait()).status == "suspended"
        started.cancel()
        asking.cancel()

    run(main)


def test_what_comes_of_a_run_is_told_as_it_comes_to_rest() -> None:
    async def main(engine: Engine) -> None:
        started = await nested.start(engine, seconds=5.0)
        seen = [(result.name, result.status) async for result in started.as_completed()]
        assert seen == [
            ("ask", "suspended"),
            ("sleep", "succeeded"),
            ("a_flow", "suspended"),
            ("middle", "suspended"),
        ]
        await engine.reply(asked(started.handle, started).id, "yes")
        seen = [(result.name, result.status) async for result in started.as_completed()]
        assert [name for name, status in seen if status == "succeeded"][-1] == "middle"

    run(main)


def test_a_flow_that_waits_for_the_first_of_its_calls_goes_on_beside_one_that_asks() -> None:
    @flow
    async def first_come() -> list[str]:
        return [result.name async for result in as_completed([ask(), sleep(2.0)])]

    async def main(engine: Engine) -> None:
        started = await first_come.start(engine)
        await started.handle.wait()
        await engine.reply(asked(started.handle, started).id, "yes")
        assert await started == ["sleep", "ask"]

    run(main)


# How a body that rests ends.


def test_a_deadline_ends_a_body_that_rests_and_cancels_what_it_waits_for() -> None:
    @flow(deadline=20)
    async def late() -> Any:
        return await middle(1.0)

    async def main(engine: Engine) -> None:
        started = await late.start(engine)
        assert (await started.handle.wait()).status == "suspended"
        below = started.tasks
        await asyncio.sleep(30)
        result = await started.handle.wait()
        assert result.status == "failed"
        assert result.error is not None
        assert isinstance(result.error.exception, DeadlineExceeded)
        unended = [name for name, each in below.items() if each.status not in {"cancelled", "succeeded"}]
        assert not unended
        assert engine.snapshot().abandoned == ()

    run(main)


def test_a_body_that_rests_is_cancelled_with_all_below_it() -> None:
    async def main(engine: Engine) -> None:
        started = await nested.start(engine, seconds=1.0)
        await started.handle.wait()
        below = started.tasks
        assert started.cancel("enough")
        with pytest.raises(JobCancelled, match="enough"):
            await started
        assert {each.status for each in below.values()} == {"cancelled", "succeeded"}

    run(main)


def test_a_job_that_asks_is_cancelled_and_its_body_goes_on() -> None:
    @flow
    async def catches() -> str:
        try:
            return str(await ask())
        except JobCancelled:
            return "without"

    async def main(engine: Engine) -> None:
        started = await catches.start(engine)
        await started.handle.wait()
        asked(started.handle, started).cancel()
        assert await started == "without"

    run(main)


def test_the_time_in_which_a_flow_asks_does_not_count_in_its_timeout() -> None:
    @flow(timeout=5)
    async def asks() -> Any:
        await asyncio.sleep(3)
        answer = await here().ask("?")
        await asyncio.sleep(1)
        return answer

    async def main(engine: Engine) -> None:
        started = await asks.start(engine)
        await started.handle.wait()
        await asyncio.sleep(100)
        await engine.reply(started.id, "at last")
        assert await started == "at last"

    run(main)


@pytest.mark.parametrize("on_failure", ["skip_downstream", "fail_fast", "continue"])
def test_leaving_the_engine_lets_a_graph_rest_and_ends_its_code(
    on_failure: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing outlives the `async with`; a job that asks stays suspended, and so does the graph around it."""
    sink = MemorySink()

    async def main() -> None:
        async with Engine(sinks=[sink], grace=50) as engine:
            started = await graph.start(engine, seconds=5.0, on_failure=on_failure)
            below: dict[str, Handle] = {}
            await asyncio.sleep(1)
            below.update(started.tasks)
        assert now() == 5
        assert started.status == "suspended"
        assert {name: each.status for name, each in below.items()} == {
            "ask": "suspended",
            "sleep": "succeeded",
            "join": "cancelled",
        }
        assert asyncio.all_tasks() == {asyncio.current_task()}
        with pytest.raises(JobSuspended, match="'ask'"):
            await started

    VirtualClock().run(main)
    assert sink.of(events.RunEnded)[0].counts["suspended"] == 2
    assert not sink.of(events.AttemptAbandoned)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_leaving_the_engine_lets_nested_bodies_rest_and_runs_what_they_have_to_clean_up() -> None:
    cleaned: list[str] = []

    @flow
    async def outer() -> Any:
        try:
            return await nested(1.0)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append("outer")

    async def main() -> None:
        scopes: list[str] = []

        class Scopes:
            def on_begin(self, scope: Any) -> None:
                scopes.append(f"+{scope.name}")

            def on_end(self, scope: Any, error: BaseException | None) -> None:
                assert error is None
                scopes.append(f"-{scope.name}")

        async with Engine(middleware=[Scopes()]) as engine:
            started = await outer.start(engine)
        assert now() == pytest.approx(1.01)
        assert cleaned == ["outer"]
        assert started.status == "suspended"
        assert asyncio.all_tasks() == {asyncio.current_task()}
        names = ("outer", "nested", "middle", "a_flow")
        assert [scopes.count(f"+{name}") for name in names] == [1, 1, 1, 1]
        assert [scopes.count(f"-{name}") for name in names] == [1, 1, 1, 1]

    VirtualClock().run(main)


def test_a_flow_that_asks_is_left_suspended() -> None:
    @flow
    async def asks() -> Any:
        return await here().ask("?")

    async def main() -> None:
        async with Engine() as engine:
            started = await asks.start(engine)
        assert started.status == "suspended"
        assert [each.value for each in started.handle.questions] == ["?"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    VirtualClock().run(main)


def test_what_cannot_end_in_a_body_that_rests_is_waited_for_no_longer_than_grace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @flow
    async def stubborn() -> Any:
        with contextlib.suppress(asyncio.CancelledError):
            await ask()
        await asyncio.sleep(1000)

    async def main() -> None:
        async with Engine(grace=3) as engine:
            started = await stubborn.start(engine)
            await started.handle.wait()
        assert now() == 3
        assert started.status == "suspended"

    VirtualClock().run(main)
    assert "abandoned at the end of the run: attempt 1 of job 'stubborn'" in caplog.text


def test_an_error_in_the_engines_block_cancels_a_body_that_rests() -> None:
    seen: dict[str, Handle] = {}

    async def fails() -> None:
        async with Engine() as engine:
            started = await nested.start(engine, seconds=1.0)
            await started.handle.wait()
            seen.update(started.tasks, nested=started.handle)
            raise ZeroDivisionError

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await fails()
        assert {each.status for each in seen.values()} == {"cancelled", "succeeded"}
        assert seen["nested"].status == "cancelled"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    VirtualClock().run(main)


def test_leaving_waits_for_a_body_that_works_beside_one_that_rests() -> None:
    @flow
    async def works() -> str:
        await asyncio.sleep(8)
        return str(await sleep(1))

    async def main() -> None:
        async with Engine() as engine:
            resting, working = await graph.start(engine, seconds=1.0), await works.start(engine)
        assert now() == 9
        assert (resting.status, working.status) == ("suspended", "succeeded")

    VirtualClock().run(main)


def test_a_snapshot_counts_a_body_that_rests_as_suspended_and_one_that_works_as_running() -> None:
    @flow
    async def works() -> None:
        await asyncio.sleep(8)

    async def main(engine: Engine) -> None:
        started = await graph.start(engine, seconds=2.0)
        await works.start(engine)
        await asyncio.sleep(1)
        counts = engine.snapshot().counts
        assert (counts["running"], counts["suspended"], counts["waiting"]) == (3, 1, 1)
        await started.handle.wait()
        counts = engine.snapshot().counts
        assert (counts["running"], counts["suspended"], counts["waiting"]) == (1, 2, 1)
        assert engine.snapshot().slots_used == 0
        assert engine.snapshot().waiting[started.id].kind == "children"
        started.cancel()

    run(main)


def calls(work: Callable[[], object]) -> int:
    """How many functions the work calls, C's included: a measure that no slow machine changes."""
    count = 0

    def tally(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(tally)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_to_see_that_a_large_graph_does_not_rest_yet_costs_little_for_each_job() -> None:
    """One of two chains begins with a question; each job that ends in the other must not look at them all."""

    async def first() -> Any:
        return Suspend("?")

    async def quick() -> int:
        return 0

    def two_chains(size: int) -> int:
        chains = Dag("chains")
        for start, name in ((quick, "goes"), (first, "asks")):
            before = chains.task(start, name=name)
            for number in range(size):
                before = chains.task(quick, name=f"{name}-{number}", after=[before])

        async def main(engine: Engine) -> None:
            started = await chains.start(engine)
            assert (await started.handle.wait()).status == "suspended"
            assert sum(each.status == "succeeded" for each in started.tasks.values()) == size + 1
            started.cancel()

        return calls(lambda: run(main))

    assert two_chains(1200) < 5 * two_chains(300)


def test_a_body_fails_by_what_fails_beside_a_question_nobody_answered() -> None:
    @task
    async def fails() -> None:
        await asyncio.sleep(1)
        raise OSError

    @flow
    async def both() -> None:
        await gather(ask(), fails())

    async def main(engine: Engine) -> None:
        started = await both.start(engine)
        with pytest.raises((JobFailed, JobSuspended)):
            await started
        leaf = asked(started.handle, started) if started.status == "suspended" else None
        if leaf is not None:
            leaf.cancel()
        with pytest.raises(JobFailed):
            await started

    run(main)
