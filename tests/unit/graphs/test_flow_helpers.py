"""gather, as_completed and map, in flows and where a graph is drawn."""

import asyncio
from typing import Any

import pytest

from paceline import (
    BuildError,
    Engine,
    InputError,
    JobFailed,
    JobSkipped,
    PacelineError,
    Suspend,
    as_completed,
    current_job,
    dag,
    flow,
    gather,
    task,
)
from paceline.testing import EchoExecutor, VirtualClock


@task
async def wait(seconds: float, says: Any = None) -> Any:
    return await asyncio.sleep(seconds, says)


@task
async def fail(seconds: float) -> None:
    await asyncio.sleep(seconds)
    raise ValueError(f"after {seconds:g} s")


def now() -> float:
    return asyncio.get_running_loop().time()


def outcome(body: Any) -> Any:
    async def main() -> Any:
        return await body()

    return VirtualClock().run(main)


def test_gather_gives_what_calls_return_in_their_order_the_same_call_as_often_as_it_stands_there() -> None:
    @flow
    async def body() -> Any:
        one = wait(2, "one")
        return await gather(wait(3, "slow"), one, wait(1, "fast"), one), await gather()

    assert outcome(body) == (["slow", "one", "fast", "one"], [])


def test_gather_raises_the_first_failure_at_once_and_the_others_go_on() -> None:
    @flow
    async def body() -> Any:
        slow = wait(5, "slow")
        with pytest.raises(JobFailed, match="after 1 s"):
            await gather(fail(3), slow, fail(1))
        failed_at = now()
        return failed_at, await slow, now()

    assert outcome(body) == (1, "slow", 5)


def test_gather_puts_errors_among_the_results_where_asked() -> None:
    @flow
    async def body() -> Any:
        return await gather(
            fail(1), wait(2, "fine"), wait.with_options(when=False)(1), return_exceptions=True
        )

    failed, fine, skipped = outcome(body)
    assert isinstance(failed, JobFailed)
    assert isinstance(failed.__cause__, ValueError)
    assert fine == "fine"
    assert isinstance(skipped, JobSkipped)


def test_when_gather_has_failed_the_flow_is_at_work_again_and_does_not_rest() -> None:
    @task
    async def asks() -> Any:
        job = current_job()
        assert job is not None
        return job.job.reply or Suspend("?")

    @flow
    async def body() -> Any:
        call = asks()
        with pytest.raises(JobFailed):
            await gather(call, fail(1))
        await asyncio.sleep(5)
        return call.handle.status

    async def main() -> Any:
        async with Engine() as engine:
            run = await body.start(engine)
            await asyncio.sleep(3)
            while_it_works = run.status
            report = await run.report()
            assert now() == 6
            return while_it_works, report.state

    assert VirtualClock().run(main) == ("running", "suspended")


def test_as_completed_yields_results_as_they_come_and_does_not_raise_for_failures() -> None:
    @flow
    async def body() -> Any:
        once = wait(0)
        assert [len([each async for each in as_completed(calls)]) for calls in ([], [once, once])] == [0, 1]
        results = as_completed([wait(3, "c"), fail(2), wait(1, "a"), wait.with_options(when=False)(1)])
        return [(each.status, each.output, now()) async for each in results]

    assert outcome(body) == [
        ("skipped", None, 0),
        ("succeeded", "a", 1),
        ("failed", None, 2),
        ("succeeded", "c", 3),
    ]


def test_as_completed_may_be_left_when_enough_have_come() -> None:
    @flow
    async def body() -> Any:
        slow = fail(9)
        results = as_completed([slow, wait(1, "first"), wait(5)])
        winner = await anext(results)
        assert slow.handle.cancel()
        return winner.output, now()

    assert outcome(body) == ("first", 1)


def test_as_completed_takes_calls_of_a_flow_only() -> None:
    @flow
    async def body() -> None:
        with pytest.raises(PacelineError, match="as_completed takes calls of tasks, made in the flow"):
            as_completed([asyncio.sleep(0)])

    with pytest.warns(RuntimeWarning, match="'sleep' was never awaited"):
        outcome(body)


