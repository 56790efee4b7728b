"""How arguments become data, and what a call is where no graph or flow is."""

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from paceline import (
    Call,
    Engine,
    Handle,
    InputError,
    Job,
    JobContext,
    JobFailed,
    JobSkipped,
    Lane,
    PacelineError,
    RetryPolicy,
    Suspend,
    current_job,
    flow,
    gather,
    task,
)
from paceline.testing import EchoExecutor, VirtualClock


@task
async def plain(a: int, b: int = 2, *, c: int = 3) -> tuple[int, ...]:
    return a, b, c


@task
async def odd(a: int, /, b: int = 2, *rest: int, c: int = 3, **more: int) -> tuple[Any, ...]:
    return a, b, rest, c, more


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1,), {}),
        ((1, 5), {}),
        ((1,), {"b": 5, "c": 6}),
        ((1, 5, 7, 8), {"c": 9, "d": 10}),
        ((1,), {"a": 11}),
    ],
)
def test_a_job_gets_the_arguments_as_they_were_given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    async def main() -> Any:
        @flow
        async def body() -> Any:
            return await odd(*args, **kwargs)

        return await odd(*args, **kwargs), await body(), await odd.fn(*args, **kwargs)

    in_place, in_flow, by_hand = VirtualClock().run(main)
    assert in_place == in_flow == by_hand


def test_the_payload_of_a_job_is_its_arguments_by_name() -> None:
    seen: list[Any] = []

    class Seeing:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            seen.append(job.payload)
            return None

    @flow
    async def main() -> None:
        await plain.with_options(executor=Seeing())(1, c=4)
        await odd.with_options(executor=Seeing())(1, 2, 3, d=4)
        echo = task(Seeing(), name="echo")
        await echo("text")
        await echo(query="tea", limit=3)

    async def run() -> None:
        await main()

    VirtualClock().run(run)
    assert seen == [
        {"a": 1, "c": 4},
        {"a": 1, "b": 2, "rest": (3,), "more": {"d": 4}},
        "text",
        {"query": "tea", "limit": 3},
    ]


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        ((), {}, "missing a required argument: 'a'"),
        ((1, 2, 3), {}, "too many positional arguments"),
        ((1,), {"d": 4}, "got an unexpected keyword argument 'd'"),
        ((1,), {"a": 4}, "multiple values for argument 'a'"),
    ],
)
def test_wrong_arguments_are_type_errors_at_the_call_that_name_the_task(
    args: tuple[Any, ...], kwargs: dict[str, Any], said: str
) -> None:
    call: Any = plain
    with pytest.raises(TypeError, match=f"^task 'plain': {said}"):
        call(*args, **kwargs)
    with pytest.raises(TypeError, match=r"^task 'plain'\.map needs a list to go over"):
        call.map()


def test_a_task_made_of_an_executor_takes_its_payload_or_arguments_that_make_one() -> None:
    echo = task(EchoExecutor(), name="echo")
    for args, kwargs in (((), {}), ((1, 2), {}), ((1,), {"a": 2})):
        with pytest.raises(TypeError, match="task 'echo' takes one argument, its payload"):
            echo(*args, **kwargs)


def test_unknown_names_in_a_foreign_payload_are_refused_by_tasks_with_rest_arguments_too() -> None:
    async def main() -> str:
        async with Engine(odd) as engine:
            result = await (await engine.submit({"a": 1, "x": 2})).wait()
            assert result.error is not None
            return result.error.message

    assert VirtualClock().run(main) == "got an unexpected argument 'x'"


# In place.


def test_a_call_outside_flows_runs_in_place_once_it_is_awaited_as_the_function_would() -> None:
    where: list[Any] = []

    @task(lane="nowhere", retry=RetryPolicy(attempts=3))
    async def fails(text: str) -> None:
        where.append((text, asyncio.current_task(), current_job()))
        raise ValueError(text)

    async def main() -> None:
        call = fails("now")
        assert isinstance(call, Call)
        await asyncio.sleep(1)
        assert not where
        with pytest.raises(ValueError, match="now"):
            await call
        assert where == [("now", asyncio.current_task(), None)]

    VirtualClock().run(main)


def test_a_sync_task_in_place_works_on_a_thread_with_the_callers_context() -> None:
    tenant: ContextVar[str] = ContextVar("tenant")

    @task
    def work(number: int) -> tuple[int, int, str]:
        return number, threading.get_ident(), tenant.get()

    @task
    async def outer() -> tuple[int, int, str]:
        return await work(2)

    async def main() -> None:
        tenant.set("t7")
        async with Engine() as engine:
            inside = await (await engine.submit({}, executor=outer))
        number, thread, seen = await work(1)
        assert (number, seen, inside[0], inside[2]) == (1, "t7", 2, "t7")
        assert threading.get_ident() not in {thread, inside[1]}

    VirtualClock().run(main)


def test_in_place_a_task_in_a_job_runs_in_that_job() -> None:
    @task
    async def inner() -> str:
        job = current_job()
        assert job is not None
        return job.job.name

    @task
    async def outer() -> str:
        return await inner()

    @flow
    async def main() -> tuple[str, str]:
        return await outer(), await inner()

    async def run() -> Any:
        return await main()

    assert VirtualClock().run(run) == ("outer", "inner")


