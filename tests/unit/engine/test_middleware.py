"""What surrounds an attempt, sees a job come in, and sees runs and groups begin and end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import pytest

from paceline import (
    CallNext,
    Engine,
    Failure,
    Job,
    JobContext,
    JobFailed,
    KeyConflict,
    RetryPolicy,
    RunAgain,
    Scope,
    Suspend,
    current_job,
)
from paceline.testing import EchoExecutor, FaultExecutor, Raise, VirtualClock

TENANT: ContextVar[str] = ContextVar("tenant", default="nobody")


class Around:
    """Middleware made of one function."""

    def __init__(self, function: Callable[[Job, JobContext, CallNext], Awaitable[object]]) -> None:
        self.around = function


def run(main: Callable[[], Any]) -> Any:
    return VirtualClock().run(main)


def test_the_first_is_outermost() -> None:
    order: list[str] = []

    def noting(name: str) -> Around:
        async def around(job: Job, ctx: JobContext, call_next: CallNext) -> object:
            order.append(f"into {name}")
            output = await call_next()
            order.append(f"out of {name}")
            return output

        return Around(around)

    async def main() -> None:
        async with Engine(EchoExecutor(), middleware=[noting("first"), noting("second")]) as engine:
            assert await (await engine.submit("x")) == "x"

    run(main)
    assert order == ["into first", "into second", "out of second", "out of first"]


@pytest.mark.parametrize("sync", [False, True])
def test_what_it_sets_is_seen_inside_threads_too_and_nowhere_else(sync: bool) -> None:
    async def around(job: Job, ctx: JobContext, call_next: CallNext) -> object:
        TENANT.set(f"tenant of {job.payload}")
        return await call_next()

    async def seen(payload: str) -> str:
        return TENANT.get()

    def seen_on_a_thread(payload: str) -> str:
        assert current_job() is not None
        return TENANT.get()

    async def main() -> None:
        executor = seen_on_a_thread if sync else seen
        async with Engine(executor, middleware=[Around(around)]) as engine:
            handles = [await engine.submit(name) for name in "ab"]
            assert [await handle for handle in handles] == ["tenant of a", "tenant of b"]
            assert TENANT.get() == "nobody"

    run(main)


def test_it_runs_in_the_attempts_own_task() -> None:
    tasks: list[object] = []

    async def around(job: Job, ctx: JobContext, call_next: CallNext) -> object:
        tasks.append(asyncio.current_task())
        return await call_next()

    async def work(payload: str) -> None:
        tasks.append(asyncio.current_task())

    async def main() -> None:
        async with Engine(work, middleware=[Around(around)]) as engine:
            await (await engine.submit("x"))

    run(main)
    assert tasks[0] is tasks[1] is not None


def test_each_attempt_is_surrounded_anew() -> None:
    attempts: list[int] = []

    async def around(job: Job, ctx: JobContext, call_next: CallNext) -> object:
        attempts.append(ctx.attempt)
        return await call_next()

    async def main() -> None:
        async with Engine(FaultExecutor(), middleware=[Around(around)]) as engine:
            retry = RetryPolicy(attempts=3)
            assert await (await engine.submit(Raise(OSError, times=2, then=1), retry=retry)) == 1

    run(main)
    assert attempts == [1, 2, 3]


def test_it_may_change_the_output_the_job_and_the_error() -> None:
    async def around(job: Job, ctx: JobContext, call_next: CallNext) -> object:
        try:
            return f"<{await call_next(replace(job, payload=job.payload.upper()))}>"
        except ZeroDivisionError:
            return "infinity"

    async def work(payload: str) -> str:
        if payload == "1/0":
            raise ZeroDivisionError
        return payload

    async def main() -> None:
        async with Engine(work, middleware=[Around(around)]) as engine:
            assert await (await engine.submit("x")) == "<X>"
            assert await (await engine.submit("1/0")) == "infinity"

    run(main)


def test_what_it_raises_fails_the_attempt_as_the_executors_own_error_would() -> None:
    class Judging:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            return job.payload

        def classify(self, error: Exception) -> Failure:
            return Failure(isinstance(error, TimeoutError))

    async def around(job: Job, ctx: JobContext, call_next: CallNext) -> object:
        output = await call_next()
        if ctx.attempt == 1:
            raise (TimeoutError if output == "again" else ValueError)("not good enough")
        return output

    async def main() -> None:
        async with Engine(Judging(), middleware=[Around(around)]) as engine:
            retry = RetryPolicy(attempts=2)
            assert await (await engine.submit("again", retry=retry)) == "again"
            with pytest.raises(JobFailed, match="not good enough"):
                await (await engine.submit("never", retry=retry))

    run(main)


def test_run_again_sends_the_job_back_with_another_payload_and_no_attempt_used_up() -> None:
    async def around(job: Job, ctx: JobContext, call_next: CallNext) -> object:
        output = await call_next()
        if len(str(output)) < 3:
            raise RunAgain(f"{output}!")
        return output

    async def main() -> None:
        async with Engine(EchoExecutor(), middleware=[Around(around)]) as engine:
            handle = await engine.submit("x", retry=RetryPolicy(attempts=1))
            assert await handle == "x!!"
            outcomes = [each.outcome for each in (await handle.wait()).attempts]
            assert outcomes == ["again", "again", "succeeded"]

    run(main)


def test_a_job_that_was_sent_back_keeps_its_key() -> None:
    """The key names what was submitted, whatever became of the payload since."""

    async def around(job: Job, ctx: JobContext, call_next: CallNext) -> object:
        if ctx.attempt == 1:
            raise RunAgain("another")
        return await call_next()

    async def main() -> None:
        async with Engine(EchoExecutor(), middleware=[Around(around)]) as engine:
            handle = await engine.submit("x", key="k")
            assert await handle == "another"
            assert await engine.submit("x", key="k") == handle
            with pytest.raises(KeyConflict):
                await engine.submit("another", key="k")

    run(main)


def test_it_may_answer_in_the_executors_place() -> None:
    calls: list[object] = []

    async def around(job: Job, ctx: JobContext, call_next: CallNext) -> object:
        return "from the record" if job.payload == "known" else await call_next()

    async def work(payload: str) -> str:
        calls.append(payload)
        return payload

    async def main() -> None:
        async with Engine(work, middleware=[Around(around)]) as engine:
            assert await (await engine.submit("known")) == "from the record"
            assert await (await engine.submit("new")) == "new"

    run(main)
    assert calls == ["new"]


def test_it_may_suspend_the_job_until_somebody_agrees() -> None:
    async def around(job: Job, ctx: JobContext, call_next: CallNext) -> object:
        return await call_next() if job.reply == "agreed" else Suspend(f"run {job.payload}?")

    async def main() -> None:
        async with Engine(EchoExecutor(), middleware=[Around(around)]) as engine:
            handle = await engine.submit("x")
            await handle.wait()
            await engine.reply(handle.id, "agreed")
            assert await handle == "x"

    run(main)


class Tenants:
    """Writes the submitter's tenant into the headers, and sets it again inside the attempt."""

    def on_submit(self, job: Job) -> None:
        job.headers["tenant"] = TENANT.get()

    async def around(self, job: Job, ctx: JobContext, call_next: CallNext) -> object:
        return job.headers["tenant"], await call_next()


