"""What executors and askers may get wrong or meet at a bad moment, one thing at a time."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from paceline import (
    Budget,
    Cost,
    Dag,
    Engine,
    GroupPolicy,
    Job,
    JobContext,
    JobFailed,
    MemorySink,
    PacelineError,
    PrefixCache,
    Question,
    ReplyRefused,
    RetryPolicy,
    Span,
    Suspend,
    WrongLoop,
    current_job,
    dag,
    events,
    flow,
    task,
)
from paceline.testing import VirtualClock

WAITS = GroupPolicy(on_follower_suspended="wait")
NO_WAIT = RetryPolicy(3, base=0.0)


def now() -> float:
    return asyncio.get_running_loop().time()


class Actor:
    """Asks the first time where that is its payload, is flaky or a parent where it says so, else sleeps."""

    def __init__(self) -> None:
        self.let_go: list[object] = []

    async def execute(self, job: Job, ctx: JobContext) -> object:
        if isinstance(job.payload, Suspend):
            return job.payload if ctx.attempt == 1 else (job.reply, job.state)
        if job.payload == "flaky":
            await asyncio.sleep(1.0)
            if ctx.attempt == 1:
                raise ConnectionError
        elif job.payload == "parent":
            await (await ctx.spawn(5.0))
        else:
            await asyncio.sleep(job.payload)
        return job.payload

    async def discard(self, job: Job) -> None:
        self.let_go.append(job.state)


# What is asked.


def test_an_empty_list_is_one_question_like_any_value() -> None:
    async def main() -> None:
        async with Engine(Actor()) as engine:
            handle = await engine.submit(Suspend([]))
            await handle.wait()
            assert handle.questions == (Question("1", []),)
            await engine.reply(handle.id, "none of them")
            assert await handle == ("none of them", None)

    VirtualClock().run(main)


def test_two_questions_of_one_id_are_refused_where_they_are_asked() -> None:
    with pytest.raises(ValueError, match="each question needs an id of its own, not 'a', 'b', 'a'"):
        Suspend([Question("a", 1), Question("b", 2), Question("a", 3)])


class Odd:
    """A class that pydantic knows nothing of."""


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "nonsense"}, "its own schema is no JSON Schema"),
        ({"$ref": "#/nowhere"}, "its own schema refers to what is not in it"),
        ({"$ref": "http://127.0.0.1:9/schema"}, "its own schema refers to what is not in it"),
        (Odd, "its own schema is no type for pydantic"),
    ],
)
def test_an_answer_to_a_question_whose_schema_is_none_is_refused_with_that(schema: object, said: str) -> None:
    pytest.importorskip("jsonschema")

    async def main() -> None:
        async with Engine(Actor()) as engine:
            handle = await engine.submit(Suspend("?", schema=schema))
            await handle.wait()
            with pytest.raises(ReplyRefused, match=said):
                await engine.reply(handle.id, "yes")
            assert handle.questions
            handle.cancel()

    VirtualClock().run(main)


def test_a_default_answers_each_of_several_questions_that_is_open() -> None:
    async def main() -> None:
        async with Engine(Actor()) as engine:
            asks = Suspend([Question("a", 1, int), Question("b", 2)], timeout=5.0, default="as ever")
            assert await (await engine.submit(asks)) == ({"a": "as ever", "b": "as ever"}, None)

    VirtualClock().run(main)


def test_a_question_that_a_flow_gave_up_is_asked_no_more_and_its_clock_stops() -> None:
    @flow
    async def impatient() -> object:
        ctx = current_job()
        assert ctx is not None
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3.0):
                await ctx.ask("first?", timeout=10.0, default="too late")
        return await ctx.ask("second?", timeout=20.0, default="assumed")

    async def main() -> None:
        async with Engine() as engine:
            run = await impatient.start(engine)
            await asyncio.sleep(5.0)
            with pytest.raises(ReplyRefused, match=r"question '1' is not open; open: '2'"):
                await engine.reply(run.id, "yes", question="1")
            assert await run == "assumed"
            assert now() == 23.0

    VirtualClock().run(main)


def test_an_answer_from_another_thread_is_refused_with_the_way_to_give_it() -> None:
    async def main() -> None:
        async with Engine(Actor()) as engine:
            handle = await engine.submit(Suspend("?"))
            await handle.wait()
            loop = asyncio.get_running_loop()

            def elsewhere() -> None:
                with pytest.raises(WrongLoop, match=r"run_coroutine_threadsafe\(\.\.\., loop\)"):
                    asyncio.run(engine.reply(handle.id, "yes"))
                asyncio.run_coroutine_threadsafe(engine.reply(handle.id, "yes"), loop)

            await asyncio.to_thread(elsewhere)
            assert await handle == ("yes", None)

    VirtualClock().run(main)


# Groups and graphs that wait.


def a_graph_that_asks(*, conditional: bool = False) -> Dag[..., Any]:
    """One task asks, one works for a second, and one comes after that, with a condition or without."""
    graph = Dag[..., Any]("review")

    async def ask() -> object:
        ctx = current_job()
        assert ctx is not None
        return Suspend("fine?") if ctx.job.reply is None else ctx.job.reply

    async def work() -> str:
        await asyncio.sleep(1.0)
        return "worked"

    def likes() -> bool:
        return True

    graph.task(ask, name="ask")
    first = graph.task(work, name="first")
    if conditional:
        graph.task(work, name="second", after=[first], when=likes)
    else:
        graph.task(work, name="second", after=[first])
    return graph


@pytest.mark.parametrize("conditional", [False, True])
def test_a_graph_of_which_no_more_starts_before_an_answer_rests(conditional: bool) -> None:
    async def main() -> None:
        async with Engine() as engine:
            run = await a_graph_that_asks(conditional=conditional).start(engine, on_suspended="wait")
            assert (await run.handle.wait()).status == "suspended"
            assert now() == 1.0
            (asking,) = engine.snapshot().questions
            await engine.reply(asking, "yes")
            assert (await run)["second"] == "worked"

    VirtualClock().run(main)


def test_what_has_begun_in_a_graph_goes_on_though_no_more_of_it_starts() -> None:
    graph = Dag[..., Any]("g")

    async def asks() -> object:
        await asyncio.sleep(1.0)
        ctx = current_job()
        assert ctx is not None
        return Suspend("fine?") if ctx.job.reply is None else ctx.job.reply

    async def waits_for_its_own() -> float:
        ctx = current_job()
        assert ctx is not None
        await (await ctx.spawn(5.0, executor=Actor()))
        return now()

    graph.task(asks, name="asks")
    graph.task(waits_for_its_own, name="parent")

    async def main() -> None:
        async with Engine() as engine:
            run = await graph.start(engine, on_suspended="wait")
            await asyncio.sleep(10.0)
            (asking,) = engine.snapshot().questions
            await engine.reply(asking, "yes")
            assert await run == {"asks": "yes", "parent": 5.0}

    VirtualClock().run(main)


def test_an_engine_is_left_though_a_graph_of_it_waits_for_an_answer() -> None:
    async def main() -> None:
        async with Engine() as engine:
            run = await a_graph_that_asks().start(engine, on_suspended="wait")
        assert run.status == "suspended"

    VirtualClock().run(main)


def test_an_engine_is_left_though_a_group_of_it_waits_for_an_answer() -> None:
    async def main() -> None:
        async with Engine(Actor(), slots=1) as engine:
            group = await engine.submit_group("g", followers=[Suspend("?"), 1.0], policy=WAITS)
        assert [each.status for each in group.followers] == ["suspended", "cancelled"]

    VirtualClock().run(main)


@pytest.mark.parametrize("way", ["results", "as_completed"])
@pytest.mark.parametrize(
    ("other", "status", "at"),
    [
        ("flaky", "waiting", 1.0),
        (Suspend("look again", timeout=5.0, default=1), "waiting", 5.0),
        ("parent", "succeeded", 5.0),
    ],
)
def test_who_waits_for_a_group_is_told_when_the_last_of_it_cannot_go_on(
    way: str, other: object, status: str, at: float
) -> None:
    """One that is tried again, one that dozed; and one that goes on, as it began before the other asked."""

    async def main() -> None:
        async with Engine(Actor(), retry=RetryPolicy(3, base=9.0)) as engine:
            group = await engine.submit_group("g", followers=[Suspend("?"), other], policy=WAITS)
            if way == "results":
                await group.results()
            else:
                assert "suspended" in [result.status async for result in group.as_completed()]
            assert now() == at
            assert [each.status for each in group.followers] == ["suspended", status]
            group.cancel()

    VirtualClock().run(main)


def test_a_group_that_waits_for_an_answer_keeps_no_other_from_being_active() -> None:
    async def main() -> None:
        async with Engine(Actor(), slots=1, max_active_groups=1) as engine:
            waits = await engine.submit_group("g", followers=[Suspend("?"), 1.0], policy=WAITS)
            other = await engine.submit_group("other", followers=[1.0])
            assert await other.followers[0] == 1.0
            waits.cancel()

    VirtualClock().run(main)


def test_followers_run_beside_a_primer_that_asks_though_they_would_wait_for_one_of_them() -> None:
    async def main() -> None:
        async with Engine(Actor()) as engine:
            policy = GroupPolicy(on_primer_suspended="run_followers", on_follower_suspended="wait")
            group = await engine.submit_group("g", primer=Suspend("?"), followers=[1.0], policy=policy)
            assert await group.followers[0] == 1.0
            group.cancel()

    VirtualClock().run(main)


def test_a_primer_may_ask_twice_and_its_followers_wait_for_both() -> None:
    class Twice:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            if job.role == "follower":
                return now()
            if ctx.attempt < 3:
                return Suspend("again?", state=(job.state, job.reply))
            return job.state, job.reply

    async def main() -> None:
        async with Engine(Twice()) as engine:
            group = await engine.submit_group("g", primer=1, followers=[1])
            assert group.primer is not None
            for answer in ("A", "B"):
                assert [each.status for each in await group.results()] == ["suspended", "waiting"]
                await asyncio.sleep(1.0)
                await engine.reply(group.primer.id, answer)
            assert await group.primer == (((None, None), "A"), "B")
            assert await group.followers[0] == 2.0

    VirtualClock().run(main)


@pytest.mark.parametrize("in_flight", [None, 1, "auto"])
@pytest.mark.parametrize("ttl", [None, 3.0])
def test_a_primer_that_asks_lets_followers_run_whatever_else_the_policy_is(in_flight: Any, ttl: Any) -> None:
    policy = GroupPolicy(
        on_primer_suspended="run_followers", ttl=ttl, in_flight=in_flight, settle=2.0, miss_hold=1.0
    )

    async def main() -> None:
        async with Engine(Actor()) as engine:
            group = await engine.submit_group(
                "g", primer=Suspend("?"), followers=[Suspend("?"), 1.0, 1.0], policy=policy
            )
            statuses = [each.status for each in await group.results()]
            assert statuses == ["suspended", "suspended", "succeeded", "succeeded"]
            for job_id in engine.snapshot().questions:
                await engine.reply(job_id, "yes")
            assert {each.status for each in await group.results()} == {"succeeded"}

    VirtualClock().run(main)


# Jobs that doze: they go on by themselves.


def test_dozing_jobs_leave_room_for_others_and_are_waited_for() -> None:
    async def main() -> None:
        async with Engine(Actor(), max_pending=1, slots=1) as engine:
            dozing = [await engine.submit(Suspend("?", timeout=50.0, default=1)) for _ in range(5)]
            async with asyncio.timeout(2.0):
                assert await (await engine.submit(1.0)) == 1.0
        assert [each.status for each in dozing] == ["succeeded"] * 5
        assert now() == 50.0

    VirtualClock().run(main)


@pytest.mark.parametrize("way", ["abort", "deadline"])
def test_a_dozing_job_that_is_ended_lets_go_of_its_state_and_wakes_no_more(way: str) -> None:
    actor = Actor()
    ended: list[str] = []

    async def leave_by_an_error() -> None:
        asks = Suspend("?", state="held", timeout=50.0, default=1)
        handle = None
        try:
            async with Engine(actor) as engine:
                handle = await engine.submit(asks, deadline=10.0 if way == "deadline" else None)
                await asyncio.sleep(11.0)
                raise ZeroDivisionError
        finally:
            ended.append("" if handle is None else handle.status)

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await leave_by_an_error()
        assert ended == ["failed" if way == "deadline" else "cancelled"]
        await asyncio.sleep(100.0)

    VirtualClock().run(main)
    assert actor.let_go == ["held"]


@pytest.mark.parametrize(
    "asks", [Suspend("?", "held", None, 5.0), Suspend("?", "held", None, 5.0, "default")]
)
def test_the_time_for_an_answer_is_over_with_the_job(asks: Suspend) -> None:
    actor = Actor()

    async def main() -> None:
        async with Engine(actor) as engine:
            handle = await engine.submit(asks)
            await asyncio.sleep(1.0)
            handle.cancel()
            await asyncio.sleep(10.0)
            assert handle.status == "cancelled"
            assert engine.snapshot().counts["failed"] == 0

    VirtualClock().run(main)
    assert actor.let_go == ["held"]


def test_a_dozing_job_may_give_its_lock_to_others_and_queues_for_it_again() -> None:
    async def main() -> None:
        async with Engine(Actor(), lock_held_while_suspended=False) as engine:
            dozing = await engine.submit(Suspend("?", timeout=5.0, default=1), lock="l")
            await engine.submit(20.0, lock="l")
            await asyncio.sleep(6.0)
            assert str(dozing.waiting) == "waits for the lock l"
            assert await dozing == (1, None)
            assert now() == 20.0

    VirtualClock().run(main)


# Letting go.


def test_a_state_is_let_go_of_when_the_attempt_that_was_to_have_it_never_began() -> None:
    actor = Actor()

    async def main() -> None:
        async with Engine(actor) as engine:
            handle = await engine.submit(Suspend("?", state="held"))
            await handle.wait()
            await engine.reply(handle.id, "yes")
            assert handle.status == "running"
            handle.cancel()

    VirtualClock().run(main)
    assert actor.let_go == ["held"]


def test_a_state_is_let_go_of_when_a_budget_ends_its_job() -> None:
    class Spends(Actor):
        def estimate(self, job: Job) -> Cost:
            return Cost(input_tokens=60)

    actor = Spends()

    async def main() -> None:
        async with Engine(actor, budget=Budget(tokens=100, on_exhausted="fail")) as engine:
            handle = await engine.submit(Suspend("?", state="held"))
            await handle.wait()
            await engine.reply(handle.id, "yes")
            assert (await handle.wait()).status == "failed"

    VirtualClock().run(main)
    assert actor.let_go == ["held"]


@pytest.mark.parametrize(("ignores", "left_at"), [(False, 5.0), (True, 10.0)])
def test_an_engine_is_left_though_letting_go_hangs(ignores: bool, left_at: float) -> None:
    stopped: list[float] = []

    class Hangs(Actor):
        async def discard(self, job: Job) -> None:
            try:
                await asyncio.sleep(60.0)
            except asyncio.CancelledError:
                stopped.append(now())
                if ignores:
                    await asyncio.sleep(60.0)

    async def main() -> None:
        async with Engine(Hangs(), grace=5.0) as engine:
            handle = await engine.submit(Suspend("?", state="held"))
            await handle.wait()
            handle.cancel()
        assert now() == left_at

    VirtualClock().run(main)
    assert stopped[0] == 5.0


def test_letting_go_may_submit_jobs_as_long_as_the_engine_takes_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[object] = []

    class Submits(Actor):
        engine: Engine

        async def discard(self, job: Job) -> None:
            done.append(await (await self.engine.submit(1.0)))

    async def main() -> None:
        actor = Submits()
        async with Engine(actor) as engine:
            actor.engine = engine
            for _ in range(2):
                handle = await engine.submit(Suspend("?", state="held"))
                await handle.wait()
                await asyncio.sleep(2.0)
                handle.cancel()

    VirtualClock().run(main)
    assert done == [1.0]
    assert "takes no more jobs" in caplog.text


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), ZeroDivisionError()])
def test_letting_go_brings_nothing_down_by_an_error(error: BaseException) -> None:
    class Breaks(Actor):
        async def discard(self, job: Job) -> None:
            raise error

    async def main() -> None:
        async with Engine(Breaks()) as engine:
            handle = await engine.submit(Suspend("?", state="held"))
            await handle.wait()
            handle.cancel()
            await asyncio.sleep(1.0)
            assert await (await engine.submit(1.0)) == 1.0

    VirtualClock().run(main)


def test_ctrl_c_while_something_is_let_go_of_ends_the_engine_as_in_a_job() -> None:
    class Interrupted(Actor):
        async def discard(self, job: Job) -> None:
            raise KeyboardInterrupt

    async def interrupted() -> None:
        async with Engine(Interrupted()) as engine:
            handle = await engine.submit(Suspend("?", state="held"))
            await engine.submit(60.0)
            await handle.wait()
            handle.cancel()
            await asyncio.sleep(30.0)

    async def main() -> None:
        with pytest.raises(KeyboardInterrupt):
            await interrupted()
        assert now() == 0.0

    VirtualClock().run(main)


# Spans, and locks that executors name.


def test_spans_may_come_from_any_thread_and_after_the_attempt_was_given_up() -> None:
    shown: list[str] = []
    contexts: list[JobContext] = []

    class Watches:
        def on_span(self, job: Job, span: Span) -> None:
            shown.append(span.id)

    def trace(ctx: JobContext, name: str) -> None:
        ctx.trace(Span(id=name, name=name, kind="k", started=1.0))
        ctx.trace(Span(id=name, name=name, kind="k", started=1.0, ended=2.0))

    def work(payload: object) -> None:
        ctx = current_job()
        assert ctx is not None
        contexts.append(ctx)
        threads = [threading.Thread(target=trace, args=(ctx, str(number))) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    async def waits(payload: object) -> None:
        ctx = current_job()
        assert ctx is not None
        contexts.append(ctx)
        await asyncio.sleep(60.0)

    async def main() -> None:
        sink = MemorySink()
        async with Engine({"work": work, "waits": waits}, middleware=[Watches()], sinks=[sink]) as engine:
            await (await engine.submit(None, executor="work"))
            handle = await engine.submit(None, executor="waits")
            await asyncio.sleep(1.0)
            handle.cancel()
            trace(contexts[1], "late")
        trace(contexts[1], "too late")
        written = [event.span for event in sink.of(events.SpanEnded)]
        assert sorted(written) == sorted([*map(str, range(20)), "late"])

    VirtualClock().run(main)
    assert sorted(shown) == sorted([*map(str, range(20)), "late", "too late"] * 2)


class Threads:
    """One run a thread, as the inputs say."""

    def __init__(self, lock: Callable[[Any], str | None]) -> None:
        self.name: str = "threads"
        self._lock = lock
        self.spans: list[tuple[str, float, float]] = []

    def lock(self, job: Job) -> str | None:
        return self._lock(job.payload)

    async def execute(self, job: Job, ctx: JobContext) -> object:
        began = now()
        await asyncio.sleep(1.0)
        self.spans.append((job.payload["thread"], began, now()))
        return job.payload["thread"]


def test_a_lock_by_the_inputs_of_a_task_is_named_when_they_are_known() -> None:
    executor = Threads(lambda payload: f"thread {payload['thread']}")

    async def choose(name: str) -> str:
        await asyncio.sleep(1.0)
        return name

    chosen, run = task(choose), task(executor)

    @dag
    def graph() -> list[Any]:
        return [run(thread=chosen(name)) for name in ("a", "a", "b")]

    async def main() -> None:
        async with Engine() as engine:
            assert await (await graph.start(engine)) == ["a", "a", "b"]

    VirtualClock().run(main)
    assert sorted(executor.spans) == [("a", 1.0, 2.0), ("a", 2.0, 3.0), ("b", 1.0, 2.0)]


def test_a_task_whose_lock_cannot_be_named_fails_with_that() -> None:
    def broken(payload: Any) -> str:
        raise PacelineError(f"no thread in {payload!r}")

    run = task(Threads(broken))

    @dag
    def graph() -> Any:
        return run(thread="a")

    async def main() -> None:
        async with Engine() as engine:
            with pytest.raises(JobFailed, match="no thread in"):
                await (await graph.start(engine))

    VirtualClock().run(main)


def test_a_state_is_let_go_of_once_when_the_prefix_of_its_job_cannot_be_made_again() -> None:
    class Once:
        def fingerprint(self, payload: object, context: Mapping[str, Any]) -> str:
            return "prefix"

        async def create(self, payload: object, context: Mapping[str, Any]) -> str:
            if now() > 0.0:
                raise ValueError("no more")
            return "handle"

    actor = Actor()

    async def main() -> None:
        async with Engine(actor) as engine:
            asks = Suspend("?", state="held")
            group = await engine.submit_group(
                "g", primer=asks, followers=[], cache=PrefixCache(Once(), ttl=5)
            )
            handle = group.primer
            assert handle is not None
            await handle.wait()
            await asyncio.sleep(10.0)
            await engine.reply(handle.id, "yes")
            assert (await handle.wait()).status == "failed"

    VirtualClock().run(main)
    assert actor.let_go == ["held"]
