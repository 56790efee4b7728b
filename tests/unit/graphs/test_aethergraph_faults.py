"""What goes wrong in aethergraph 0.1.0a15, one test a fault, named by it: it goes right here."""

import asyncio
import threading
from typing import Any

import pytest

from paceline import Dag, Engine, From, JobFailed, RetryPolicy, RunReport, dag, flow, gather, task
from paceline.testing import VirtualClock


def now() -> float:
    return asyncio.get_running_loop().time()


def _large(value: int) -> bool:
    return value > 5


def test_a_node_is_tried_as_often_as_it_may_with_pauses_between() -> None:
    tries: list[float] = []

    @task(retry=RetryPolicy(attempts=3, base=0.5, cap=0.5))
    async def broken() -> None:
        tries.append(now())
        raise ConnectionError("gone")

    @dag
    async def pipeline() -> None:
        await broken()

    report = VirtualClock().run(pipeline.run)
    assert len(tries) == len(report.tasks["broken"].attempts) == 3
    assert sorted(set(tries)) == tries  # a pause, with jitter, before each
    assert tries[-1] <= 1.0
    assert report.tasks["broken"].status == "failed"


def test_whatever_goes_wrong_around_a_node_fails_it_once() -> None:
    tries: list[int] = []

    class Odd:
        async def execute(self, job: Any, ctx: Any) -> object:
            tries.append(1)
            return job.nothing_like_that

    class Keys(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            tries.append(2)
            raise RuntimeError("a mapping that breaks")

    @task
    async def load() -> Any:
        return Keys(a=1)

    @task
    async def use(value: Any) -> Any:
        return value

    graph = Dag("odd")
    graph.task(Odd(), name="odd")
    graph.task(load)
    graph.task(use, bind={"value": From(load, "a")})
    report = VirtualClock().run(graph.run)
    assert tries == [1, 2]
    assert {name: each.status for name, each in report.tasks.items()} == {
        "odd": "failed",
        "load": "succeeded",
        "use": "failed",
    }


def test_a_condition_that_does_not_hold_stalls_nothing() -> None:
    @task
    async def step(value: int) -> int:
        return value

    @dag
    async def pipeline() -> object:
        unwanted = await step.with_options(when=False)(1)
        return unwanted, await step.with_options(when=_large)(1)

    for seed in range(6):
        report: RunReport = VirtualClock(seed).run(lambda: pipeline.run(max_running=1))
        assert [each.status for each in report.tasks.values()] == ["skipped", "skipped"]
        assert (report.state, report.output) == ("succeeded", (None, None))


def test_a_cap_is_a_cap_for_flows_too() -> None:
    running = most = 0

    @task
    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1
        return number

    @flow(max_running=4)
    async def fan_out(count: int) -> list[int]:
        return await gather(*(work(number) for number in range(count)))

    async def main(**how: Any) -> int:
        nonlocal most
        most = 0
        async with Engine(slots=50) as engine:
            await fan_out.run(engine, count=20, **how)
        return most

    assert VirtualClock().run(main) == 4
    assert VirtualClock().run(lambda: main(max_running=2)) == 2


@pytest.mark.blocks_loop
def test_a_sync_tool_leaves_the_loop_alone() -> None:
    go = threading.Event()

    @task
    def blocks() -> str:
        assert go.wait(20)
        return threading.current_thread().name

    @task
    async def frees() -> None:
        go.set()  # on the loop, while the other blocks

    @dag
    async def pipeline() -> str:
        name = await blocks()
        await frees()
        return name

    async def main() -> object:
        async with Engine(slots=2) as engine:
            return (await pipeline.run(engine)).output

    assert asyncio.run(main()) != threading.current_thread().name


def test_the_tools_own_exception_comes_out() -> None:
    class Tool(Exception):
        pass

    original = Tool("quota")

    @task
    async def breaks() -> dict[str, int]:
        raise original

    @task
    async def below(value: int) -> int:
        return value

    @dag
    async def pipeline() -> object:
        return await below((await breaks())["k"])

    async def main() -> None:
        with pytest.raises(JobFailed, match=r"'breaks'.*Tool: quota") as caught:
            await pipeline()
        error: BaseException | None = caught.value
        while error is not None and error is not original:
            error = error.__cause__
        assert error is original

    VirtualClock().run(main)
