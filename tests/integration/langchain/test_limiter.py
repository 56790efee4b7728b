"""The engine's limits as a rate limiter, for models that it cannot see."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from langgraph.graph import START, StateGraph
from pydantic import Field, SecretStr

from paceline import Budget, Cost, Engine, JobCancelled, Lane, Limits, Price, UnknownName, Usage, WrongLoop
from paceline.testing import VirtualClock
from paceline_adapters.langchain import EngineRateLimiter
from paceline_adapters.langgraph import GraphExecutor
from paceline_integrations.simulator import Simulator

ONE_A_SECOND = Limits(requests_per_minute=60, burst=1 / 60)
Serve = Callable[..., Simulator]


class Clocked(BaseChatModel):
    """Answers at once, and writes down who called when."""

    times: list[tuple[str, float]] = Field(default_factory=list[tuple[str, float]])

    @property
    def _llm_type(self) -> str:
        return "clocked"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("yes"))])

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.times.append((messages[0].text, asyncio.get_running_loop().time()))
        return self._generate(messages)


def calls(model: BaseChatModel, number: int) -> RunnableLambda[str, int]:
    """A function that calls a model, which no one can see from outside."""

    async def work(name: str) -> int:
        for _ in range(number):
            await model.ainvoke(name)
        return number

    return RunnableLambda(work)


@pytest.mark.parametrize("slots", [1, 8])
def test_calls_keep_to_the_requests_per_minute(slots: int) -> None:
    """Ten calls of two jobs, one a second; with one slot the jobs that wait do not keep it from the calls."""

    async def main() -> list[tuple[str, float]]:
        engine = Engine(slots=slots, limits={"m": ONE_A_SECOND})
        model = Clocked(rate_limiter=EngineRateLimiter(engine, "m"))
        async with engine:
            work = calls(model, 5)
            handles = [await engine.submit(name, executor=work) for name in ("a", "b")]
            assert [await handle for handle in handles] == [5, 5]
        return model.times

    times = [time for _, time in VirtualClock().run(main)]
    assert times == pytest.approx(list(range(10)), abs=0.01)


def test_a_job_that_has_begun_goes_on_before_others_begin() -> None:
    async def main() -> list[str]:
        engine = Engine(slots=1, limits={"m": Limits(requests_per_minute=1_000_000)})
        model = Clocked(rate_limiter=EngineRateLimiter(engine, "m"))
        async with engine:
            work = calls(model, 3)
            for name in ("a", "b", "c"):
                await engine.submit(name, executor=work)
        return [name for name, _ in model.times]

    assert VirtualClock().run(main) == ["a"] * 3 + ["b"] * 3 + ["c"] * 3


def test_calls_outside_of_any_job_wait_too() -> None:
    async def main() -> list[tuple[str, float]]:
        engine = Engine(limits={"m": ONE_A_SECOND})
        model = Clocked(rate_limiter=EngineRateLimiter(engine, "m"))
        async with engine:
            await asyncio.gather(*(model.ainvoke("x") for _ in range(3)))
        return model.times

    times = [time for _, time in VirtualClock().run(main)]
    assert times == pytest.approx([0, 1, 2], abs=0.01)


@pytest.mark.parametrize(
    ("tokens", "limits"),
    [
        (100, Limits(tokens_per_minute=6000, burst=1 / 60)),
        (Cost(0, 100, 1), Limits(output_tokens_per_minute=6000, burst=1 / 60)),
        (Cost(100, 0, 1), Limits(input_tokens_per_minute=6000, burst=1 / 60)),
    ],
)
def test_each_call_takes_as_many_tokens_as_it_was_said_to(tokens: int | Cost, limits: Limits) -> None:
    async def main() -> list[tuple[str, float]]:
        engine = Engine(limits={"m": limits})
        model = Clocked(rate_limiter=EngineRateLimiter(engine, "m", tokens=tokens))
        async with engine:
            await (await engine.submit("x", executor=calls(model, 4)))
        return model.times

    times = [time for _, time in VirtualClock().run(main)]
    assert times == pytest.approx([0, 1, 2, 3], abs=0.01)


def test_without_tokens_a_call_takes_none_and_a_budget_counts_what_the_job_reports() -> None:
    class Counted(Clocked):
        def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
            usage: Any = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
            message = AIMessage("yes", usage_metadata=usage, response_metadata={"model_name": "m"})
            return ChatResult(generations=[ChatGeneration(message=message)])

    async def main() -> Any:
        engine = Engine(
            limits={"m": Limits(tokens_per_minute=60, burst=1)},
            budget=Budget(tokens=1000, money=1000.0),
            prices={"m": Price(input=1_000_000.0, output=0.0)},
        )
        model = Counted(rate_limiter=EngineRateLimiter(engine, "m"))
        async with engine:
            handle = await engine.submit("x", executor=calls(model, 2))
            await handle
            return (await handle.wait()).usage, engine.budget().spent(), engine.resource("m").available

    usage, spent, available = VirtualClock().run(main)
    assert usage == Usage(20, None, None, 10, None, 2, 20.0, "m")
    assert spent == {"tokens": 30, "money": 20.0}
    assert available == {"tokens": 60}


class Said(TypedDict):
    said: Annotated[list[str], operator.add]


@pytest.mark.parametrize("slots", [1, 8])
def test_models_in_the_parallel_nodes_of_a_graph_keep_to_it_together(slots: int) -> None:
    async def main() -> tuple[list[tuple[str, float]], Any]:
        engine = Engine(slots=slots, limits={"m": ONE_A_SECOND})
        model = Clocked(rate_limiter=EngineRateLimiter(engine, "m"))

        async def say(state: Said) -> Any:
            return {"said": [(await model.ainvoke("x")).text]}

        builder: Any = StateGraph(Said)
        for name in "abc":
            builder.add_node(name, say)
            builder.add_edge(START, name)
        async with engine:
            graph = GraphExecutor(builder.compile())
            handles = [await engine.submit({"said": []}, executor=graph) for _ in range(2)]
            return model.times, [await handle for handle in handles]

    times, outputs = VirtualClock().run(main)
    assert outputs == [{"said": ["yes"] * 3}] * 2
    gaps = [later - before for (_, before), (_, later) in pairwise(times)]
    assert len(gaps) == 5
    assert min(gaps) > 0.99


def test_a_chain_that_shows_its_model_is_counted_once() -> None:
    class Named(Clocked):
        model_name: str = "m"

    async def main() -> list[tuple[str, float]]:
        engine = Engine(limits={"m": ONE_A_SECOND})
        model = Named(rate_limiter=EngineRateLimiter(engine, "m"))
        async with engine:
            for name in ("a", "b", "c"):
                await engine.submit(name, executor=model)
        return model.times

    times = [time for _, time in VirtualClock().run(main)]
    assert times == pytest.approx([0, 1, 2], abs=0.01)


def test_a_call_queues_in_the_lane_of_its_job_and_costs_it_nothing() -> None:
    async def main() -> Any:
        engine = Engine(slots=1, lanes=[Lane("batch")], limits={"m": Limits(requests_per_minute=1000)})
        model = Clocked(rate_limiter=EngineRateLimiter(engine, "m"))
        async with engine:
            await (await engine.submit("x", executor=calls(model, 3), lane="batch"))
            return {name: lane.served for name, lane in engine.snapshot().lanes.items()}

    assert VirtualClock().run(main) == {"default": 0, "batch": 1}


def test_a_job_that_is_cancelled_takes_its_waiting_call_along() -> None:
    async def main() -> Any:
        engine = Engine(limits={"m": ONE_A_SECOND})
        model = Clocked(rate_limiter=EngineRateLimiter(engine, "m"))
        async with engine:
            handle = await engine.submit("x", executor=calls(model, 9))
            await asyncio.sleep(1.5)
            handle.cancel()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(model.ainvoke("y"), 0.1)
            await asyncio.sleep(5)
            return model.times, engine.snapshot().counts

    times, counts = VirtualClock().run(main)
    assert len(times) == 2
    assert (counts["waiting"], counts["running"], counts["cancelled"]) == (0, 0, 3)


@pytest.mark.parametrize("where", ["outside", "job", "thread", "thread of a job"])
def test_who_does_not_want_to_wait_is_told_whether_there_is_room(where: str) -> None:
    async def main() -> list[bool]:
        engine = Engine(slots=1, limits={"m": Limits(requests_per_minute=0.001, burst=2000)})
        limiter = EngineRateLimiter(engine, "m")

        async def ask(_: object = None) -> list[bool]:
            return [await limiter.aacquire(blocking=False) for _ in range(3)]

        def ask_in_thread(_: object = None) -> list[bool]:
            return [limiter.acquire(blocking=False) for _ in range(3)]

        async with engine:
            if where == "thread":
                return await asyncio.to_thread(ask_in_thread)
            if where == "outside":
                return await ask()
            work: Any = ask if where == "job" else ask_in_thread
            told: list[bool] = await (await engine.submit(None, executor=work))
            return told

    assert asyncio.run(main()) == [True, True, False]


def test_a_sync_chain_waits_in_its_thread_and_the_loops_own_is_refused(serve: Serve) -> None:
    simulator = serve(rpm=100)

    async def main() -> Any:
        engine = Engine(slots=1, limits={"simulator": Limits(requests_per_minute=6000, burst=1 / 6000)})
        model = ChatOpenAI(
            model="simulator",
            base_url=simulator.base_url,
            api_key=SecretStr("none"),
            rate_limiter=EngineRateLimiter(engine, "simulator"),
        )

        def work(name: str) -> list[str]:
            return [model.invoke(name).text for _ in range(3)]

        async with engine:
            with pytest.raises(WrongLoop):
                model.invoke("x")
            answers = await (await engine.submit("x", executor=work))
            return answers, engine.snapshot().counts["succeeded"]

    answers, succeeded = asyncio.run(main())
    assert all(answers)
    assert simulator.stats().requests == 3
    assert succeeded == 1 + 3, "the job and its calls; the one that nobody could wait for was cancelled"


def test_what_is_wrong_is_said() -> None:
    engine = Engine()
    with pytest.raises(TypeError, match="whole number or a Cost"):
        EngineRateLimiter(engine, "m", tokens="many")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="at least 0"):
        EngineRateLimiter(engine, "m", tokens=-1)

    async def main() -> None:
        async with engine:
            limiter = EngineRateLimiter(engine, "m")
            with pytest.raises(UnknownName, match=r"Engine\(limits="):
                await limiter.aacquire()
            with pytest.raises(UnknownName, match=r"Engine\(limits="):
                await asyncio.to_thread(limiter.acquire)
            with pytest.raises(UnknownName, match=r"Engine\(limits="):
                await asyncio.to_thread(limiter.acquire, blocking=False)

    asyncio.run(main())


def test_a_call_that_is_cancelled_in_its_thread_says_so() -> None:
    async def main() -> None:
        engine = Engine(limits={"m": Limits(requests_per_minute=0.001, burst=1000)})
        limiter = EngineRateLimiter(engine, "m")
        waiting: list[asyncio.Task[bool]] = []

        async def leave() -> None:
            async with engine:
                assert await limiter.aacquire()
                waiting.append(asyncio.create_task(asyncio.to_thread(limiter.acquire)))
                while not engine.snapshot().counts["waiting"]:  # noqa: ASYNC110 - the engine tells nobody
                    await asyncio.sleep(0.001)
                raise KeyError("out")

        with pytest.raises(KeyError):
            await leave()
        with pytest.raises(JobCancelled, match=r"job 'm' cancelled: .*KeyError"):
            await waiting[0]

    asyncio.run(main())


def test_what_the_caller_hangs_on_its_model_stays() -> None:
    """A limiter is part of the model, and no callback sees it."""
    heard: list[str] = []

    class Heard(BaseCallbackHandler):
        run_inline = True

        def on_llm_end(self, response: Any, **kwargs: Any) -> None:
            heard.append("end")

    async def main() -> None:
        engine = Engine(limits={"m": Limits(requests_per_minute=600)})
        model = Clocked(rate_limiter=EngineRateLimiter(engine, "m"), callbacks=[Heard()])
        async with engine:
            await (await engine.submit("x", executor=calls(model, 2)))

    VirtualClock().run(main)
    assert heard == ["end", "end"]