def test_a_task_with_an_executor_runs_in_an_engine_of_its_own_or_as_a_child_of_the_job_which_calls() -> None:
    class Parent:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            return job.parent, job.lane

    parent = task(Parent(), name="parent")

    @task
    async def calls() -> Any:
        job = current_job()
        assert job is not None
        return await parent("?") == (job.job.id, "narrow")

    async def main() -> Any:
        async with Engine(slots=1, lanes=[Lane("narrow", max_running=1)]) as engine:
            assert await (await engine.submit({}, executor=calls, lane="narrow"))
        return await parent("?")

    assert VirtualClock().run(main) == (None, "default")


def test_a_call_that_nobody_awaits_is_warned_of() -> None:
    with pytest.warns(RuntimeWarning, match="<Call of 'plain'> was never awaited, and so never ran"):
        plain(1)


def test_a_call_in_place_runs_once() -> None:
    async def main() -> None:
        call = plain(1)
        assert await call == (1, 2, 3)
        with pytest.raises(PacelineError, match="<Call of 'plain'> was awaited before"):
            await call
        with pytest.raises(PacelineError, match=r"is no job: only in a flow"):
            _ = call.handle

    VirtualClock().run(main)


def test_a_call_as_an_argument_is_refused_with_what_to_write() -> None:
    @task
    async def total(numbers: Any) -> int:
        return len(numbers)

    async def body() -> None:
        one = plain(1)
        with pytest.raises(
            TypeError, match=r"task 'total': argument 'numbers' is <Call .*: await the call first"
        ):
            await total(one)
        two = [plain(1)]
        with pytest.raises(
            TypeError, match=r"argument 'numbers' is \[<Call .*: await gather\(\*calls\) first"
        ):
            await total(two)
        await gather(one, *two)

    @flow
    async def in_flow() -> None:
        await body()

    async def main() -> None:
        await body()
        await in_flow()

    VirtualClock().run(main)


def test_a_condition_holds_in_place_too() -> None:
    def descending(a: int, b: int) -> bool:
        return a > b

    conditional = plain.with_options(when=descending)

    async def main() -> None:
        assert await conditional(3) == (3, 2, 3)
        with pytest.raises(JobSkipped, match=r"'plain'.*condition"):
            await conditional(1)

    VirtualClock().run(main)


def test_in_place_a_task_comes_after_the_jobs_that_it_names_and_needs_their_success() -> None:
    ends: list[str] = []

    @task
    async def work(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        ends.append(name)
        if name == "bad":
            raise ValueError(name)

    async def main() -> None:
        async with Engine() as engine:

            @task
            async def waits(handle: Handle) -> None:
                await work.after(handle, work)("after", 1)

            good = await engine.submit({"name": "good", "seconds": 5}, executor=work)
            await (await engine.submit({"handle": good}, executor=waits))
            assert ends == ["good", "after"]
            bad = await engine.submit({"name": "bad", "seconds": 5}, executor=work)
            with pytest.raises(JobFailed) as caught:
                await (await engine.submit({"handle": bad}, executor=waits))
            assert isinstance(caught.value.__cause__, JobSkipped)

    VirtualClock().run(main)
    assert ends == ["good", "after", "bad"]


def test_a_map_in_place_keeps_order_and_cap() -> None:
    running = most = 0

    @task(max_running=2)
    async def square(number: int, plus: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(10 - number)
        running -= 1
        return number * number + plus

    async def main() -> list[int]:
        return await square.map([1, 2, 3, 4], plus=1)

    assert VirtualClock().run(main) == [2, 5, 10, 17]
    assert most == 2


def test_a_map_over_no_list_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(
            JobFailed, match=r"map of task 'plain' goes over a list, but argument 'a' is a str"
        ) as it:
            await plain.map("abc")
        assert isinstance(it.value.__cause__, InputError)

    VirtualClock().run(main)


def test_giving_up_a_call_in_place_ends_what_it_started() -> None:
    ended: list[str] = []

    @task
    async def work(name: str) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            ended.append(name)

    @flow
    async def pair(name: str) -> None:
        await gather(work(name), work(name))

    @task
    async def leaf() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await pair("in a job")

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await pair("alone")
        async with Engine(slots=1) as engine:
            await (await engine.submit({}, executor=leaf))
        return asyncio.get_running_loop().time()

    assert VirtualClock().run(main) == 4
    # One slot: the second one in a job had not begun.
    assert ended == ["alone", "alone", "in a job"]


def test_a_job_waits_on_for_what_it_calls_in_place_while_that_rests() -> None:
    @task
    async def asks() -> Any:
        job = current_job()
        assert job is not None
        return job.job.reply or Suspend("go on?")

    @flow
    async def inner() -> Any:
        return await asks()

    @task
    async def leaf() -> Any:
        return await inner()

    @flow
    async def outer() -> Any:
        return await leaf()

    async def main() -> Any:
        async with Engine(slots=1) as engine:
            run = await outer.start(engine)
            report = await run.report()
            assert (run.status, report.state) == ("suspended", "suspended")
            question = next(each for each in engine_jobs(engine) if each.startswith("asks"))
            await engine.reply(question.split()[1], "yes")
            return await run

    def engine_jobs(engine: Engine) -> list[str]:
        records = engine._open("look").records.values()
        return [f"{each.job.name} {each.job.id}" for each in records]

    assert VirtualClock().run(main) == "yes"