def test_headers_carry_what_the_submitter_had() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor(), middleware=[Tenants()]) as engine:
            TENANT.set("acme")
            handle = await engine.submit("x")
            group = await engine.submit_group("g", primer="p", followers=["f"])
            mapped = [each.output async for each in engine.map(["m"])]
            TENANT.set("other")
            assert await handle == ("acme", "x")
            assert [each.output for each in await group.results()] == [("acme", "p"), ("acme", "f")]
            assert mapped == [("acme", "m")]

    run(main)


def test_a_job_that_on_submit_refuses_leaves_nothing_behind() -> None:
    class Refusing:
        def on_submit(self, job: Job) -> None:
            if job.payload == "bad":
                raise PermissionError("not for you")

    async def main() -> None:
        async with Engine(EchoExecutor(), middleware=[Refusing()]) as engine:
            for _ in range(3):
                with pytest.raises(PermissionError, match="not for you"):
                    await engine.submit("bad", key="k", deadline=5)
                with pytest.raises(PermissionError):
                    await engine.submit_group("refused", primer="good", followers=["good", "bad"])
            counts = engine.snapshot().counts
            assert (counts["waiting"], counts["running"], counts["succeeded"]) == (0, 0, 0)
            assert engine.snapshot().groups == ()
            assert engine.snapshot().lanes["default"].unfinished == 0
            assert await (await engine.submit("good", key="k")) == "good"
            async with engine.open_group("g") as group:
                with pytest.raises(PermissionError):
                    await group.submit_primer("bad")
                with pytest.raises(PermissionError):
                    await group.add_follower("bad")
                await group.submit_primer("good")
                await group.add_follower("good")
            assert [each.key for each in await group.results()] == ["g/primer", "g/follower/0"]

    run(main)


