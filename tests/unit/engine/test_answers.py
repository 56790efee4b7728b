"""The time there is for answers, what they must fit, and what goes on meanwhile."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from paceline import (
    AnswerTimeout,
    Dag,
    Ended,
    Engine,
    GroupPolicy,
    Job,
    JobContext,
    JobFailed,
    JobSuspended,
    MemorySink,
    Question,
    ReplyRefused,
    RetryPolicy,
    Suspend,
    WaitReason,
    current_job,
    events,
    flow,
)
from paceline.testing import VirtualClock


class Asks:
    """Returns a payload that is a Suspend the first time, then reply and state; sleeps for a number."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        if isinstance(job.payload, Suspend):
            return job.payload if ctx.attempt == 1 else (job.reply, job.state)
        return await asyncio.sleep(job.payload, job.payload)


def test_a_question_without_an_answer_in_time_fails_its_job_for_good() -> None:
    async def main() -> None:
        clock = asyncio.get_running_loop().time
        async with Engine(Asks(), retry=RetryPolicy(3)) as engine:
            handle = await engine.submit(Suspend("ship it?", timeout=60.0))
            after = await engine.submit(1.0, after=[Ended(handle)])
            needs = await engine.submit(1.0, after=[handle])
            assert (await handle.wait()).status == "suspended"
            await after
            assert clock() == 61.0
            result = await handle.wait()
            assert result.status == "failed"
            assert result.error is not None
            assert isinstance(result.error.exception, AnswerTimeout)
            assert "60 s" in result.error.message
            assert "'1'" in result.error.message
            with pytest.raises(JobFailed) as caught:
                await handle
            assert isinstance(caught.value.__cause__, AnswerTimeout)
            assert (await needs.wait()).status == "skipped"

    VirtualClock().run(main)


def test_an_answer_in_time_stops_the_clock() -> None:
    async def main() -> None:
        async with Engine(Asks()) as engine:
            handle = await engine.submit(Suspend("?", state="s", timeout=60.0))
            await handle.wait()
            await asyncio.sleep(59.0)
            await engine.reply(handle.id, "yes")
            assert await handle == ("yes", "s")
            await asyncio.sleep(10.0)
            assert handle.status == "succeeded"

    VirtualClock().run(main)


def test_with_a_default_the_job_goes_on_by_itself() -> None:
    async def main() -> None:
        async with Engine(Asks()) as engine:
            handle = await engine.submit(Suspend("?", state="s", timeout=5.0, default=None))
            assert await handle == (None, "s")
            assert asyncio.get_running_loop().time() == 5.0

    VirtualClock().run(main)


def test_a_default_answers_only_what_is_open() -> None:
    asks = Suspend([Question("a", 1), Question("b", 2)], timeout=5.0, default="none")

    async def main() -> None:
        async with Engine(Asks()) as engine:
            handle = await engine.submit(asks)
            await asyncio.sleep(1.0)
            await engine.reply(handle.id, "mine", question="a")
            assert await handle == ({"a": "mine", "b": "none"}, None)

    VirtualClock().run(main)


def test_an_answer_that_comes_too_late_is_refused() -> None:
    async def main() -> None:
        async with Engine(Asks()) as engine:
            handle = await engine.submit(Suspend("?", timeout=5.0))
            other = await engine.submit(Suspend("?"))
            await handle.wait()
            await asyncio.sleep(6.0)
            with pytest.raises(LookupError, match="has ended"):
                await engine.reply(handle.id, "yes")
            other.cancel()

    VirtualClock().run(main)


def test_a_timeout_of_a_question_is_a_number_of_seconds() -> None:
    with pytest.raises(ValueError, match="Suspend: timeout"):
        Suspend("?", timeout=0.0)


def test_a_job_that_polls_rests_between_two_looks_without_a_slot() -> None:
    class Polls:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            if job.payload == "other":
                return "done meanwhile"
            looks = job.state or 0
            if looks == 3:
                return looks
            return Suspend(None, state=looks + 1, timeout=30.0, default=None)

    async def main() -> None:
        async with Engine(Polls(), slots=1) as engine:
            handle = await engine.submit("render")
            assert await (await engine.submit("other")) == "done meanwhile"
            assert handle.status == "suspended"
            assert handle.questions == (), "nobody is asked"
            assert str(handle.waiting) == "looks again later"
            assert engine.snapshot().counts["suspended"] == 1
            left = await engine.submit("render")
            assert await handle == 3
            assert asyncio.get_running_loop().time() == 90.0
        assert await left == 3, "the engine was left, and waited for what goes on by itself"

    VirtualClock().run(main)


