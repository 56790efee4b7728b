"""Flows: calls become jobs as they are made, everything else is plain Python, and the body holds no slot."""

import asyncio
from typing import Any

import anyio
import pytest

from paceline import (
    Ended,
    Engine,
    JobFailed,
    JobSkipped,
    RetryPolicy,
    UnknownName,
    as_completed,
    flow,
    gather,
    task,
)
from paceline.testing import VirtualClock


@task
async def wait(seconds: float, says: Any = None) -> Any:
    return await asyncio.sleep(seconds, says)


@task
async def fail(text: str) -> None:
    raise ValueError(text)


@task
async def number(value: int) -> int:
    return value


def now() -> float:
    return asyncio.get_running_loop().time()


def run(body: Any, *args: Any, slots: int = 8, **options: Any) -> Any:
    """What a flow returns on the virtual clock, and the time it takes."""

    async def main() -> Any:
        async with Engine(slots=slots, **options) as engine:
            started = await body.start(engine, inputs=dict(zip(body.signature.parameters, args, strict=True)))
            return await started, now()

    return VirtualClock().run(main)


def test_a_call_submits_a_job_at_once_however_late_it_is_awaited() -> None:
    @flow
    async def body() -> tuple[Any, float, Any]:
        early = wait(5, "early")
        await asyncio.sleep(4)
        late = wait(1, "late")
        return await early, now(), await late

    assert run(body) == (("early", 5, "late"), 5)


def test_calls_are_jobs_with_keys_by_position_whatever_order_they_are_awaited_in() -> None:
    @flow
    async def body() -> None:
        first, second = wait(2), wait(1)
        await second
        await wait.with_options(priority=1)(1)
        await first

    async def main() -> Any:
        async with Engine() as engine:
            runs = [await body.start(engine), await body.start(engine)]
            for each in runs:
                await each
            return [[handle.key for handle in each.tasks.values()] for each in runs]

    assert VirtualClock().run(main) == [["body/0", "body/1", "body/2"], ["body#2/0", "body#2/1", "body#2/2"]]


def test_jobs_start_in_the_order_of_the_calls() -> None:
    started: list[int] = []

    @task
    async def note(number: int) -> None:
        started.append(number)

    @flow
    async def body() -> None:
        calls = [note(number) for number in range(10)]
        await calls[7]

    run(body, slots=1)
    assert started == list(range(10))


async def by_asyncio_gather() -> list[Any]:
    return list(await asyncio.gather(wait(1, "a"), wait(2, "b"), asyncio.sleep(3, "c")))


async def by_gather() -> list[Any]:
    return list(await gather(wait(1, "a"), wait(2, "b"), wait(3, "c")))


async def by_gather_of_anything() -> list[Any]:
    return list(await gather(wait(1, "a"), asyncio.sleep(2, "b"), wait(3, "c")))


async def by_task_group() -> list[Any]:
    async def one(seconds: float, says: str) -> Any:
        return await wait(seconds, says)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(seconds, says)) for seconds, says in ((1, "a"), (2, "b"), (3, "c"))]
    return [each.result() for each in tasks]


async def by_anyio() -> list[Any]:
    found: list[Any] = []

    async def one(seconds: float, says: str) -> None:
        found.append(await wait(seconds, says))

    async with anyio.create_task_group() as group:
        group.start_soon(one, 2, "b")
        group.start_soon(one, 1, "a")
        group.start_soon(one, 3, "c")
    return found


async def by_tasks() -> list[Any]:
    async def one(seconds: float, says: str) -> Any:
        return await wait(seconds, says)

    tasks = [asyncio.create_task(one(1, "a")), asyncio.ensure_future(wait(2, "b"))]
    third = wait(3, "c")
    return [await tasks[0], await tasks[1], await third]


async def by_as_completed() -> list[Any]:
    return [each.output async for each in as_completed([wait(3, "c"), wait(1, "a"), wait(2, "b")])]


