"""What may be said of a task: how it reaches the job, and what is refused at declaration."""

import asyncio
from typing import Any

import pytest

from paceline import Engine, Job, JobContext, Lane, PacelineError, RetryPolicy, UnknownName, flow, task
from paceline.testing import EchoExecutor, VirtualClock


async def double(number: int) -> int:
    return 2 * number


def triple(number: int) -> int:
    return 3 * number


class Shouting:
    """Runs jobs: with a payload."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        return f"{job.payload}!"


def test_options_reach_the_job() -> None:
    seen: list[Any] = []

    class Seeing:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            seen.append((job, ctx.streaming))
            return await asyncio.sleep(job.payload["seconds"], job.payload)

    @task(
        name="work", lane="gpu", priority=3, retry=RetryPolicy(attempts=2, base=0), timeout=2.0, cost=5.0,
        stream=True, config={"tags": ["a"]}, metadata={"owner": "me"}, executor=Seeing(), deadline=60.0,
        idle_timeout=10.0,
    )  # fmt: skip
    async def work(seconds: float, *, label: str = "none") -> dict[str, Any]:
        raise AssertionError("its executor runs instead")

    @flow
    async def main() -> Any:
        slow = await work.with_options(metadata={"owner": "you"})(3, label="slow").handle.wait()
        return await work(1), slow

    async def run() -> Any:
        async with Engine(lanes=[Lane("gpu")]) as engine:
            return await (await main.start(engine))

    output, slow = VirtualClock().run(run)
    assert output == {"seconds": 1}
    assert (slow.status, slow.error.type, len(slow.attempts)) == ("failed", "paceline.AttemptTimeout", 2)
    assert slow.metadata == {"owner": "you"}
    job, streaming = seen[-1]
    assert (job.name, job.lane, job.priority, job.config, job.metadata, streaming) == (
        "work", "gpu", 3, {"tags": ["a"]}, {"owner": "me"}, True,
    )  # fmt: skip
    assert seen[0][0].payload == {"seconds": 3, "label": "slow"}


def test_the_cost_that_a_task_states_is_what_its_lane_is_charged() -> None:
    shares: list[str] = []

    @task(cost=3.0, lane="dear")
    async def dear() -> None:
        shares.append("dear")

    @task(lane="cheap")
    async def cheap() -> None:
        shares.append("cheap")

    @flow
    async def main() -> None:
        _ = [dear() for _ in range(4)], [cheap() for _ in range(12)]

    async def run() -> None:
        async with Engine(slots=1, lanes=[Lane("dear"), Lane("cheap")]) as engine:
            await (await main.start(engine))

    VirtualClock().run(run)
    assert shares[:8].count("cheap") == 6


def test_an_executor_is_named_where_the_engine_knows_it() -> None:
    @task(executor="echo")
    async def ask(question: str) -> Any: ...

    @flow
    async def main() -> Any:
        return await ask("why?"), await ask.with_options(executor=Shouting())("why?")

    async def run() -> Any:
        async with Engine({"echo": EchoExecutor()}) as engine:
            return await (await main.start(engine))

    assert VirtualClock().run(run) == ({"question": "why?"}, "{'question': 'why?'}!")
    with pytest.raises(
        PacelineError, match=r"task 'ask' runs on the executor 'echo' of an engine: executor='echo'"
    ):
        ask.as_executor()

    async def alone() -> Any:
        return await ask("why?")

    with pytest.raises(UnknownName, match="no executor named 'echo'"):
        VirtualClock().run(alone)


def test_a_task_can_be_the_executor_of_a_job() -> None:
    async def main() -> Any:
        async with Engine(task(double)) as engine:
            one = await engine.submit({"number": 2})
            two = await engine.submit({"number": 2}, executor=task(triple))
            wrong = await (await engine.submit("2")).wait()
            assert wrong.error is not None
            assert "arguments by name, as a mapping; it is '2'" in wrong.error.message
            return await one, await two

    assert VirtualClock().run(main) == (4, 6)


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"lanes": "x"}, TypeError, r"unknown option lanes; known: config, cost, .*when"),
        ({"key": "x"}, TypeError, "unknown option key"),
        ({"after": ()}, TypeError, "unknown option after"),
        ({"timeout": -1}, ValueError, "timeout must be a finite number above 0, not -1"),
        ({"deadline": "soon"}, TypeError, "deadline must be a finite number above 0, not 'soon'"),
        ({"priority": 1.5}, TypeError, "priority must be a whole number, not 1.5"),
        ({"retry": 3}, TypeError, "retry must be a RetryPolicy, not 3"),
        ({"lane": ""}, ValueError, "lane must not be empty"),
        ({"max_running": 0}, ValueError, "max_running must be a whole number of at least 1, not 0"),
        ({"metadata": 7}, TypeError, "metadata must be a mapping, not 7"),
        ({"cost": float("nan")}, ValueError, "cost must be a finite number"),
    ],
)
def test_bad_options_are_refused_at_declaration_with_the_name_of_the_task(
    options: dict[str, Any], kind: type[Exception], said: str
) -> None:
    for make in (lambda: task(double, **options), lambda: task(double).with_options(**options)):
        with pytest.raises(kind, match=f"^task 'double': {said}"):
            make()
    with pytest.raises(kind, match=f"^flow 'double': {said}"):
        flow(double, **options)


def test_a_name_is_a_text_with_something_in_it() -> None:
    with pytest.raises(ValueError, match="task: name must not be empty"):
        task(double, name="")
    with pytest.raises(TypeError, match="task: name must be a text, not 3"):
        task(double, name=3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="task 'double': unknown option name"):
        task(double).with_options(name="other")  # type: ignore[call-arg]


def test_variants_leave_the_task_as_it_was() -> None:
    base = task(double, lane="a", priority=1)
    variant = base.with_options(lane="b", metadata={"x": 1})
    assert (base.options["lane"], base.options["priority"]) == ("a", 1)
    assert (variant.options["lane"], variant.options["priority"]) == ("b", 1)
    assert base.after(base).afters == (base,)
    assert not base.afters
