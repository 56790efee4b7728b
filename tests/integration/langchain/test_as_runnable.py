"""The other way round: an engine as a Runnable and as a tool."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableGenerator, RunnableLambda
from pydantic import BaseModel, ValidationError

from paceline import (
    Engine,
    JobFailed,
    JobSuspended,
    Lane,
    RetryPolicy,
    StreamRestarted,
    Suspend,
    UnknownName,
    WrongLoop,
    current_job,
)
from paceline.testing import VirtualClock
from paceline_adapters.langchain import as_runnable, as_tool

Model = Callable[..., Any]
PROMPT = ChatPromptTemplate.from_template("about {topic}")
TOPIC = {"topic": "tides"}


def double(number: int) -> int:
    return 2 * number


async def fail(number: int) -> int:
    raise ValueError(f"not {number}")


def test_it_composes_and_each_input_is_a_job(slow_model: Model) -> None:
    async def main() -> Any:
        async with Engine(lanes=[Lane("batch")]) as engine:
            model = as_runnable(engine, executor=slow_model(answer="high and low"), lane="batch", name="ask")
            chain = PROMPT | model | StrOutputParser()
            assert await chain.ainvoke(TOPIC) == "high and low"
            assert [chunk async for chunk in chain.astream(TOPIC) if chunk] == ["high", " and", " low"]
            assert await chain.abatch([TOPIC, TOPIC]) == ["high and low"] * 2
            return engine.snapshot()

    snapshot = VirtualClock().run(main)
    assert snapshot.counts["succeeded"] == 4


def test_options_can_be_bound_and_are_checked() -> None:
    async def main() -> None:
        async with Engine(double) as engine:
            runnable = as_runnable(engine)
            assert await runnable.bind(executor=str).ainvoke(3) == "3"
            with pytest.raises(UnknownName, match="lane named 'vip'"):
                await runnable.bind(lane="vip").ainvoke(3)
            with pytest.raises(ValueError, match="a key names one job"):
                as_runnable(engine, key="k")

    asyncio.run(main())


def test_a_job_that_fails_raises_with_its_own_error_as_the_cause() -> None:
    async def main() -> None:
        async with Engine(fail) as engine:
            runnable = as_runnable(engine)
            with pytest.raises(JobFailed) as caught:
                await runnable.ainvoke(3)
            assert isinstance(caught.value.__cause__, ValueError)
            with pytest.raises(JobFailed) as caught:
                await anext(runnable.astream(3))
            assert isinstance(caught.value.__cause__, ValueError)
            with pytest.raises(JobFailed) as caught:
                await asyncio.to_thread(runnable.invoke, 3)
            assert isinstance(caught.value.__cause__, ValueError)
            assert str(caught.value).endswith("failed: not 3")
            assert await runnable.with_fallbacks([RunnableLambda(double)]).ainvoke(3) == 6

    asyncio.run(main())


def test_a_job_that_is_suspended_stays_so_and_can_be_answered() -> None:
    async def ask(number: int) -> Any:
        job = current_job()
        assert job is not None
        return job.job.reply or Suspend("sure?")

    async def main() -> Any:
        async with Engine(ask) as engine:
            with pytest.raises(JobSuspended) as caught:
                await as_runnable(engine).ainvoke(3)
            assert engine.snapshot().counts["suspended"] == 1
            await engine.reply(caught.value.job_id, "yes")
        return engine.snapshot().counts

    assert asyncio.run(main())["succeeded"] == 1


def test_a_stream_without_chunks_is_the_output() -> None:
    async def main() -> list[Any]:
        async with Engine(double) as engine:
            return [chunk async for chunk in as_runnable(engine).astream(3)]

    assert asyncio.run(main()) == [6]


def test_a_stream_that_starts_anew_says_so() -> None:
    tries: list[int] = []

    async def stammer(parts: AsyncIterator[Any]) -> AsyncIterator[str]:
        async for _ in parts:
            yield "one"
            tries.append(1)
            await asyncio.sleep(1)
            raise OSError("lost")

    async def main() -> None:
        async with Engine(RunnableGenerator(stammer), retry=RetryPolicy(attempts=3)) as engine:
            chunks = as_runnable(engine).astream("x")
            assert await anext(chunks) == "one"
            with pytest.raises(StreamRestarted):
                await anext(chunks)

    VirtualClock().run(main)
    assert len(tries) == 1, "the job was cancelled when nobody could follow it any more"


@pytest.mark.parametrize("how", ["ainvoke", "astream", "abatch"])
def test_a_caller_that_gives_up_cancels_its_job(how: str) -> None:
    ends: list[str] = []

    async def wait(number: int) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async def call(runnable: Runnable[Any, Any]) -> Any:
        if how == "astream":
            return [chunk async for chunk in runnable.astream(1)]
        return await (runnable.ainvoke(1) if how == "ainvoke" else runnable.abatch([1]))

    async def main() -> Any:
        async with Engine(wait) as engine:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call(as_runnable(engine)), 5)
            await asyncio.sleep(0.01)
            assert ends == ["cancelled"]
            return engine.snapshot()

    assert VirtualClock().run(main).counts["cancelled"] == 1


def test_a_batch_that_fails_pays_for_no_more() -> None:
    """LangChain's own abatch leaves the others running."""

    async def work(number: int) -> int:
        await asyncio.sleep(number)
        if number == 1:
            raise ValueError("no")
        return number

    async def main() -> Any:
        async with Engine(work) as engine:
            runnable = as_runnable(engine)
            with pytest.raises(JobFailed):
                await runnable.abatch([1, 2, 3])
            await asyncio.sleep(0.01)
            failed, *others = await runnable.abatch([1, 2, 3], return_exceptions=True)
            assert (type(failed), others) == (JobFailed, [2, 3])
            return engine.snapshot()

    counts = VirtualClock().run(main).counts
    assert (counts["cancelled"], counts["failed"], counts["succeeded"]) == (2, 2, 2)