def test_scopes_open_and_end_for_run_and_groups() -> None:
    told: list[tuple[str, str, str, object]] = []

    class Scopes:
        def on_begin(self, scope: Scope) -> None:
            told.append(("begin", scope.kind, scope.name, TENANT.get()))

        def on_end(self, scope: Scope, error: BaseException | None) -> None:
            told.append(("end", scope.kind, scope.name, type(error).__name__ if error else None))

    async def main() -> None:
        TENANT.set("acme")
        async with Engine(FaultExecutor(), middleware=[Scopes()], run_id="run-1") as engine:
            TENANT.set("other")
            await (await engine.submit_group("good", primer="x", followers=["x"])).results()
            await (await engine.submit_group("bad", primer=Raise(OSError))).results()
            cancelled = await engine.submit_group("cancelled", followers=["x"])
            cancelled.cancel()
            async with engine.open_group("asking") as group:
                await group.submit_primer(Suspend("?"))

    run(main)
    assert told == [
        ("begin", "run", "run-1", "acme"),
        ("begin", "group", "good", "other"),
        ("end", "group", "good", None),
        ("begin", "group", "bad", "other"),
        ("end", "group", "bad", "OSError"),
        ("begin", "group", "cancelled", "other"),
        ("end", "group", "cancelled", "JobCancelled"),
        ("begin", "group", "asking", "other"),
        ("end", "group", "asking", None),
        ("end", "run", "run-1", None),
    ]


def test_a_scope_knows_its_run_its_parent_job_its_lane_and_metadata() -> None:
    scopes: list[Scope] = []

    class Scopes:
        def on_begin(self, scope: Scope) -> None:
            scopes.append(scope)

    async def nested(payload: str) -> str | None:
        ctx = current_job()
        assert ctx is not None
        if payload == "parent":
            await engine.submit_group("inner", followers=["x"], metadata={"book": 7})
        return ctx.job.id

    async def main() -> None:
        async with engine:
            parent = await (await engine.submit("parent"))
            assert [(each.kind, each.parent, each.lane) for each in scopes] == [
                ("run", None, None),
                ("group", parent, "default"),
            ]

    engine = Engine(nested, middleware=[Scopes()])
    run(main)
    assert scopes[0].id == scopes[0].run == scopes[1].run
    assert scopes[1].id not in ("", scopes[0].id)
    assert scopes[1].metadata == {"book": 7}


def test_two_groups_of_one_name_are_two_scopes() -> None:
    ids: list[str] = []

    class Scopes:
        def on_begin(self, scope: Scope) -> None:
            ids.append(scope.id)

    async def main() -> None:
        async with Engine(EchoExecutor(), middleware=[Scopes()]) as engine:
            for _ in range(3):
                await (await engine.submit_group("g", followers=["x"])).results()

    run(main)
    assert len(set(ids)) == 4


def test_an_error_at_the_end_of_a_scope_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    class Failing:
        def on_end(self, scope: Scope, error: BaseException | None) -> None:
            raise OSError("the exporter is down")

    class Working:
        def on_end(self, scope: Scope, error: BaseException | None) -> None:
            ended.append(scope.kind)

    async def main() -> None:
        async with Engine(EchoExecutor(), middleware=[Working(), Failing()]) as engine:
            group = await engine.submit_group("g", followers=["x"])
            assert [each.status for each in await group.results()] == ["succeeded"]

    with caplog.at_level(logging.ERROR, "paceline"):
        run(main)
    assert ended == ["group", "run"]
    assert [each.getMessage().rpartition("failed at the end of ")[2][:5] for each in caplog.records] == [
        "group",
        "run '",
    ]


def test_an_error_at_the_beginning_of_a_group_refuses_it() -> None:
    class Failing:
        def on_begin(self, scope: Scope) -> None:
            if scope.kind == "group":
                raise OSError("no scope")

    async def main() -> None:
        async with Engine(EchoExecutor(), middleware=[Failing()]) as engine:
            with pytest.raises(OSError, match="no scope"):
                await engine.submit_group("g", followers=["x"])
            assert engine.snapshot().groups == ()

    run(main)


def test_what_offers_nothing_is_no_middleware() -> None:
    with pytest.raises(TypeError, match="none of around, on_submit, on_begin, on_end"):
        Engine(EchoExecutor(), middleware=[object()])
