"""What a handle gives, to whoever awaits it, however often."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from paceline import (
    Engine,
    Handle,
    JobCancelled,
    JobError,
    JobFailed,
    JobSkipped,
    JobSuspended,
    MemorySink,
    Suspend,
    _events as events,
)
from paceline.testing import DelayExecutor, FaultExecutor, Hang, Nonsense, Raise, VirtualClock


def test_awaiting_a_handle_gives_the_very_output() -> None:
    output = object()

    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            handle = await engine.submit(output)
            assert await handle is output
            assert handle.status == "succeeded"
            assert (await handle.wait()).output is output

    VirtualClock().run(main)


def test_a_failed_job_raises_with_its_own_error_as_the_cause() -> None:
    error = OSError("the disk is on fire")

    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            handle = await engine.submit(Raise(error), name="copy")
            with pytest.raises(
                JobFailed, match=r"'copy' .* failed after 1 attempt: OSError: the disk"
            ) as caught:
                await handle
            assert caught.value.__cause__ is error
            assert (caught.value.job_id, caught.value.name) == (handle.id, "copy")
            result = await handle.wait()
            assert (result.status, result.ok, result.output) == ("failed", False, None)
            assert result.error is not None
            assert (result.error.type, result.error.message) == ("OSError", "the disk is on fire")
            assert result.error.exception is error
            assert "_executors.py" in result.error.traceback

    VirtualClock().run(main)


def test_a_cancelled_job_raises_with_the_reason() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            handle = await engine.submit(Hang())
            await asyncio.sleep(1)
            assert handle.cancel("the user went home")
            assert handle.status == "cancelled"
            with pytest.raises(JobCancelled, match="the user went home"):
                await handle
            result = await handle.wait()
            assert result.error is not None
            assert result.error.message == "the user went home"

    VirtualClock().run(main)


def test_a_skipped_job_raises_with_the_error_that_it_was_skipped_for() -> None:
    error = ValueError("no input")

    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            first = await engine.submit(Raise(error))
            second = await engine.submit("never", after=first)
            third = await engine.submit("never", after=second)
            for handle in (second, third):
                with pytest.raises(JobSkipped, match="no input") as caught:
                    await handle
                assert caught.value.__cause__ is error
                assert (await handle.wait()).attempts == ()
            late = await engine.submit("never", after=first)
            assert late.status == "skipped"

    VirtualClock().run(main)


def test_a_suspended_job_raises_with_its_question_and_can_be_awaited_again_after_the_reply() -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(FaultExecutor([Suspend("may I?"), "I did"]), sinks=[sink]) as engine:
            handle = await engine.submit("ask")
            with pytest.raises(JobSuspended, match=r"'may I\?'.*engine\.reply"):
                await handle
            result = await handle.wait()
            assert (result.status, result.ok) == ("suspended", False)
            assert [question.value for question in result.questions] == ["may I?"]
            await engine.reply(handle.id, "yes")
            assert await handle == "I did"
            assert handle.questions == ()
        [asked] = sink.of(events.JobSuspended)
        assert [(each.id, each.value) for each in asked.questions] == [("1", "may I?")]
        [replied] = sink.of(events.JobReplied)
        assert (replied.job, replied.question) == (handle.id, "1")

    VirtualClock().run(main)


def test_a_question_that_cannot_be_printed_does_not_spoil_the_error() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            nonsense = await (await engine.submit(Nonsense()))
            handle = await engine.submit(Suspend(nonsense))
            with pytest.raises(JobSuspended, match="waits for an answer"):
                await handle

    VirtualClock().run(main)


@pytest.mark.parametrize("payload", ["fine", Raise(ValueError), Suspend("?")])
def test_wait_never_raises(payload: object) -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            handle = await engine.submit(payload)
            result = await handle.wait()
            assert result.id == handle.id
            assert result.status == handle.status != "running"

    VirtualClock().run(main)


def test_a_handle_is_awaited_by_many_and_often() -> None:
    async def main() -> None:
        async with Engine(DelayExecutor(1, 1)) as engine:
            handle = await engine.submit("payload")
            async with asyncio.TaskGroup() as tasks:
                awaits = [tasks.create_task(handle.wait()) for _ in range(20)]
            assert {task.result().output for task in awaits} == {"payload"}
            assert [await handle, await handle] == ["payload"] * 2

    VirtualClock().run(main)


def test_each_await_of_a_failure_raises_an_error_of_its_own() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            handle = await engine.submit(Raise(ValueError("no")))
            errors: list[JobError] = []
            for _ in range(2):
                with pytest.raises(JobFailed) as caught:
                    await handle
                errors.append(caught.value)
            assert errors[0] is not errors[1]
            assert errors[0].__cause__ is errors[1].__cause__

    VirtualClock().run(main)


async def awaited(handle: Handle) -> object:
    return await handle


@pytest.mark.parametrize("how", [Handle.wait, awaited])
def test_giving_up_an_await_leaves_the_job_running(how: Callable[[Handle], Awaitable[object]]) -> None:
    async def main() -> None:
        async with Engine(DelayExecutor(10, 10)) as engine:
            handle = await engine.submit("payload")
            other = asyncio.create_task(handle.wait())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(how(handle), 1)
            assert handle.status == "running"
            assert await handle == "payload"
            assert (await other).ok

    VirtualClock().run(main)


def test_handles_to_one_job_are_equal_and_say_what_it_is() -> None:
    async def main() -> None:
        async with Engine(DelayExecutor(1, 1), slots=1) as engine:
            running = await engine.submit(1, key="one", name="first")
            again = await engine.submit(1, key="one")
            other = await engine.submit(2)
            assert running == again
            assert hash(running) == hash(again)
            assert running != other
            assert running != "one"
            assert {running, again, other} == {running, other}
            await asyncio.sleep(0)
            assert (running.name, running.key) == ("first", "one")
            assert repr(running) == "<Handle 'first' running>"
            assert other.status == "waiting"
            assert running.waiting is None
            assert str(other.waiting) == "waits for a free slot"
            await other
            assert other.waiting is None

    VirtualClock().run(main)


def test_a_handle_tells_its_end_after_the_engine_was_left() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            good = await engine.submit("fine")
            bad = await engine.submit(Raise(ValueError("no")))
        assert await good == "fine"
        assert (await bad.wait()).status == "failed"
        assert good.cancel() is False

    VirtualClock().run(main)