def test_who_is_asked_may_answer_before_the_default_does() -> None:
    async def main() -> None:
        async with Engine(Asks()) as engine:
            handle = await engine.submit(Suspend("?", timeout=60.0, default="no"))
            await asyncio.sleep(1.0)
            await engine.reply(handle.id, "yes")
            assert await handle == ("yes", None)
            assert asyncio.get_running_loop().time() == 1.0

    VirtualClock().run(main)


def test_a_flow_that_asks_hears_of_a_timeout_and_may_go_on() -> None:
    @flow
    async def careful() -> list[object]:
        job = current_job()
        assert job is not None
        first = await job.ask("really?", timeout=10.0, default="assumed")
        try:
            await job.ask("sure?", timeout=10.0)
        except AnswerTimeout as error:
            return [first, str(error)]
        return [first]

    async def main() -> None:
        async with Engine() as engine:
            run = await careful.start(engine)
            with pytest.raises(JobSuspended, match=r"sure\?"):
                await run
            await asyncio.sleep(10.0)
            assert await run == ["assumed", "no answer within 10 s to question '2' ('sure?')"]
            assert asyncio.get_running_loop().time() == 20.0

    VirtualClock().run(main)


@pytest.mark.parametrize(
    ("answer", "said"),
    [("seven", "'seven' is not of type 'integer'"), (0, "0 is less than the minimum of 1")],
)
def test_an_answer_that_does_not_fit_a_json_schema_is_refused_and_the_question_stays(
    answer: object, said: str
) -> None:
    pytest.importorskip("jsonschema")

    async def main() -> None:
        async with Engine(Asks()) as engine:
            handle = await engine.submit(Suspend("how many?", schema={"type": "integer", "minimum": 1}))
            await handle.wait()
            with pytest.raises(ReplyRefused, match="does not fit question '1'") as caught:
                await engine.reply(handle.id, answer)
            assert said in str(caught.value)
            assert handle.questions
            await engine.reply(handle.id, 7)
            assert await handle == (7, None)

    VirtualClock().run(main)


def test_a_snapshot_shows_what_is_asked() -> None:
    async def main() -> None:
        async with Engine(Asks()) as engine:
            handle = await engine.submit(Suspend("ship it?"))
            await handle.wait()
            assert engine.snapshot().questions == {handle.id: (Question("1", "ship it?"),)}
            handle.cancel()
            assert not engine.snapshot().questions

    VirtualClock().run(main)


@pytest.mark.parametrize("policy", ["wait", "run_followers"])
def test_followers_wait_for_a_primer_that_asks_or_go_on_by_policy(policy: Any) -> None:
    async def main() -> None:
        sink = MemorySink()
        async with Engine(Asks(), sinks=[sink]) as engine:
            group = await engine.submit_group(
                "g",
                primer=Suspend("which plan?"),
                followers=[1.0],
                policy=GroupPolicy(on_primer_suspended=policy),
            )
            assert group.primer is not None
            await group.primer.wait()
            await asyncio.sleep(10.0)
            assert group.followers[0].status == ("waiting" if policy == "wait" else "succeeded")
            await engine.reply(group.primer.id, "this one")
            assert [result.status for result in await group.results()] == ["succeeded", "succeeded"]
        released = [event.by for event in sink.events if isinstance(event, events.GroupReleased)]
        assert released == ["complete" if policy == "wait" else "primer_suspended"]

    VirtualClock().run(main)


@pytest.mark.parametrize(("policy", "others"), [("continue", "succeeded"), ("wait", "waiting")])
def test_a_group_goes_on_or_waits_while_a_follower_asks(policy: Any, others: str) -> None:
    async def main() -> None:
        async with Engine(Asks(), slots=1) as engine:
            group = await engine.submit_group(
                "g",
                primer=1.0,
                followers=[Suspend("?"), Suspend("?"), 1.0, 1.0],
                policy=GroupPolicy(on_follower_suspended=policy),
            )
            elsewhere = await engine.submit(1.0)
            first, second, *rest = group.followers
            await first.wait()
            await elsewhere
            await asyncio.sleep(10.0)
            assert [each.status for each in rest] == [others, others]
            assert second.status == ("suspended" if policy == "continue" else "waiting")
            await engine.reply(first.id, "yes")
            assert (await second.wait()).status == "suspended"
            await engine.reply(second.id, "yes")
            assert {result.status for result in await group.results()} == {"succeeded"}

    VirtualClock().run(main)