def test_a_batch_keeps_to_its_max_concurrency() -> None:
    async def work(number: int) -> float:
        await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    async def main() -> Any:
        async with Engine(work) as engine:
            return await as_runnable(engine).abatch([1, 2, 3, 4], {"max_concurrency": 2})

    assert VirtualClock().run(main) == [1, 1, 2, 2]


@pytest.mark.parametrize("how", ["ainvoke", "astream", "invoke"])
def test_a_job_is_traced_under_its_callers_run(how: str, trace: Any, slow_model: Model) -> None:
    model = slow_model(first=0.0, pace=0.0)
    inner = (model | StrOutputParser()).with_config(run_name="inner")

    async def main() -> None:
        async with Engine(inner) as engine:
            chain = (PROMPT | as_runnable(engine, name="job")).with_config(run_name="outer")
            if how == "invoke":
                await asyncio.to_thread(chain.invoke, TOPIC, {"callbacks": [trace]})
            elif how == "ainvoke":
                await chain.ainvoke(TOPIC, {"callbacks": [trace]})
            else:
                assert [chunk async for chunk in chain.astream(TOPIC, {"callbacks": [trace]})]

    asyncio.run(main()) if how == "invoke" else VirtualClock().run(main)
    assert trace.ancestors("SlowModel") == ["inner", "job", "outer"]


def test_other_threads_invoke_and_the_loops_own_is_refused() -> None:
    async def main() -> list[Any]:
        async with Engine(double) as engine:
            runnable = as_runnable(engine)
            chain = RunnableLambda(double) | runnable

            def elsewhere() -> list[Any]:
                return [chain.invoke(1), chain.batch([2, 3]), list(runnable.stream(4))]

            with pytest.raises(WrongLoop, match=r"write `await runnable.ainvoke"):
                runnable.invoke(1)
            with pytest.raises(WrongLoop, match=r"write `await runnable.abatch"):
                runnable.batch([1, 2])
            with pytest.raises(WrongLoop, match=r"write `await runnable.ainvoke"):
                list(runnable.stream(1))
            # A sync function in an async chain runs in a thread, and may.
            assert await RunnableLambda(runnable.invoke).ainvoke(5) == 10
            return await asyncio.to_thread(elsewhere)

    assert asyncio.run(main()) == [4, [8, 12], [8]]


@pytest.mark.parametrize("how", ["await", "stream", "thread"])
def test_every_nesting_works_with_one_slot(how: str) -> None:
    async def main() -> Any:
        async with Engine(slots=1) as engine:
            inner = as_runnable(engine, executor=double)
            outer: Runnable[Any, Any] = RunnableLambda(double) | inner
            if how == "thread":
                outer = RunnableLambda(inner.invoke)
            return await (await engine.submit(1, executor=outer, stream=how == "stream"))

    assert asyncio.run(main()) == (2 if how == "thread" else 4)


class Question(BaseModel):
    topic: str
    depth: int = 1


def test_a_tool_takes_typed_arguments_and_is_traced(trace: Any) -> None:
    async def answer(given: dict[str, Any]) -> str:
        return f"{given['topic']} to depth {given['depth']}"

    async def main() -> None:
        async with Engine(RunnableLambda(answer).with_config(run_name="inner")) as engine:
            tool = as_tool(engine, "research", "Looks things up.", args_schema=Question)
            assert (tool.name, tool.description) == ("research", "Looks things up.")
            assert set(tool.args) == {"topic", "depth"}
            assert (
                await tool.ainvoke({"topic": "tides", "depth": 3}, {"callbacks": [trace]})
                == "tides to depth 3"
            )
            with pytest.raises(ValidationError):
                await tool.ainvoke({"topic": "tides", "depth": "deep"})
            message = await tool.ainvoke(
                {"name": "research", "args": {"topic": "tides"}, "id": "1", "type": "tool_call"}
            )
            assert (message.content, message.tool_call_id) == ("tides to depth 1", "1")
            assert engine.snapshot().counts["succeeded"] == 2

    asyncio.run(main())
    assert [run["name"] for run in trace.runs] == ["research", "inner"]
    assert trace.ancestors("inner") == ["research"]


def test_a_tool_without_a_schema_takes_a_text(slow_model: Model) -> None:
    async def main() -> None:
        async with Engine(lambda text: f"{text} in {threading.current_thread().name[:8]}") as engine:
            tool = as_tool(engine, "echo", "Repeats.")
            assert set(tool.args) == {"input"}
            assert await tool.ainvoke("tides") == "tides in paceline"
            assert await asyncio.to_thread(tool.invoke, {"input": "tides"}) == "tides in paceline"
            with pytest.raises(WrongLoop):
                tool.invoke("tides")

    asyncio.run(main())
