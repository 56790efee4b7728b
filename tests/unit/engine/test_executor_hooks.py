"""What an executor may offer and ask besides running: states kept, locks, letting go, and spans."""

import asyncio

import pytest

from paceline import (
    Engine,
    GroupPolicy,
    Job,
    JobContext,
    MemorySink,
    PacelineError,
    RetryPolicy,
    RunAgain,
    Span,
    Suspend,
    current_job,
    events,
)
from paceline.testing import VirtualClock

NO_WAIT = RetryPolicy(3, base=0.0)


def test_a_retry_goes_on_from_what_the_attempt_before_it_had_kept() -> None:
    seen: list[object] = []

    async def work(payload: str) -> str:
        ctx = current_job()
        assert ctx is not None
        seen.append(ctx.job.state)
        ctx.checkpoint(f"after {ctx.attempt}")
        if ctx.attempt < 3:
            raise ConnectionError
        return payload

    async def main() -> None:
        async with Engine(work, retry=NO_WAIT) as engine:
            assert await (await engine.submit("done")) == "done"

    VirtualClock().run(main)
    assert seen == [None, "after 1", "after 2"]


def test_a_checkpoint_takes_the_place_of_the_state_and_the_reply_before_it() -> None:
    seen: list[tuple[object, object]] = []

    class Once:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            seen.append((job.state, job.reply))
            if ctx.attempt == 1:
                return Suspend("go?", state="asked")
            if ctx.attempt == 2:
                ctx.checkpoint("went")
                raise ConnectionError
            return "done"

    async def main() -> None:
        async with Engine(Once(), retry=NO_WAIT) as engine:
            handle = await engine.submit(None)
            await handle.wait()
            await engine.reply(handle.id, "yes")
            assert await handle == "done"

    VirtualClock().run(main)
    assert seen == [(None, None), ("asked", "yes"), ("went", None)]


def test_an_attempt_that_was_given_up_keeps_nothing() -> None:
    seen: list[object] = []

    async def work(payload: object) -> None:
        ctx = current_job()
        assert ctx is not None
        seen.append(ctx.job.state)
        if ctx.attempt == 1:
            try:
                await asyncio.sleep(60.0)
            finally:
                ctx.checkpoint("too late")

    async def main() -> None:
        async with Engine(work, retry=NO_WAIT) as engine:
            await (await engine.submit(None, timeout=1.0))

    VirtualClock().run(main)
    assert seen == [None, None]


class Threads:
    """Runs one job a thread at a time, by a lock that it names itself."""

    def __init__(self) -> None:
        self.busy: set[object] = set()
        self.most = 0

    def lock(self, job: Job) -> str | None:
        return None if job.payload is None else f"thread {job.payload}"

    async def execute(self, job: Job, ctx: JobContext) -> object:
        if job.payload is not None:
            assert job.payload not in self.busy
            self.busy.add(job.payload)
        self.most = max(self.most, len(self.busy))
        await asyncio.sleep(1.0)
        self.busy.discard(job.payload)
        return asyncio.get_running_loop().time()


def test_a_lock_that_an_executor_names_is_held_by_one_job_at_a_time() -> None:
    async def main() -> list[object]:
        async with Engine(Threads()) as engine:
            handles = [await engine.submit(thread) for thread in ("a", "a", "b", None, None)]
            return [await handle for handle in handles]

    assert VirtualClock().run(main) == [1.0, 2.0, 1.0, 1.0, 1.0]


def test_a_job_takes_one_lock_its_own_or_its_executors() -> None:
    async def main() -> None:
        async with Engine(Threads()) as engine:
            with pytest.raises(PacelineError, match=r"needs the lock 'thread a'.*leave out lock='user:7'"):
                await engine.submit("a", lock="user:7")
            await (await engine.submit(None, lock="user:7"))
            await (await engine.submit("a", lock="thread a"))

    VirtualClock().run(main)


def test_a_job_of_a_job_that_holds_the_lock_of_its_executor_is_refused() -> None:
    threads = Threads()

    class Nested:
        def lock(self, job: Job) -> str:
            return "thread a"

        async def execute(self, job: Job, ctx: JobContext) -> object:
            with pytest.raises(PacelineError, match="would never get it"):
                await ctx.spawn("a", executor=threads)
            return "refused"

    async def main() -> None:
        async with Engine(Nested()) as engine:
            assert await (await engine.submit(None)) == "refused"

    VirtualClock().run(main)


class Background:
    """Has work done elsewhere, and lets go of it when the job is ended while it rests."""

    def __init__(self) -> None:
        self.let_go: list[object] = []

    async def execute(self, job: Job, ctx: JobContext) -> object:
        return Suspend("working", state=f"work {job.payload}") if ctx.attempt == 1 else job.reply

    async def discard(self, job: Job) -> None:
        await asyncio.sleep(0.5)
        self.let_go.append(job.state)


@pytest.mark.parametrize("way", ["cancel", "deadline", "leave by an error"])
def test_the_state_of_a_rest_is_let_go_of_when_the_job_is_ended_in_it(way: str) -> None:
    executor = Background()

    async def main() -> None:
        try:
            async with Engine(executor, grace=5.0) as engine:
                handle = await engine.submit(7, deadline=10.0 if way == "deadline" else None)
                await handle.wait()
                if way == "cancel":
                    handle.cancel()
                elif way == "deadline":
                    await asyncio.sleep(11.0)
                else:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            assert way == "leave by an error"

    VirtualClock().run(main)
    assert executor.let_go == ["work 7"]


