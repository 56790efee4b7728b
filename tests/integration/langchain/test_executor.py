"""Runnables as jobs: output, streams, release, configuration, cancelling; on LangChain's own fakes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import (
    BaseOutputParser,
    CommaSeparatedListOutputParser,
    JsonOutputParser,
    PydanticOutputParser,
    StrOutputParser,
)
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    ConfigurableField,
    Runnable,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from pydantic import BaseModel

from paceline import Engine, Job, JobContext, JobFailed, RetryPolicy, Suspend, as_executor, current_job
from paceline.testing import VirtualClock
from paceline_adapters.langchain import RunnableExecutor

Model = Callable[..., Any]
PROMPT = ChatPromptTemplate.from_template("about {topic}")
TOPIC = {"topic": "tides"}


class Point(BaseModel):
    x: int
    y: int


class ShoutParser(BaseOutputParser[str]):
    """Like many parsers it wants the whole answer before it says anything."""

    def parse(self, text: str) -> str:
        return text.upper()


async def deltas(parts: AsyncIterator[Any]) -> AsyncIterator[int]:
    async for _ in parts:
        for number in (1, 2, 3):
            yield number


def test_a_chain_is_found_to_be_an_executor(slow_model: Model) -> None:
    chain = PROMPT | slow_model() | StrOutputParser()
    executor = as_executor(chain)
    assert isinstance(executor, RunnableExecutor)
    assert executor.runnable is chain
    assert executor.name == "RunnableSequence"


def test_what_is_no_runnable_is_refused_with_the_way_to_run_it() -> None:
    with pytest.raises(TypeError, match=r"not function; functions run as they are"):
        RunnableExecutor(deltas)  # type: ignore[arg-type]


def test_without_langchain_the_adapter_says_what_to_install() -> None:
    code = "import sys; sys.modules['langchain_core'] = None; import paceline_adapters.langchain"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith('needs an extra: pip install "paceline[langchain]"')


CHAINS: dict[str, tuple[str, Callable[[Any], Runnable[Any, Any]]]] = {
    "message": ("to be or not", lambda model: PROMPT | model),
    "text": ("to be or not", lambda model: PROMPT | model | StrOutputParser()),
    "parser that holds back": ("to be", lambda model: PROMPT | model | ShoutParser()),
    "json object": ('{"a": [1, 2], "b": "c d"}', lambda model: PROMPT | model | JsonOutputParser()),
    "json list": ("[1, 2, 33]", lambda model: PROMPT | model | JsonOutputParser()),
    "pydantic": (
        '{"x": 1, "y": 2}',
        lambda model: PROMPT | model | PydanticOutputParser(pydantic_object=Point),
    ),
    "list of deltas": ("a, b, c", lambda model: PROMPT | model | CommaSeparatedListOutputParser()),
    "json list, bound": (
        "[1, 2, 33]",
        lambda model: (PROMPT | model | JsonOutputParser().with_config(tags=["t"])).with_retry(),
    ),
    "parallel": (
        "[1, 2, 33]",
        lambda model: RunnableParallel(
            list=PROMPT | model | JsonOutputParser(),
            message=PROMPT | model,
            topic=lambda given: given["topic"],
        ),
    ),
    "assign": (
        "[1, 2]",
        lambda model: RunnablePassthrough.assign(answer=PROMPT | model | JsonOutputParser()),
    ),
    "fallbacks": (
        "[1, 2]",
        lambda model: (PROMPT | model | JsonOutputParser()).with_fallbacks([RunnableLambda(len)]),
    ),
    "function": ("x", lambda model: RunnableLambda(lambda given: {"got": given})),
    "addable numbers": ("x", lambda model: RunnableGenerator(deltas)),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_stream_adds_up_to_what_ainvoke_gives(name: str, slow_model: Model) -> None:
    answer, compose = CHAINS[name]
    chain = compose(slow_model(answer=answer))

    async def main() -> tuple[Any, Any]:
        async with Engine(chain) as engine:
            whole = await (await engine.submit(TOPIC))
            streamed = await (await engine.submit(TOPIC, stream=True))
        return whole, streamed

    whole, streamed = VirtualClock().run(main)
    if isinstance(whole, AIMessage):
        assert (streamed.content, type(streamed)) == (whole.content, AIMessage)
    elif name == "parallel":
        assert (streamed["list"], streamed["topic"]) == ([1, 2, 33], "tides")
        assert (streamed["message"].content, type(streamed["message"])) == (answer, AIMessage)
    else:
        assert streamed == whole


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("answer", "parser"),
    [
        ('{"x": 1, y: 2}', JsonOutputParser()),
        ("who knows", JsonOutputParser()),
        ('{"x": 1}', PydanticOutputParser(pydantic_object=Point)),
    ],
)
def test_an_answer_that_makes_no_sense_fails_and_is_tried_again_streamed_or_not(
    stream: bool, answer: str, parser: Runnable[Any, Any], slow_model: Model
) -> None:
    """A stream of LangChain's own ends with the part that made sense, as if that were all."""
    chain = PROMPT | slow_model(answer=answer) | parser

    async def main() -> Any:
        async with Engine(chain, retry=RetryPolicy(attempts=2)) as engine:
            return await (await engine.submit(TOPIC, stream=stream)).wait()

    result = VirtualClock().run(main)
    assert (result.status, len(result.attempts)) == ("failed", 2)
    assert result.error.type == "langchain_core.exceptions.OutputParserException"


