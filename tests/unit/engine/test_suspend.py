"""Jobs that ask: they rest, holding nothing, until their questions are answered."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from paceline import (
    DeadlineExceeded,
    Engine,
    GroupPolicy,
    Handle,
    Job,
    JobContext,
    JobSuspended,
    Lane,
    MemorySink,
    Question,
    ReplyRefused,
    RetryPolicy,
    RunAgain,
    Suspend,
    UnknownName,
    events,
)
from paceline.testing import VirtualClock


class Asking:
    """Returns a payload that is a Suspend, once; then the reply and the state. Sleeps for a number."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        if isinstance(job.payload, Suspend):
            return (job.reply, job.state) if job.reply is not None else job.payload
        return await asyncio.sleep(job.payload, job.payload)


class Verdict(BaseModel):
    """An answer with a form."""

    good: bool
    why: str


async def suspended(engine: Engine, asks: Suspend, **options: Any) -> Handle:
    handle = await engine.submit(asks, **options)
    assert (await handle.wait()).status == "suspended"
    return handle


def test_a_suspended_job_rests_with_its_question_and_goes_on_with_the_answer() -> None:
    async def main() -> None:
        async with Engine(Asking()) as engine:
            handle = await engine.submit(Suspend("publish?", state={"draft": 3}))
            result = await handle.wait()
            assert result.status == handle.status == "suspended"
            assert result.questions == handle.questions == (Question("1", "publish?"),)
            assert result.output is None
            with pytest.raises(JobSuspended, match=r"publish.*engine\.reply"):
                await handle
            await engine.reply(handle.id, "yes")
            assert await handle == ("yes", {"draft": 3})
            result = await handle.wait()
            assert not result.questions
            assert [each.outcome for each in result.attempts] == ["suspended", "succeeded"]

    VirtualClock().run(main)


def test_a_suspended_job_holds_no_slot_cap_or_place() -> None:
    async def main() -> float:
        lanes = [Lane("one", max_running=1)]
        async with Engine(Asking(), slots=1, lanes=lanes, max_active_groups=1) as engine:
            await suspended(engine, Suspend("?"), lane="one")
            policy = GroupPolicy(in_flight=1)
            group = await engine.submit_group("g", followers=[Suspend("?"), 1], lane="one", policy=policy)
            await group.followers[1]
            snapshot = engine.snapshot()
            assert snapshot.slots_used == 0
            assert snapshot.lanes["one"].running == 0
            assert snapshot.counts["suspended"] == 2
            other = await engine.submit_group("h", primer=1, followers=[1], lane="one")
            await other.results()
            return asyncio.get_running_loop().time()

    assert VirtualClock().run(main) == 3


def test_several_questions_are_answered_one_by_one_in_any_order() -> None:
    asks = Suspend([Question("title", "Which title?"), Question("price", "Which price?", int)])

    async def main() -> None:
        async with Engine(Asking()) as engine:
            handle = await suspended(engine, asks)
            assert [each.id for each in handle.questions] == ["title", "price"]
            with pytest.raises(
                ReplyRefused, match=r"several questions.*'title' \('Which title\?'\), 'price'"
            ):
                await engine.reply(handle.id, 7)
            await engine.reply(handle.id, 7, question="price")
            assert handle.status == "suspended"
            assert [each.id for each in handle.questions] == ["title"]
            with pytest.raises(ReplyRefused, match="'price' is not open"):
                await engine.reply(handle.id, 8, question="price")
            await engine.reply(handle.id, "Dune")
            assert await handle == ({"price": 7, "title": "Dune"}, None)

    VirtualClock().run(main)


def test_a_reply_is_used_once() -> None:
    async def main() -> None:
        async with Engine(Asking(), slots=1) as engine:
            handle = await suspended(engine, Suspend("?"))
            blocker = await engine.submit(5)
            await engine.reply(handle.id, "first")
            assert handle.status == "waiting"
            with pytest.raises(ReplyRefused, match="is waiting and asks nothing"):
                await engine.reply(handle.id, "second")
            await blocker
            assert await handle == ("first", None)
            with pytest.raises(UnknownName, match="ended"):
                await engine.reply(handle.id, "third")

    VirtualClock().run(main)