def test_gather_works_outside_flows_too() -> None:
    async def main() -> Any:
        with pytest.raises(ValueError, match="after 1 s"):
            await gather(fail(1), asyncio.sleep(0))
        return await gather(wait(1, "a"), asyncio.sleep(2, "b"))

    assert VirtualClock().run(main) == ["a", "b"]


def test_in_a_graph_gather_gives_its_symbols_and_what_makes_no_sense_there_is_refused() -> None:
    @dag
    async def drawn() -> Any:
        one, other = await gather(wait(1, "a"), wait(1, "b"))
        return await wait(1, [one, other])

    @dag
    async def capped() -> Any:
        return await gather(wait(1), wait(1), max_running=1)

    @dag
    async def racing() -> Any:
        return [each async for each in as_completed([wait(1)])]

    assert outcome(drawn) == ["a", "b"]
    with pytest.raises(BuildError, match=r"graph 'capped'.*gather takes neither max_running="):
        capped.build()
    with pytest.raises(BuildError, match=r"graph 'racing'.*write a @flow"):
        racing.build()


def test_map_in_a_flow_gives_the_list_in_order_and_items_are_jobs_of_their_own() -> None:
    @flow
    async def body() -> Any:
        call = wait.map([3, 1, 2], ["c", "a", "b"])
        assert await wait.map([1, 1], says="same") == ["same", "same"]
        return await call, await wait.map([])

    async def main() -> Any:
        async with Engine() as engine:
            run = await body.start(engine)
            output = await run
            return output, {name: handle.key for name, handle in run.tasks.items()}

    output, keys = VirtualClock().run(main)
    assert output == (["c", "a", "b"], [])
    assert keys["wait[2]"] == "body/0[2]"


def test_map_fails_with_the_first_item_that_failed_and_says_which() -> None:
    @task
    async def odd(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        return number

    @flow
    async def body() -> str:
        with pytest.raises(JobFailed) as caught:
            await odd.map([0, 2, 3, 4])
        return str(caught.value.__cause__)

    assert "'odd[2]'" in outcome(body)


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ((3,), "argument 'seconds' is a int"),
        (("text",), "argument 'seconds' is a str"),
        (({"a": 1},), "argument 'seconds' is a dict"),
        (([1, 2], [1]), "'seconds' has 2, 'says' has 1"),
    ],
)
def test_map_over_what_is_no_list_fails_the_call(lists: tuple[Any, ...], said: str) -> None:
    @flow
    async def body() -> Any:
        with pytest.raises(JobFailed, match=said) as caught:
            await wait.map(*lists)
        return caught.value.__cause__

    assert isinstance(outcome(body), InputError)


def test_a_condition_in_a_flow_is_a_value_or_a_function_of_arguments_defaults_included() -> None:
    @task
    async def work(number: int, limit: int = 5) -> int:
        return number

    def small(number: int, limit: int) -> bool:
        return number < limit

    async def late(number: int) -> bool:
        return True

    def sized(size: int) -> bool:
        return True

    echo = task(EchoExecutor(), name="echo").with_options(when=bool)

    @flow
    async def body() -> Any:
        picky = work.with_options(when=small)
        assert [*await gather(picky(4), picky(9, 10), work.with_options(when=[1])(6))] == [4, 9, 6]
        for never in (picky(5), work.with_options(when=[])(1)):
            with pytest.raises(JobSkipped, match=r"a condition .* did not hold"):
                await never
        with pytest.raises(TypeError, match="task 'work': `when` is a task or async function"):
            await work.with_options(when=late)(1)
        with pytest.raises(
            JobFailed, match="`when` asks for 'size', which is no argument of it: 'number', 'limit'"
        ):
            await work.with_options(when=sized)(1)
        with pytest.raises(JobSkipped):
            await echo(0)
        return await echo(2)

    assert outcome(body) == 2