@pytest.mark.parametrize(
    "way",
    [by_asyncio_gather, by_gather, by_gather_of_anything, by_task_group, by_anyio, by_tasks, by_as_completed],
)
def test_calls_mix_with_all_that_asyncio_and_anyio_have(way: Any) -> None:
    assert run(flow(way)) == (["a", "b", "c"], 3)


async def by_asyncio_timeout() -> str:
    call = wait(5, "late")
    try:
        async with asyncio.timeout(2):
            await call
    except TimeoutError:
        return f"{now()} {await call} {now()}"
    return "never"


async def by_wait_for() -> str:
    call = wait(5, "late")
    try:
        await asyncio.wait_for(call, 2)
    except TimeoutError:
        return f"{now()} {await call} {now()}"
    return "never"


async def by_move_on() -> str:
    call = wait(5, "late")
    with anyio.move_on_after(2) as scope:
        await call
    return f"{now()} {await call} {now()}" if scope.cancelled_caught else "never"


@pytest.mark.parametrize("way", [by_asyncio_timeout, by_wait_for, by_move_on])
def test_giving_up_an_await_leaves_the_job_running_to_be_awaited_again(way: Any) -> None:
    # wait_for and gather of asyncio make a task of the call, which ends with the wait; the job does not.
    assert run(flow(way)) == ("2.0 late 5.0", 5)


def test_an_error_is_caught_where_the_call_is_awaited_with_the_original_as_its_cause() -> None:
    original = ValueError("no")

    @task(retry=RetryPolicy(attempts=3, base=0))
    async def fails() -> None:
        raise original

    @flow
    async def inner() -> None:
        await fails()

    @flow
    async def body() -> str:
        with pytest.raises(
            JobFailed, match=r"job 'fails' .* failed after 3 attempts: ValueError: no"
        ) as caught:
            await fails()
        assert caught.value.__cause__ is original
        with pytest.raises(JobFailed, match="job 'inner'") as nested:
            await inner()
        assert isinstance(nested.value.__cause__, JobFailed)
        assert nested.value.__cause__.__cause__ is original
        with pytest.raises(ExceptionGroup) as group:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(waited())
        assert group.group_contains(JobFailed)
        return "caught"

    async def waited() -> None:
        await fails()

    assert run(body)[0] == "caught"


def test_an_error_that_is_not_caught_fails_the_flow() -> None:
    @flow
    async def body() -> None:
        await fail("deep")

    async def main() -> Any:
        report = await body.run()
        with pytest.raises(JobFailed) as caught:
            await body()
        return report, caught.value

    report, error = VirtualClock().run(main)
    assert (report.state, report.tasks["fail"].status) == ("failed", "failed")
    assert isinstance(error.__cause__, JobFailed)
    assert isinstance(error.__cause__.__cause__, ValueError)


def test_the_retries_of_a_call_are_those_of_its_job_and_the_flow_is_tried_again_only_where_told() -> None:
    tries: list[str] = []

    @task
    async def flaky(until: int) -> int:
        tries.append("task")
        if tries.count("task") < until:
            raise ValueError("not yet")
        return len(tries)

    @flow
    async def body(until: int) -> int:
        tries.append("flow")
        return await flaky(until)

    retry = RetryPolicy(attempts=3, base=0)
    assert run(body, 3, retry=retry)[0] == 4
    assert tries == ["flow", "task", "task", "task"]
    tries.clear()
    with pytest.raises(JobFailed):
        run(body, 4, retry=retry)
    assert tries.count("flow") == 1
    tries.clear()
    assert run(body.with_options(retry=RetryPolicy(attempts=2, base=0)), 4, retry=retry)[0] == 6
    assert tries == ["flow", "task", "task", "task", "flow", "task"]