def test_an_answer_that_makes_no_sense_falls_back_streamed_or_not(slow_model: Model) -> None:
    """Once a chunk has come LangChain does not fall back, and so none may come before all is parsed."""
    chain = PROMPT | slow_model(answer='{"x": 1, y: 2}') | JsonOutputParser()

    def instead(given: dict[str, str]) -> str:
        return given["topic"]

    saved: Runnable[Any, Any] = chain.with_fallbacks([RunnableLambda(instead)])

    async def main() -> list[Any]:
        async with Engine(saved) as engine:
            return [await (await engine.submit(TOPIC, stream=stream)) for stream in (False, True)]

    assert VirtualClock().run(main) == ["tides", "tides"]


def test_chunks_are_the_chains_own(slow_model: Model) -> None:
    chain = PROMPT | slow_model(answer="to be or") | StrOutputParser()

    async def main() -> list[Any]:
        async with Engine(chain) as engine:
            handle = await engine.submit(TOPIC)
            return [chunk async for chunk in handle.stream() if chunk]

    assert VirtualClock().run(main) == ["to", " be", " or"]


def test_nobody_listens_and_nothing_is_streamed(slow_model: Model) -> None:
    model = slow_model(calls=[])

    async def main() -> None:
        async with Engine(PROMPT | model) as engine:
            await (await engine.submit(TOPIC))

    VirtualClock().run(main)
    assert model.calls == ["whole"]


def hidden(model: Any) -> Runnable[Any, Any]:
    """A model inside a function, which calls it whole."""

    async def ask(given: Any) -> str:
        return str((await model.ainvoke(given["topic"])).content)

    return RunnableLambda(ask)


PRIMERS: dict[str, tuple[float, Callable[[Any], Runnable[Any, Any]]]] = {
    "text": (3.0, lambda model: PROMPT | model | StrOutputParser()),
    "parser that holds back": (3.0, lambda model: PROMPT | model | ShoutParser()),
    "json that is partial": (3.0, lambda model: PROMPT | model | JsonOutputParser()),
    "model in a function": (3.0, hidden),
    "document passed through first": (
        3.0,
        lambda model: RunnableParallel(document=RunnablePassthrough(), answer=PROMPT | model),
    ),
    "model that cannot stream": (
        7.5,
        lambda model: PROMPT | model.model_copy(update={"disable_streaming": True}),
    ),
    "no model": (0.0, lambda model: RunnableGenerator(deltas)),
}