def test_nothing_is_let_go_of_that_was_answered_or_stays_suspended() -> None:
    executor = Background()

    async def main() -> None:
        async with Engine(executor) as engine:
            answered = await engine.submit(1)
            stays = await engine.submit(2)
            await answered.wait()
            await engine.reply(answered.id, "fine")
            assert await answered == "fine"
            assert (await stays.wait()).status == "suspended"

    VirtualClock().run(main)
    assert executor.let_go == []


def test_letting_go_that_fails_is_logged_and_the_job_ends_as_it_should(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Background):
        async def discard(self, job: Job) -> None:
            raise ConnectionError("nobody there")

    async def main() -> None:
        async with Engine(Broken()) as engine:
            handle = await engine.submit(1)
            await handle.wait()
            handle.cancel()
            assert (await handle.wait()).status == "cancelled"

    VirtualClock().run(main)
    assert "failed to let go" in caplog.text


def test_what_a_framework_traces_is_shown_to_middleware_and_written_down() -> None:
    shown: list[tuple[str, Span]] = []

    class Watches:
        def on_span(self, job: Job, span: Span) -> None:
            shown.append((job.name, span))

    begun = Span(id="1", name="plan", kind="agent", started=1.0, attributes={"model": "m"})
    ended = Span(id="1", name="plan", kind="agent", started=1.0, ended=2.0, error="gave up")

    async def work(payload: object) -> None:
        ctx = current_job()
        assert ctx is not None
        ctx.trace(begun)
        ctx.trace(ended)

    async def main() -> None:
        sink = MemorySink()
        async with Engine(work, middleware=[Watches()], sinks=[sink]) as engine:
            await (await engine.submit(None, name="job"))
        assert shown == [("job", begun), ("job", ended)]
        (told,) = [event for event in sink.events if isinstance(event, events.SpanEnded)]
        assert (told.span, told.name, told.kind, told.started, told.ended) == ("1", "plan", "agent", 1.0, 2.0)
        assert told.error == events.ErrorText("agent", "gave up")

    VirtualClock().run(main)


def test_middleware_that_fails_at_a_span_is_logged_and_fails_no_job(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def on_span(self, job: Job, span: Span) -> None:
            raise ZeroDivisionError

    async def work(payload: object) -> str:
        ctx = current_job()
        assert ctx is not None
        ctx.trace(Span(id="1", name="plan", kind="agent", started=1.0))
        return "done"

    async def main() -> None:
        async with Engine(work, middleware=[Broken()]) as engine:
            assert await (await engine.submit(None)) == "done"

    VirtualClock().run(main)
    assert "failed at span 'plan'" in caplog.text


@pytest.mark.parametrize("name", ["contract.pdf", "x" * 64, "x" * 65, "Überblick", "a\nb", "\udc80"])
def test_a_groups_cache_key_fits_a_header_and_is_the_same_for_all_its_jobs(name: str) -> None:
    async def key(payload: object) -> str:
        ctx = current_job()
        assert ctx is not None
        assert ctx.group is not None
        return ctx.group.cache_key

    async def main() -> set[object]:
        async with Engine(key) as engine:
            group = await engine.submit_group(name, primer=1, followers=[2, 3])
            return {result.output for result in await group.results()}

    (first,) = VirtualClock().run(main)
    (again,) = VirtualClock(seed=1).run(main)
    assert first == again
    assert isinstance(first, str)
    assert len(first) <= 64
    assert first.isascii()
    assert first.isprintable()


def test_an_attempt_knows_whether_it_establishes_the_prefix_of_its_group() -> None:
    told: list[tuple[object, bool]] = []

    async def work(payload: object) -> None:
        ctx = current_job()
        assert ctx is not None
        await asyncio.sleep(1)
        told.append((payload, ctx.primes))

    async def main() -> None:
        async with Engine(work) as engine:
            await engine.submit("alone")
            async with engine.open_group("g", policy=GroupPolicy(ttl=60)) as group:
                await group.submit_primer("primer")
                await (await group.add_follower("warm")).wait()
                await asyncio.sleep(100)
                await group.add_follower("leads")
                await group.add_follower("follows")

    VirtualClock().run(main)
    assert told == [("alone", False), ("primer", True), ("warm", False), ("leads", True), ("follows", False)]


def test_an_attribute_that_only_bears_the_name_of_a_hook_is_none() -> None:
    class Locked:
        lock = "a lock of its own"
        discard = True
        estimate = 3
        classify = None

        async def execute(self, job: Job, ctx: JobContext) -> object:
            return job.payload

    async def main() -> None:
        async with Engine(Locked()) as engine:
            assert await (await engine.submit(1)) == 1

    VirtualClock().run(main)


@pytest.mark.parametrize(("kept", "expected"), [(False, None), (True, "kept")])
def test_another_payload_is_other_work_unless_the_attempt_says_what_to_go_on_from(
    kept: bool, expected: str | None
) -> None:
    seen: list[tuple[object, object, object]] = []

    class Again:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            seen.append((job.payload, job.state, job.reply))
            if ctx.attempt == 1:
                return Suspend("go?", state="asked")
            if ctx.attempt == 2:
                if kept:
                    ctx.checkpoint("kept")
                raise RunAgain("second")
            return "done"

    async def main() -> None:
        async with Engine(Again()) as engine:
            handle = await engine.submit("first")
            await handle.wait()
            await engine.reply(handle.id, "yes")
            assert await handle == "done"

    VirtualClock().run(main)
    assert seen == [("first", None, None), ("first", "asked", "yes"), ("second", expected, None)]