def test_replies_to_nothing_are_refused() -> None:
    async def main() -> None:
        async with Engine(Asking()) as engine:
            running = await engine.submit(5)
            with pytest.raises(ReplyRefused, match="asks nothing"):
                await engine.reply(running.id, "yes")
            with pytest.raises(UnknownName):
                await engine.reply("nobody", "yes")
            handle = await suspended(engine, Suspend("?"))
            with pytest.raises(ReplyRefused, match="'9' is not open; open: '1'"):
                await engine.reply(handle.id, "yes", question="9")
            assert handle.questions
            cancelled = await suspended(engine, Suspend("?"))
            cancelled.cancel()
            with pytest.raises(UnknownName):
                await engine.reply(cancelled.id, "yes")
            await engine.reply(handle.id, "yes", question="1")

    VirtualClock().run(main)


@pytest.mark.parametrize(
    ("schema", "bad", "good", "taken"),
    [
        (int, "many", "7", 7),
        (bool, "perhaps", "yes", True),
        (Verdict, {"good": True}, {"good": True, "why": "it is"}, Verdict(good=True, why="it is")),
        (list[int], [1, "x"], [1, 2], [1, 2]),
    ],
)
def test_an_answer_of_the_wrong_form_is_refused_and_the_question_stays(
    schema: Any, bad: Any, good: Any, taken: Any
) -> None:
    async def main() -> None:
        async with Engine(Asking()) as engine:
            handle = await suspended(engine, Suspend("?", schema=schema))
            with pytest.raises(ReplyRefused, match="does not fit question '1'") as caught:
                await engine.reply(handle.id, bad)
            assert caught.value.job_id == handle.id
            assert caught.value.__cause__ is not None
            assert handle.status == "suspended"
            assert handle.questions[0].schema is schema
            await engine.reply(handle.id, good)
            assert await handle == (taken, None)

    VirtualClock().run(main)


def test_an_answer_may_be_nothing_at_all_where_the_schema_says_so() -> None:
    seen: list[object] = []

    class Confirming:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            seen.append(job.reply)
            asks = Suspend("press return", state="asked", schema=Any)
            return asks if job.state is None else "went on"

    async def main() -> None:
        async with Engine(Confirming()) as engine:
            handle = await suspended(engine, Suspend("?"))
            await engine.reply(handle.id, None)
            assert await handle == "went on"

    VirtualClock().run(main)
    assert seen == [None, None]


def test_a_job_may_ask_again_and_sees_the_last_answer_only() -> None:
    class Twice:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            asked = list(job.state or [])
            if job.reply is not None:
                asked.append(job.reply)
            return asked if len(asked) == 2 else Suspend(f"question {len(asked) + 1}", state=asked)

    async def main() -> None:
        async with Engine(Twice()) as engine:
            handle = await suspended(engine, Suspend("?"))
            await engine.reply(handle.id, "one")
            result = await handle.wait()
            assert result.status == "suspended"
            assert result.questions[0].value == "question 2"
            await engine.reply(handle.id, "two")
            assert await handle == ["one", "two"]

    VirtualClock().run(main)


def test_an_attempt_that_fails_after_the_answer_is_tried_again_with_it() -> None:
    class Flaky:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            if job.reply is None:
                return Suspend("?")
            if ctx.attempt == 2:
                raise OSError
            return job.reply

    async def main() -> None:
        async with Engine(Flaky()) as engine:
            handle = await suspended(engine, Suspend("?"), retry=RetryPolicy(attempts=2))
            await engine.reply(handle.id, "yes")
            assert await handle == "yes"
            assert [each.outcome for each in (await handle.wait()).attempts] == [
                "suspended",
                "failed",
                "succeeded",
            ]

    VirtualClock().run(main)


def test_waiting_for_several_returns_when_all_rest_and_again_after_the_replies() -> None:
    async def main() -> None:
        async with Engine(Asking()) as engine:
            group = await engine.submit_group("g", primer=1, followers=[Suspend("?"), 3])
            assert [each.status for each in await group.results()] == ["succeeded", "suspended", "succeeded"]
            waiting = asyncio.create_task(group.followers[0].wait())
            assert (await waiting).status == "suspended"
            await engine.reply(group.followers[0].id, "yes")
            assert [each.status for each in await group.results()] == ["succeeded"] * 3

    VirtualClock().run(main)