@pytest.mark.parametrize("name", PRIMERS)
def test_followers_start_at_the_first_token_of_the_models(name: str, slow_model: Model) -> None:
    released, compose = PRIMERS[name]
    chain = RunnableExecutor(compose(slow_model(answer='{"a": 1, "b": 2}', first=3.0, pace=1.5)))
    started: list[float] = []

    class ByRole:
        async def execute(self, job: Job, ctx: JobContext, /) -> object:
            if job.role == "primer":
                return await chain.execute(job, ctx)
            started.append(asyncio.get_running_loop().time())
            return None

    async def main() -> float:
        async with Engine(ByRole()) as engine:
            group = await engine.submit_group("g", primer=TOPIC, followers=[1, 2])
            await group.results()
            return asyncio.get_running_loop().time()

    ended = VirtualClock().run(main)
    assert started == [released, released]
    assert ended == (0.0 if name == "no model" else 7.5)


def test_config_of_the_executor_and_of_the_job_are_merged(trace: Any, slow_model: Model) -> None:
    model = slow_model().configurable_fields(answer=ConfigurableField("answer"))
    chain = PROMPT | model | StrOutputParser()
    mine = uuid.uuid4()
    executor = RunnableExecutor(
        chain, config={"callbacks": [trace], "tags": ["all"], "metadata": {"a": 1, "b": 1}}
    )

    async def main() -> Any:
        async with Engine(executor, run_id="r1") as engine:
            group = await engine.submit_group(
                "g", followers=[TOPIC], config={"tags": ["one"], "metadata": {"b": 2}, "run_id": mine}
            )
            [result] = await group.results()
            handle = await engine.submit(
                TOPIC, config={"run_name": "named", "configurable": {"answer": "yes"}}
            )
            assert await handle == "yes"
            return result

    result = VirtualClock().run(main)
    run = trace["RunnableSequence"]
    assert run["run_id"] == mine
    assert run["tags"] == ["all", "one"]
    assert run["metadata"] | {"a": 1, "b": 2} == run["metadata"]
    assert {key: value for key, value in run["metadata"].items() if key.startswith("paceline")} == {
        "paceline.run.id": "r1",
        "paceline.job.id": result.id,
        "paceline.job.name": "g/follower/0",
        "paceline.attempt": 1,
        "paceline.lane": "default",
        "paceline.group.id": "g",
        "paceline.role": "follower",
    }
    assert trace["named"]["parent_run_id"] is None


def test_each_attempt_is_a_run_with_an_id_of_its_own(trace: Any) -> None:
    def fail(given: Any) -> None:
        raise OSError("again")

    def ids(mine: uuid.UUID | None = None) -> list[uuid.UUID]:
        config = RunnableConfig(callbacks=[trace], run_id=mine)

        async def main() -> None:
            async with Engine(RunnableLambda(fail), retry=RetryPolicy(attempts=3)) as engine:
                await (await engine.submit(TOPIC, config=config)).wait()

        VirtualClock().run(main)
        return [run["run_id"] for run in trace.runs[-3:]]

    first = ids()
    assert len(set(first)) == 3
    assert ids() == first, "the clock repeats itself, and so the job's id, and so those of its runs"
    mine = uuid.uuid4()
    assert [each == mine for each in ids(mine)] == [True, False, False]


def test_a_run_id_for_all_jobs_is_refused() -> None:
    with pytest.raises(ValueError, match="names one run"):
        RunnableExecutor(RunnableLambda(len), config={"run_id": uuid.uuid4()})


def test_a_config_that_is_none_fails_its_job_at_once() -> None:
    async def main() -> None:
        async with Engine(RunnableLambda(len), retry=RetryPolicy(attempts=3)) as engine:
            handle = await engine.submit("x", name="j", config="nightly")
            with pytest.raises(
                JobFailed, match=r"1 attempt: TypeError: job 'j': config= must be a RunnableConfig"
            ):
                await handle

    VirtualClock().run(main)