def test_a_group_that_waits_goes_on_when_the_one_that_asks_is_cancelled() -> None:
    async def main() -> None:
        async with Engine(Asks(), slots=1) as engine:
            policy = GroupPolicy(on_follower_suspended="wait", in_flight=1)
            group = await engine.submit_group("g", followers=[Suspend("?"), 1.0], policy=policy)
            await group.followers[0].wait()
            await asyncio.sleep(5.0)
            group.followers[0].cancel("never mind")
            assert await group.followers[1] == 1.0

    VirtualClock().run(main)


@pytest.mark.parametrize(("policy", "other"), [("continue", "succeeded"), ("wait", "waiting")])
def test_a_graph_goes_on_or_waits_while_a_task_asks(policy: Any, other: str) -> None:
    graph = Dag("review")

    async def ask() -> object:
        job = current_job()
        assert job is not None
        return Suspend("fine?") if job.job.reply is None else job.job.reply

    async def work() -> str:
        await asyncio.sleep(1.0)
        return "worked"

    graph.task(ask, name="ask")
    first = graph.task(work, name="first")
    graph.task(work, name="second", after=[first])

    async def main() -> None:
        async with Engine() as engine:
            run = await graph.start(engine, on_suspended=policy)
            await asyncio.sleep(10.0)
            snapshot = engine.snapshot()
            (asking,) = snapshot.questions
            done = snapshot.counts["succeeded"]
            assert done == (2 if other == "succeeded" else 1), "first was under way; second was not"
            await engine.reply(asking, "yes")
            assert await run == {"ask": "yes", "first": "worked", "second": "worked"}

    VirtualClock().run(main)


def test_a_graph_refuses_a_policy_that_it_does_not_know() -> None:
    graph = Dag("g")
    graph.task(lambda: 1, name="one")

    async def main() -> None:
        async with Engine() as engine:
            wrong: Any = "sometimes"
            with pytest.raises(ValueError, match="on_suspended must be one of"):
                await graph.start(engine, on_suspended=wrong)

    VirtualClock().run(main)


@pytest.mark.parametrize("way", ["results", "as_completed"])
@pytest.mark.parametrize(
    ("policy", "primer", "followers", "expected"),
    [
        (GroupPolicy(), Suspend("?"), [1.0, 1.0], ["suspended", "waiting", "waiting"]),
        (
            GroupPolicy(on_follower_suspended="wait"),
            1.0,
            [Suspend("?"), 5.0, 1.0],
            ["succeeded", "suspended", "succeeded", "waiting"],
        ),
    ],
)
def test_who_waits_for_a_group_is_told_when_all_of_it_waits_for_an_answer(
    way: str, policy: GroupPolicy, primer: object, followers: list[object], expected: list[str]
) -> None:
    async def main() -> None:
        async with Engine(Asks(), slots=2) as engine:
            group = await engine.submit_group("g", primer=primer, followers=followers, policy=policy)
            if way == "results":
                assert [result.status for result in await group.results()] == expected
            else:
                told = [result.status async for result in group.as_completed()]
                assert sorted(told) == sorted(status for status in expected if status != "waiting")
            for job_id in engine.snapshot().questions:
                await engine.reply(job_id, "yes")
            assert {result.status for result in await group.results()} == {"succeeded"}

    VirtualClock().run(main)


def test_as_completed_gives_no_member_that_was_answered_before_it_was_given() -> None:
    async def main() -> None:
        async with Engine(Asks()) as engine:
            group = await engine.submit_group("g", followers=[Suspend("?")] * 5)
            told: list[str] = []
            async for result in group.as_completed():
                told.append(result.status)
                for job_id in engine.snapshot().questions:
                    await engine.reply(job_id, "yes")
            assert told == ["suspended"] + ["succeeded"] * 5

    VirtualClock().run(main)


@pytest.mark.parametrize("empty", [None, "", "  \n"])
def test_an_empty_answer_is_refused_unless_the_schema_takes_it(empty: str | None) -> None:
    async def main() -> None:
        async with Engine(Asks()) as engine:
            handle = await engine.submit(Suspend([Question("a", 1), Question("b", 2, str | None)]))
            await handle.wait()
            with pytest.raises(ReplyRefused, match="is empty: give a value"):
                await engine.reply(handle.id, empty, question="a")
            await engine.reply(handle.id, empty, question="b")
            assert [each.id for each in handle.questions] == ["a"]
            await engine.reply(handle.id, False, question="a")
            assert await handle == ({"a": False, "b": empty}, None)

    VirtualClock().run(main)


@flow
async def asks_a_person(question: str = "fine?") -> object:
    job = current_job()
    assert job is not None
    return await job.ask(question)


