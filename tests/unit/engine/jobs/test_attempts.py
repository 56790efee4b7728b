"""An attempt: one task, in a copy of the context of its submit, cancelled once."""

import asyncio
import contextvars

import pytest

from paceline import Engine, Handle, Job, JobContext, RetryPolicy, current_job
from paceline.testing import EchoExecutor, VirtualClock

TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


async def tenant(payload: object) -> str:
    await asyncio.sleep(1)
    return TENANT.get()


def test_an_attempt_sees_the_context_of_its_submit_not_of_what_came_later() -> None:
    async def main() -> None:
        async with Engine(tenant, slots=1) as engine:
            handles: list[Handle] = []
            for name in ("ada", "bob"):
                TENANT.set(name)
                handles.append(await engine.submit(name))
            TENANT.set("late")
            assert [await handle for handle in handles] == ["ada", "bob"]

    VirtualClock().run(main)


def test_each_attempt_has_its_own_copy_and_what_it_sets_stays_there() -> None:
    seen: list[str] = []

    async def leaky(payload: object) -> str:
        seen.append(TENANT.get())
        TENANT.set(f"set by attempt {len(seen)}")
        if len(seen) == 1:
            raise ValueError
        return TENANT.get()

    async def main() -> None:
        TENANT.set("main")
        async with Engine(leaky, slots=1, retry=RetryPolicy(attempts=2)) as engine:
            assert await (await engine.submit(1)) == "set by attempt 2"
            assert await (await engine.submit(2)) == "set by attempt 3"
        assert seen == ["main"] * 3
        assert TENANT.get() == "main"

    VirtualClock().run(main)


def test_each_attempt_is_one_task_of_its_own_named_after_the_job() -> None:
    async def task_name(payload: object) -> str:
        task = asyncio.current_task()
        assert task is not None
        return task.get_name()

    async def main() -> None:
        async with Engine(task_name) as engine:
            handles = [await engine.submit(i) for i in range(3)]
            assert [await handle for handle in handles] == [handle.id for handle in handles]

    VirtualClock().run(main)


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="eager tasks came with Python 3.12")
def test_under_an_eager_task_factory_a_job_still_does_not_start_inside_its_submit() -> None:
    began: list[object] = []

    async def begin(payload: object) -> None:
        began.append(payload)

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
        async with Engine(begin) as engine:
            await engine.submit(1)
            assert began == []

    VirtualClock().run(main)


def test_an_attempt_is_cancelled_once_so_that_its_handler_may_await() -> None:
    """LangGraph writes its last checkpoint so; an anyio cancel scope would cancel each of these awaits."""
    steps: list[str] = []

    async def graph(payload: object) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            for step in ("drain", "checkpoint", "close"):
                await asyncio.sleep(1)
                steps.append(step)
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 1
            raise

    async def main() -> None:
        async with Engine(graph, grace=5) as engine:
            handle = await engine.submit(1)
            await asyncio.sleep(1)
            handle.cancel()
            handle.cancel()
        assert steps == ["drain", "checkpoint", "close"]

    clock = VirtualClock()
    clock.run(main)
    assert clock.time() == 4


def test_what_a_job_does_after_it_was_cancelled_changes_nothing() -> None:
    async def stubborn(payload: object) -> str:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            ctx = current_job()
            assert ctx is not None
            assert ctx.cancelled
            ctx.emit("late")
            ctx.progress("late")
            ctx.first_token()
        return "done all the same"

    async def main() -> None:
        async with Engine(stubborn) as engine:
            handle = await engine.submit(1)
            await asyncio.sleep(1)
            handle.cancel("enough")
            await asyncio.sleep(1)
            result = await handle.wait()
            assert (result.status, result.output) == ("cancelled", None)

    VirtualClock().run(main)


def test_current_job_is_the_context_of_the_attempt_everywhere_below() -> None:
    class Below:
        async def execute(self, job: Job, ctx: JobContext) -> None:
            async def deeper() -> JobContext | None:
                return current_job()

            assert current_job() == ctx
            assert await asyncio.create_task(deeper()) == ctx
            assert await asyncio.to_thread(current_job) == ctx
            assert hash(current_job()) == hash(ctx)
            assert (ctx.job.id, ctx.attempt, ctx.cancelled) == (job.id, 1, False)
            assert (ctx.group, ctx.cache, ctx.streaming) == (None, None, False)
            assert repr(ctx) == f"<JobContext {job.name!r} attempt 1>"

    async def main() -> None:
        assert current_job() is None
        async with Engine(Below()) as engine:
            await (await engine.submit(1))
        assert current_job() is None

    VirtualClock().run(main)


def test_a_job_sees_its_payload_config_metadata_and_names() -> None:
    class Look:
        async def execute(self, job: Job, ctx: JobContext) -> Job:
            return job

    async def main() -> None:
        config = {"tags": ["a"]}
        async with Engine({"look": Look()}) as engine:
            handle = await engine.submit(
                "payload", name="mine", key="k", priority=3, config=config, metadata={"user": 7}
            )
            job = await handle
            assert (job.payload, job.name, job.key, job.priority) == ("payload", "mine", "k", 3)
            assert job.config is config
            assert (job.executor, job.lane, job.group, job.parent) == ("look", "default", None, None)
            assert job.metadata == {"user": 7}
            result = await handle.wait()
            assert (result.metadata, result.key, result.role) == ({"user": 7}, "k", "job")
            unnamed = await engine.submit(1)
            assert unnamed.name == unnamed.id
            assert (await engine.submit(1, key="only")).name == "only"

    VirtualClock().run(main)


def test_ids_sort_by_the_time_of_submission() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:
            ids: list[str] = []
            for pause in (0, 0.0004, 0.0004, 0.0004, 3600, 0):
                await asyncio.sleep(pause)
                ids += [(await engine.submit(i)).id for i in range(20)]
        assert ids == sorted(ids)
        assert len(set(ids)) == len(ids)

    VirtualClock().run(main)


def test_the_times_of_attempts_are_wall_times() -> None:
    async def main() -> None:
        async with Engine(tenant, slots=1) as engine:
            await engine.submit(1)
            result = await (await engine.submit(2)).wait()
            [attempt] = result.attempts
            assert (attempt.number, attempt.outcome, attempt.error) == (1, "succeeded", None)
            assert (attempt.started, attempt.ended) == (946_684_801.0, 946_684_802.0)
            running = await engine.submit(3)
            await asyncio.sleep(0)
            assert running.status == "running"

    VirtualClock().run(main)