def test_a_suspended_primer_does_not_release() -> None:
    async def main() -> None:
        async with Engine(Asking()) as engine:
            group = await engine.submit_group("g", primer=Suspend("?"), followers=[1])
            results = await asyncio.wait_for(asyncio.shield(waiting(group.primer)), 5)
            assert results == "suspended"
            await asyncio.sleep(10)
            assert group.followers[0].status == "waiting"
            assert group.primer is not None
            await engine.reply(group.primer.id, "yes")
            assert await group.followers[0] == 1

    async def waiting(handle: Handle | None) -> str:
        assert handle is not None
        return (await handle.wait()).status

    VirtualClock().run(main)


def test_draining_does_not_wait_for_an_answer_but_says_what_it_leaves() -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(Asking(), sinks=[sink]) as engine:
            handle = await suspended(engine, Suspend("?"))
            dependent = await engine.submit(1, after=handle)
            group = await engine.submit_group("g", primer=Suspend("?"), followers=[1])
        assert handle.status == "suspended"
        assert handle.questions
        assert dependent.status == "cancelled"
        assert group.followers[0].status == "cancelled"
        assert asyncio.get_running_loop().time() < 1

    VirtualClock().run(main)
    (ended,) = sink.of(events.RunEnded)
    assert (ended.outcome, ended.counts["suspended"], ended.counts["cancelled"]) == ("completed", 2, 2)


def test_the_deadline_runs_on_and_the_timeout_does_not() -> None:
    async def main() -> None:
        async with Engine(Asking()) as engine:
            patient = await suspended(engine, Suspend("?"), timeout=5, idle_timeout=5)
            handle = await suspended(engine, Suspend("?"), deadline=50)
            await asyncio.sleep(49)
            assert (patient.status, handle.status) == ("suspended", "suspended")
            await asyncio.sleep(1)
            result = await handle.wait()
            assert result.status == "failed"
            assert result.error is not None
            assert isinstance(result.error.exception, DeadlineExceeded)
            assert handle.questions == ()
            with pytest.raises(UnknownName):
                await engine.reply(handle.id, "late")
            await engine.reply(patient.id, "yes")
            assert await patient == ("yes", None)

    VirtualClock().run(main)


def test_a_suspended_job_can_be_cancelled() -> None:
    async def main() -> None:
        async with Engine(Asking()) as engine:
            handle = await suspended(engine, Suspend("?"))
            assert handle.cancel("never mind")
            result = await handle.wait()
            assert result.status == "cancelled"
            assert result.questions == ()

    VirtualClock().run(main)


def test_a_job_waiting_for_a_suspended_one_of_its_own_is_told() -> None:
    class Parent:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            if job.payload == "child":
                return job.reply or Suspend("?")
            child = await ctx.spawn("child")
            try:
                return await child
            except JobSuspended:
                return "the child asks"

    async def main() -> None:
        async with Engine(Parent(), slots=1) as engine:
            assert await (await engine.submit("parent")) == "the child asks"

    VirtualClock().run(main)


def test_run_again_from_middleware_after_a_suspension_keeps_the_answer() -> None:
    class SendsBack:
        async def around(self, job: Job, ctx: JobContext, call_next: Any) -> object:
            output = await call_next()
            if ctx.attempt == 2:
                raise RunAgain(job.payload)
            return output

    async def main() -> None:
        async with Engine(Asking(), middleware=[SendsBack()]) as engine:
            handle = await suspended(engine, Suspend("?", state=1))
            await engine.reply(handle.id, "yes")
            assert await handle == ("yes", 1)
            assert len((await handle.wait()).attempts) == 3

    VirtualClock().run(main)


def test_questions_and_answers_are_recorded_without_the_answer() -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(Asking(), sinks=[sink]) as engine:
            handle = await suspended(engine, Suspend("publish?"))
            await engine.reply(handle.id, "yes")

    VirtualClock().run(main)
    (asked,) = sink.of(events.JobSuspended)
    assert [(each.id, each.value) for each in asked.questions] == [("1", "publish?")]
    assert [each.question for each in sink.of(events.JobReplied)] == ["1"]


def test_asking_in_place_is_for_flows_and_names_suspend() -> None:
    class Asks:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            return await ctx.ask("which?", schema=int)

    async def main() -> None:
        async with Engine(Asks()) as engine:
            result = await (await engine.submit("x")).wait()
            assert result.error is not None
            assert "Suspend('which?'" in result.error.message

    VirtualClock().run(main)
