"""Flows that ask, or wait for jobs that do: they rest, and go on with the answer."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from paceline import (
    DeadlineExceeded,
    Engine,
    EngineNotOpen,
    GraphRun,
    Handle,
    JobCancelled,
    JobContext,
    JobSuspended,
    PacelineError,
    ReplyRefused,
    Suspend,
    current_job,
    flow,
    gather,
    task,
)
from paceline.testing import VirtualClock


class Verdict(BaseModel):
    """What an answer looks like."""

    good: bool


def here() -> JobContext:
    job = current_job()
    assert job is not None
    return job


def now() -> float:
    return asyncio.get_running_loop().time()


@task
async def work(seconds: float) -> float:
    return await asyncio.sleep(seconds, seconds)


@task
async def approve(what: str) -> Any:
    return here().job.reply or Suspend(f"publish {what}?")


@flow
async def asks(times: int = 1, schema: Any = None) -> list[Any]:
    return [await here().ask(f"question {number}", schema=schema) for number in range(times)]


async def at_rest(run: GraphRun[Any] | Handle) -> tuple[Any, ...]:
    """The questions of a flow, once it rests."""
    handle = run.handle if isinstance(run, GraphRun) else run
    result = await handle.wait()
    assert result.status == handle.status == run.status == "suspended"
    assert result.questions == handle.questions
    return tuple(each.value for each in handle.questions)


def test_a_flow_asks_rests_and_goes_on_with_the_answer_as_often_as_it_likes() -> None:
    async def main() -> Any:
        async with Engine(slots=1) as engine:
            run = await asks.start(engine, times=3)
            for number in range(3):
                assert await at_rest(run) == (f"question {number}",)
                with pytest.raises(JobSuspended, match=rf"question {number}.*engine\.reply"):
                    await run
                assert (await run.report()).state == "suspended"
                assert engine.snapshot().slots_used == 0
                await asyncio.sleep(10)
                await engine.reply(run.id, number)
            return await run, len((await run.handle.wait()).attempts)

    assert VirtualClock().run(main) == ([0, 1, 2], 1)


def test_an_answer_must_fit_and_a_refused_one_leaves_the_question_open() -> None:
    async def main() -> Any:
        async with Engine() as engine:
            run = await asks.start(engine, schema=Verdict)
            await at_rest(run)
            with pytest.raises(ReplyRefused, match="does not fit"):
                await engine.reply(run.id, {"good": "perhaps"})
            assert await at_rest(run) == ("question 0",)
            await engine.reply(run.id, {"good": True})
            with pytest.raises(ReplyRefused, match="asks nothing"):
                await engine.reply(run.id, {"good": False})
            return await run

    assert VirtualClock().run(main) == [Verdict(good=True)]


def test_several_questions_at_once_are_answered_one_by_one() -> None:
    @flow
    async def body() -> Any:
        return await gather(here().ask("a"), here().ask("b", schema=int), here().ask("c"))

    async def main() -> Any:
        async with Engine() as engine:
            run = await body.start(engine)
            assert await at_rest(run) == ("a", "b", "c")
            with pytest.raises(ReplyRefused, match="several questions"):
                await engine.reply(run.id, 1)
            await engine.reply(run.id, "2", question="2")
            assert await at_rest(run) == ("a", "c")
            await engine.reply(run.id, 3, question="3")
            await engine.reply(run.id, 1)
            return await run

    assert VirtualClock().run(main) == [1, 2, 3]


def test_a_question_can_be_given_up() -> None:
    @flow
    async def body() -> str:
        try:
            async with asyncio.timeout(10):
                return str(await here().ask("now?"))
        except TimeoutError:
            await work(5)
            return str(await here().ask("then?"))

    async def main() -> str:
        async with Engine() as engine:
            run = await body.start(engine)
            await at_rest(run)
            await asyncio.sleep(12)
            assert (run.status, run.handle.questions) == ("running", ())
            with pytest.raises(ReplyRefused):
                await engine.reply(run.id, "late")
            assert await at_rest(run) == ("then?",)
            assert now() == 15
            await engine.reply(run.id, "yes")
            return await run

    assert VirtualClock().run(main) == "yes"


def test_calls_go_on_while_a_flow_asks() -> None:
    @flow
    async def body() -> Any:
        call = work(5)
        return await here().ask("?"), await call, now()

    async def main() -> Any:
        async with Engine() as engine:
            run = await body.start(engine)
            await at_rest(run)
            assert now() == 0
            await asyncio.sleep(2)
            await engine.reply(run.id, "yes")
            return await run

    assert VirtualClock().run(main) == ("yes", 5, 5)


def test_time_that_a_flow_spends_asking_does_not_count_in_its_timeout_but_in_its_deadline() -> None:
    @flow
    async def body() -> float:
        await work(2)
        await here().ask("?")
        await work(2)
        return now()

    async def main() -> None:
        async with Engine() as engine:
            for timeout, status in ((5, "succeeded"), (3, "failed")):
                run = await body.with_options(timeout=timeout, idle_timeout=4).start(engine)
                await at_rest(run)
                await asyncio.sleep(100)
                assert run.status == "suspended"
                await engine.reply(run.id, "yes")
                started = now()
                assert (await run.report()).state == status
                assert now() == started + (2 if status == "succeeded" else 1)
            run = await body.with_options(deadline=60).start(engine)
            await at_rest(run)
            await asyncio.sleep(61)
            assert run.status == "failed"
            result = await run.handle.wait()
            assert result.error is not None
            assert isinstance(result.error.exception, DeadlineExceeded)

    VirtualClock().run(main)


def test_a_flow_that_asks_can_be_cancelled() -> None:
    async def main() -> None:
        async with Engine() as engine:
            run = await asks.start(engine)
            await at_rest(run)
            assert run.cancel("never mind")
            with pytest.raises(JobCancelled, match="never mind"):
                await run
            assert run.handle.questions == ()

    VirtualClock().run(main)


def test_leaving_the_engine_ends_a_flow_that_asks_at_once_and_it_stays_suspended() -> None:
    ended: list[str] = []

    @flow
    async def body() -> None:
        try:
            await here().ask("?")
        finally:
            ended.append("body")

    @flow
    async def outer() -> None:
        await body()

    async def main() -> None:
        async with Engine() as engine:
            runs = [await body.start(engine), await outer.start(engine)]
            after = await engine.submit({"seconds": 1}, executor=work, after=runs[0].handle)
        assert [run.status for run in runs] == ["suspended", "suspended"]
        assert after.status == "cancelled"
        assert now() == 0
        with pytest.raises(JobSuspended):
            await runs[0]

    VirtualClock().run(main)
    assert ended == ["body", "body"]


def test_outside_flows_ask_says_what_to_return_instead() -> None:
    @task
    async def leaf() -> None:
        await here().ask("why?")

    async def main() -> None:
        report = await flow(leaf.fn).run()
        assert report.state == "suspended"
        async with Engine(leaf) as engine:
            result = await (await engine.submit({})).wait()
            assert result.error is not None
            assert "works in flows only" in result.error.message
            assert "Suspend('why?', schema=None)" in result.error.message

    VirtualClock().run(main)


def test_a_flow_that_was_given_up_cannot_ask() -> None:
    refused: list[str] = []

    @flow
    async def body() -> None:
        try:
            await work(100)
        finally:
            with pytest.raises(EngineNotOpen, match="has ended or was given up; it cannot ask") as caught:
                await here().ask("?")
            refused.append(str(caught.value))

    async def main() -> None:
        async with Engine() as engine:
            run = await body.start(engine)
            await asyncio.sleep(1)
            run.cancel()
        assert run.status == "cancelled"

    VirtualClock().run(main)
    assert len(refused) == 1


def test_a_flow_rests_with_a_job_that_asks_and_its_await_waits_on_until_the_end() -> None:
    @flow
    async def inner() -> Any:
        return await approve("the draft")

    @flow
    async def outer() -> Any:
        return [await inner(), await approve.map(["a", "b"]), await work(1)]

    async def main() -> Any:
        async with Engine(slots=1) as engine:
            run = await outer.start(engine)
            seen: list[str] = []
            while (await run.handle.wait()).status == "suspended":
                with pytest.raises(JobSuspended, match="waits for jobs that ask something: 'approve"):
                    await run
                for handle in run.tasks.values():
                    if handle.questions:
                        seen.append(handle.questions[0].value)
                        await engine.reply(handle.id, f"yes {len(seen)}")
                        break
            return await run, seen

    output, seen = VirtualClock().run(main)
    assert output == ["yes 1", ["yes 2", "yes 3"], 1]
    assert seen == ["publish the draft?", "publish a?", "publish b?"]


def test_a_flow_with_work_left_does_not_rest_before_that_is_done() -> None:
    @flow
    async def body() -> Any:
        return await gather(approve("it"), work(5))

    async def main() -> float:
        async with Engine() as engine:
            run = await body.start(engine)
            await asyncio.sleep(1)
            assert run.status == "running"
            assert (await run.handle.wait()).status == "suspended"
            return now()

    assert VirtualClock().run(main) == 5


def test_a_thousand_flows_in_each_other_rest_with_the_innermost() -> None:
    @flow
    async def deep(number: int) -> Any:
        return await (deep(number - 1) if number else approve("it"))

    async def main() -> Any:
        async with Engine(slots=1) as engine:
            run = await deep.start(engine, number=1000)
            assert (await run.handle.wait()).status == "suspended"
            *_, last = run.tasks.values()
            await engine.reply(last.id, "yes")
            return await run

    assert VirtualClock().run(main) == "yes"


def test_a_private_engine_is_left_when_its_flow_rests() -> None:
    async def main() -> None:
        report = await asks.run()
        assert report.state == "suspended"
        with pytest.raises(JobSuspended):
            await asks()
        with pytest.raises(PacelineError):
            await approve.with_options(when=True)("it")

    VirtualClock().run(main)