def test_a_graph_that_waits_does_so_for_a_flow_that_asks_too_and_rests_by_that() -> None:
    graph = Dag("review")
    graph.task(asks_a_person, name="ask")
    first = graph.task(one_second, name="first")
    graph.task(one_second, name="second", after=[first])

    async def main() -> None:
        async with Engine() as engine:
            run = await graph.start(engine, on_suspended="wait")
            with pytest.raises(JobSuspended):
                await run
            assert asyncio.get_running_loop().time() == 1.0, "first was under way"
            assert run.tasks["second"].status == "waiting"
            (asking,) = engine.snapshot().questions
            await engine.reply(asking, "yes")
            assert await run == {"ask": "yes", "first": "worked", "second": "worked"}

    VirtualClock().run(main)


async def one_second() -> str:
    await asyncio.sleep(1.0)
    return "worked"


def test_an_engine_is_left_though_jobs_wait_for_another_to_be_answered() -> None:
    async def main() -> None:
        async with Engine(Asks(), slots=1) as engine:
            policy = GroupPolicy(on_follower_suspended="wait")
            group = await engine.submit_group("g", followers=[Suspend("?"), 1.0], policy=policy)
        assert [follower.status for follower in group.followers] == ["suspended", "cancelled"]

    VirtualClock().run(main)


@pytest.mark.parametrize("others", ["continue", "wait"])
def test_followers_that_run_while_their_primer_asks_do_so_whatever_holds_for_followers(others: Any) -> None:
    async def main() -> None:
        async with Engine(Asks()) as engine:
            policy = GroupPolicy(on_primer_suspended="run_followers", on_follower_suspended=others)
            group = await engine.submit_group("g", primer=Suspend("?"), followers=[1.0], policy=policy)
            assert await group.followers[0] == 1.0
            group.cancel()

    VirtualClock().run(main)


def test_a_default_needs_the_time_after_which_it_is_the_answer() -> None:
    with pytest.raises(ValueError, match="give them too"):
        Suspend("well?", default="never")

    @flow
    async def asks() -> object:
        job = current_job()
        assert job is not None
        with pytest.raises(ValueError, match="give them too"):
            await job.ask("well?", default="never")
        return "refused"

    async def main() -> None:
        async with Engine() as engine:
            assert await (await asks.start(engine)) == "refused"

    VirtualClock().run(main)


def test_until_when_a_flow_waits_for_an_answer_is_told() -> None:
    @flow
    async def asks() -> object:
        job = current_job()
        assert job is not None
        await job.ask("first?", timeout=5.0, default=None)
        return await job.ask("then?")

    async def main() -> None:
        async with Engine() as engine:
            run = await asks.start(engine)
            await asyncio.sleep(1.0)
            assert list(engine.snapshot().waiting.values()) == [WaitReason("reply", None, 5.0)]
            with pytest.raises(JobSuspended):
                await run
            assert list(engine.snapshot().waiting.values()) == [WaitReason("reply")]

    VirtualClock().run(main)


def test_a_job_that_only_rests_is_woken_by_any_reply() -> None:
    async def main() -> None:
        async with Engine(Asks()) as engine:
            handle = await engine.submit(Suspend(None, state="s", timeout=300.0, default=None))
            await asyncio.sleep(1.0)
            with pytest.raises(ReplyRefused, match="asks nothing"):
                await engine.reply(handle.id, "done", question="1")
            await engine.reply(handle.id, {"type": "completed"})
            assert await handle == ({"type": "completed"}, "s")
            assert asyncio.get_running_loop().time() == 1.0

    VirtualClock().run(main)


def test_a_job_that_only_rests_holds_nobody_back() -> None:
    async def main() -> None:
        async with Engine(Asks(), slots=1) as engine:
            policy = GroupPolicy(on_follower_suspended="wait")
            rests = Suspend(None, timeout=30.0, default="later")
            group = await engine.submit_group("g", followers=[rests, 1.0], policy=policy)
            await group.followers[1]
            assert asyncio.get_running_loop().time() == 1.0
            assert [result.status for result in await group.results()] == ["succeeded", "succeeded"]
            assert asyncio.get_running_loop().time() == 30.0

    VirtualClock().run(main)


def test_an_answer_may_be_an_object_of_what_the_json_schema_was_made_from() -> None:
    pytest.importorskip("jsonschema")

    class Verdict(BaseModel):
        good: bool

    async def main() -> None:
        async with Engine(Asks()) as engine:
            handle = await engine.submit(Suspend("?", schema=Verdict.model_json_schema()))
            await handle.wait()
            with pytest.raises(ReplyRefused, match="nothing that JSON has words for"):
                await engine.reply(handle.id, object())
            await engine.reply(handle.id, Verdict(good=True))
            assert await handle == (Verdict(good=True), None)

    VirtualClock().run(main)