def test_an_agent_decides_its_next_step_from_what_it_sees() -> None:
    @task
    async def think(seen: list[str]) -> str:
        return ["search", "read", "answer"][len(seen)]

    @task
    async def act(step: str) -> str:
        return f"did {step}"

    @flow
    async def agent(goal: str) -> list[str]:
        seen: list[str] = []
        while (step := await think(seen)) != "answer":
            seen.append(await act(step))
        return [*seen, goal]

    assert run(agent, "tea")[0] == ["did search", "did read", "tea"]


def test_calls_that_nobody_awaits_are_waited_for_at_the_end() -> None:
    @flow
    async def body() -> str:
        wait(3)
        asyncio.get_running_loop().call_later(1, lambda: None)
        return "done"

    assert run(body) == ("done", 3)


def test_tasks_of_the_body_may_go_on_to_make_calls_while_it_waits_for_the_last_ones() -> None:
    kept: list[asyncio.Task[Any]] = []
    seen: list[float] = []

    @flow
    async def body() -> str:
        async def background() -> None:
            for _ in range(3):
                await wait(1)
                seen.append(now())

        kept.append(asyncio.create_task(background()))
        await asyncio.sleep(0)
        return "done"

    assert run(body) == ("done", 3)
    assert seen == [1, 2, 3]


def test_a_failure_that_nobody_awaited_fails_the_flow_and_one_that_was_seen_does_not() -> None:
    @flow
    async def unseen() -> str:
        fail("unseen")
        return "done"

    @flow
    async def seen() -> str:
        failed = fail("seen")
        assert (await failed.handle.wait()).status == "failed"
        return "done"

    with pytest.raises(JobFailed, match="job 'unseen'") as caught:
        run(unseen)
    assert isinstance(caught.value.__cause__, JobFailed)
    assert isinstance(caught.value.__cause__.__cause__, ValueError)
    assert run(seen)[0] == "done"


def test_a_call_that_is_refused_raises_where_it_is_awaited_or_fails_the_flow() -> None:
    lost = wait.with_options(lane="lost")

    @flow
    async def awaited() -> str:
        call = lost(1)
        await asyncio.sleep(1)
        for _ in range(2):
            with pytest.raises(UnknownName, match="no lane named 'lost'"):
                await call
        results = await gather(lost(1), wait(1, "fine"), return_exceptions=True)
        assert isinstance(results[0], UnknownName)
        with pytest.raises(UnknownName):
            await gather(wait(1), lost(1))
        return str(results[1])

    @flow
    async def unseen() -> str:
        lost(1)
        return "done"

    assert run(awaited)[0] == "fine"
    with pytest.raises(JobFailed) as caught:
        run(unseen)
    assert isinstance(caught.value.__cause__, UnknownName)


def test_order_without_data() -> None:
    @flow
    async def body() -> list[Any]:
        first, second = wait(2, "first"), wait(3, "second")
        by_call = wait.after(first)(1, "after the call")
        by_step = number.after(wait)(1)
        by_handle = wait.after(second.handle)(1)
        ends = [each.name async for each in as_completed([by_step, by_call, by_handle])]
        bad, slow = fail("x"), wait.with_options(priority=1)(2)
        assert await wait.after(Ended(bad), wait)(1, "at its end") == "at its end"
        assert now() == 7
        assert await slow is None
        with pytest.raises(JobSkipped):
            await wait.after(bad)(1)
        with pytest.raises(JobFailed):
            await bad
        return ends

    assert run(body)[0] == ["wait", "number", "wait"]


def test_order_after_a_method_is_after_its_calls_on_that_object() -> None:
    class Store:
        @task
        async def load(self, seconds: float) -> float:
            return await asyncio.sleep(seconds, now())

    @flow
    async def body() -> Any:
        one, other = Store(), Store()
        calls = one.load(3), other.load(5)
        started = await wait.after(one.load)(0, "then")
        return started, now(), len(await gather(*calls))

    assert run(body)[0] == ("then", 3, 2)