def test_a_job_submitted_inside_a_run_is_traced_below_it(trace: Any, slow_model: Model) -> None:
    chain = (PROMPT | slow_model() | StrOutputParser()).with_config(run_name="inner")

    async def main() -> None:
        async with Engine(chain) as engine:

            async def body(given: Any) -> Any:
                return await (await engine.submit(given, config={"tags": ["job"]}))

            outer = RunnableLambda(body).with_config(run_name="outer")
            await outer.ainvoke(
                TOPIC, {"callbacks": [trace], "tags": ["caller"], "metadata": {"tenant": "t"}}
            )

    VirtualClock().run(main)
    assert trace.ancestors("inner") == ["outer"]
    assert trace.ancestors("SlowModel") == ["inner", "outer"]
    assert {"caller", "job"} <= set(trace["inner"]["tags"])
    assert trace["inner"]["metadata"]["tenant"] == "t"


def test_a_child_jobs_calls_are_counted_once_and_release_nobody_elses_followers(slow_model: Model) -> None:
    """The child's run is traced below its parent's, but the parent's own watch does not hear of its calls."""
    child = slow_model(usage={"input_tokens": 7, "output_tokens": 2, "total_tokens": 9})

    async def parent(given: Any) -> Any:
        job = current_job()
        assert job is not None
        handle = await job.spawn("below", executor=child)
        return (await handle.wait()).usage

    async def main() -> tuple[Any, Any]:
        async with Engine(RunnableLambda(parent), slots=1) as engine:
            handle = await engine.submit("above", stream=True)
            return await handle, (await handle.wait()).usage

    of_child, of_parent = VirtualClock().run(main)
    assert (of_child.input_tokens, of_parent) == (7, None)


def test_a_runnable_may_suspend_its_job() -> None:
    def ask(given: Any) -> Any:
        job = current_job()
        assert job is not None
        return job.job.reply or Suspend("sure?")

    async def main() -> Any:
        async with Engine(RunnableLambda(ask)) as engine:
            handle = await engine.submit("x")
            await handle.wait()
            await engine.reply(handle.id, "yes")
            return await handle

    assert VirtualClock().run(main) == "yes"


@pytest.mark.parametrize("stream", [False, True])
def test_cancelling_reaches_the_chain_and_closes_its_stream(stream: bool, slow_model: Model) -> None:
    ends: list[str] = []
    model = slow_model(calls=[])

    async def body(given: Any) -> Any:
        try:
            return await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async def main() -> None:
        async with Engine() as engine:
            waits = await engine.submit(TOPIC, executor=RunnableLambda(body), stream=stream)
            talks = await engine.submit(TOPIC, executor=PROMPT | model | StrOutputParser(), stream=True)
            await asyncio.sleep(2.5)
            waits.cancel()
            talks.cancel()
            await asyncio.sleep(0.01)
            assert ends == ["cancelled"]
            assert model.calls == ["stream", "closed"]
            assert engine.snapshot().abandoned == ()

    VirtualClock().run(main)


@pytest.mark.parametrize("parser", [StrOutputParser(), ShoutParser()], ids=["streams", "holds back"])
def test_a_cancellation_that_is_swallowed_ends_the_stream_at_the_next_token(
    parser: Runnable[Any, Any], slow_model: Model
) -> None:
    """`asyncio.wait_for`, which ChatOpenAI puts around each chunk, swallows some before Python 3.12."""
    model = slow_model(calls=[], stubborn=True, pace=100.0)

    async def main() -> None:
        async with Engine(PROMPT | model | parser) as engine:
            handle = await engine.submit(TOPIC, stream=True)
            await asyncio.sleep(50)
            handle.cancel()
            await asyncio.sleep(0.01)
            assert model.calls == ["stream", "closed"]

    VirtualClock().run(main)


def test_an_error_behind_the_model_closes_its_stream_though_the_result_is_kept(slow_model: Model) -> None:
    model = slow_model(calls=[])

    async def refuse(parts: AsyncIterator[str]) -> AsyncIterator[str]:
        async for part in parts:
            if part:
                raise RuntimeError("enough")
            yield part

    async def main() -> Any:
        async with Engine(PROMPT | model | StrOutputParser() | RunnableGenerator(refuse)) as engine:
            result = await (await engine.submit(TOPIC, stream=True)).wait()
            await asyncio.sleep(0.01)
            assert model.calls == ["stream", "closed"]
            return result

    assert VirtualClock().run(main).error.message == "enough"
