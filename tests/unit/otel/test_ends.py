"""How a span ends, and what it says of that."""

import asyncio
import contextvars
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from paceline import (
    CallNext,
    Dag,
    Engine,
    GroupPolicy,
    Handle,
    Job,
    JobContext,
    RetryPolicy,
    RunAgain,
    Suspend,
    current_job,
)
from paceline.testing import EchoExecutor

from .graphs import report
from .traces import Traces, here


def said(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


class Refused(Exception):
    status_code = 429


async def fail(payload: Any) -> Any:
    raise Refused("the prompt was: secret")


def test_a_failed_attempt_tells_its_kind_its_status_and_when_another_follows() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(fail, retry=RetryPolicy(2, base=8.0)) as engine:
            await (await engine.submit("x")).wait()

    traces.run(main)
    first, last = traces.named("job fail")
    for span in (first, last):
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description is None
        assert said(span)["error.type"].endswith("Refused")
        assert said(span)["http.response.status_code"] == 429
        assert said(span)["paceline.outcome"] == "failed"
        assert not span.events
    assert 0 <= said(first)["paceline.retry.delay.seconds"] <= 8.0
    assert "paceline.retry.delay.seconds" not in said(last)
    assert [said(span)["paceline.attempt"] for span in (first, last)] == [1, 2]


def test_an_attempt_that_succeeds_leaves_its_status_to_the_application() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(EchoExecutor()) as engine:
            await engine.submit("x", name="good")

    traces.run(main)
    assert traces.one("good").status.status_code is StatusCode.UNSET
    assert said(traces.one("good"))["paceline.outcome"] == "succeeded"


def test_a_suspended_attempt_ends_with_an_event_and_the_next_is_a_span_of_its_own() -> None:
    traces = Traces()

    async def work(payload: Any) -> Any:
        job = current_job()
        assert job is not None
        return Suspend("secret?", state="secret") if job.job.reply is None else "done"

    async def main() -> None:
        async with traces.engine(work) as engine:
            handle = await engine.submit("x")
            await handle.wait()
            assert [span.name for span in traces.spans] == ["job work"], "it is exported while it rests"
            await engine.reply(handle.id, "yes")

    traces.run(main)
    asked, went_on = traces.named("job work")
    assert asked.status.status_code is StatusCode.UNSET
    assert said(asked)["paceline.outcome"] == "suspended"
    assert [(event.name, dict(event.attributes or {})) for event in asked.events] == [
        ("paceline.suspended", {"paceline.questions.count": 1})
    ]
    assert said(went_on)["paceline.outcome"] == "succeeded"
    assert "secret" not in traces.said()


def test_one_that_stays_suspended_keeps_nothing_after_its_run() -> None:
    traces = Traces()

    async def work(payload: Any) -> Any:
        return Suspend("?")

    async def main() -> None:
        async with traces.engine(work) as engine:
            handle = await engine.submit("x")
            await engine.submit_group("g", primer="p", followers=["f"])
            await engine.submit("waits", after=handle)

    traces.run(main)
    assert [span.name for span in traces.spans][-1] == "invoke_workflow run"


def test_a_cancelled_attempt_says_so_and_is_no_error() -> None:
    traces = Traces()

    async def work(payload: Any) -> Any:
        await asyncio.sleep(100)

    async def main() -> None:
        async with traces.engine(work) as engine:
            handle = await engine.submit("x")
            await asyncio.sleep(1)
            handle.cancel("because")
            assert len(traces.spans) == 1, "at once, not when its code has ended"

    traces.run(main)
    span = traces.one("job work")
    assert span.status.status_code is StatusCode.UNSET
    assert said(span)["paceline.outcome"] == "cancelled"
    assert said(span)["error.type"] == "paceline.JobCancelled"
    assert "because" not in traces.said()


@pytest.mark.parametrize("how", ["cancelled", "timeout"])
def test_an_attempt_that_hangs_has_an_ended_span_all_the_same(how: str) -> None:
    traces = Traces()
    inside: list[Any] = []

    async def stubborn(payload: Any) -> Any:
        with traces.tracer.start_as_current_span("late"):
            for _ in range(3):
                try:
                    await asyncio.sleep(100)
                except asyncio.CancelledError:
                    inside.append(None)
            job = current_job()
            assert job is not None
        return "too late"

    async def main() -> None:
        async with traces.engine(stubborn, grace=1000.0) as engine:
            handle = await engine.submit("x", timeout=5.0 if how == "timeout" else None)
            await asyncio.sleep(1)
            if how == "cancelled":
                handle.cancel()
            await handle.wait()
            assert traces.named("job stubborn"), "exported while its code goes on"

    traces.run(main)
    span = traces.one("job stubborn")
    if how == "cancelled":
        assert (span.status.status_code, said(span)["paceline.outcome"]) == (StatusCode.UNSET, "cancelled")
    else:
        assert (span.status.status_code, said(span)["paceline.outcome"]) == (StatusCode.ERROR, "failed")
        assert said(span)["error.type"] == "paceline.AttemptTimeout"
    assert traces.path(traces.one("late"))[1:] == ["job stubborn", "late"]


def test_a_job_cancelled_while_it_was_queued_has_a_span_of_no_length() -> None:
    traces = Traces()

    async def work(payload: Any) -> Any:
        await asyncio.sleep(10)

    async def main() -> None:
        async with traces.engine(work, slots=1) as engine:
            await engine.submit("x", name="runs")
            queued = await engine.submit("x", name="queued")
            member = await engine.submit_group("g", primer="p", followers=["f"])
            await asyncio.sleep(1)
            queued.cancel()
            member.cancel()

    traces.run(main)
    assert said(traces.one("queued"))["paceline.attempt"] == 0
    assert said(traces.one("queued"))["paceline.outcome"] == "cancelled"
    assert traces.path(traces.one("queued")) == ["invoke_workflow run", "queued"]
    assert traces.path(traces.one("follower work"))[1:] == ["paceline.group g", "follower work"]


def test_an_attempt_cancelled_before_its_first_step_is_told_once() -> None:
    traces = Traces()

    async def work(payload: Any) -> Any:
        return payload

    async def main() -> None:
        async with traces.engine(work) as engine:
            handle = await engine.submit("x")
            handle.cancel()

    traces.run(main)
    assert said(traces.one("job work"))["paceline.attempt"] == 1
    assert said(traces.one("job work"))["paceline.outcome"] == "cancelled"


@pytest.mark.parametrize("rest", ["backoff", "suspended"])
def test_a_job_cancelled_between_two_attempts_has_a_span_that_says_so(rest: str) -> None:
    traces = Traces()

    async def work(payload: Any) -> Any:
        if rest == "suspended":
            return Suspend("?")
        raise ValueError

    async def main() -> None:
        async with traces.engine(work, retry=RetryPolicy(3, base=1000.0, cap=1000.0)) as engine:
            handle = await engine.submit("x")
            await asyncio.sleep(0.001)
            handle.cancel()

    traces.run(main)
    ran, end = traces.named("job work")
    assert [said(span)["paceline.attempt"] for span in (ran, end)] == [1, 0]
    assert said(ran)["paceline.outcome"] == ("suspended" if rest == "suspended" else "failed")
    assert said(end)["paceline.outcome"] == "cancelled"
    assert traces.links(end) == [("resumed" if rest == "suspended" else "retry", ran)]


def test_a_job_whose_deadline_passed_while_it_waited_has_failed() -> None:
    traces = Traces()

    async def work(payload: Any) -> Any:
        await asyncio.sleep(10)

    async def main() -> None:
        async with traces.engine(work, slots=1) as engine:
            await engine.submit("x", name="runs")
            await engine.submit("x", name="waits", deadline=2.0)

    traces.run(main)
    span = traces.one("waits")
    assert span.status.status_code is StatusCode.ERROR
    assert said(span)["error.type"] == "paceline.DeadlineExceeded"
    assert said(span)["paceline.attempt"] == 0


def test_followers_that_are_skipped_are_seen() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(fail) as engine:
            policy = GroupPolicy(on_primer_failure="skip_followers")
            await engine.submit_group("g", primer="p", followers=["a", "b"], policy=policy)

    traces.run(main)
    followers = traces.named("follower fail")
    assert [said(each)["paceline.outcome"] for each in followers] == ["skipped", "skipped"]
    assert all(each.status.status_code is StatusCode.UNSET for each in followers)
    assert all(traces.links(each) == [("primer", traces.one("primer fail"))] for each in followers)
    group = traces.one("paceline.group g")
    assert group.status.status_code is StatusCode.ERROR
    assert said(group)["error.type"].endswith("Refused")


def test_an_attempt_that_was_sent_back_says_so() -> None:
    traces = Traces()

    class Again:
        async def around(self, job: Job, ctx: JobContext, call_next: CallNext) -> object:
            output = await call_next()
            if ctx.attempt == 1:
                raise RunAgain("better")
            return output

    async def main() -> None:
        async with Engine(EchoExecutor(), middleware=[traces.middleware, Again()]) as engine:
            assert await (await engine.submit("x", name="job")) == "better"

    traces.run(main)
    first, second = traces.named("job")
    assert said(first)["paceline.outcome"] == "again"
    assert first.status.status_code is StatusCode.UNSET
    assert traces.links(second) == [("retry", first)]


def test_a_run_that_is_left_by_an_error_is_an_error() -> None:
    traces = Traces()

    async def main() -> None:
        async def program() -> None:
            async with traces.engine(EchoExecutor()) as engine:
                await engine.submit("x")
                raise LookupError("secret")

        with pytest.raises(LookupError):
            await program()

    traces.run(main)
    run = traces.one("invoke_workflow run")
    assert run.status.status_code is StatusCode.ERROR
    assert said(run)["error.type"] == "LookupError"
    assert "secret" not in traces.said()


def test_a_run_that_is_cancelled_is_no_error() -> None:
    traces = Traces()

    async def main() -> None:
        async def program() -> None:
            async with traces.engine(EchoExecutor()):
                await asyncio.sleep(100)

        task = asyncio.create_task(program())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])

    traces.run(main)
    run = traces.one("invoke_workflow run")
    assert run.status.status_code is StatusCode.UNSET
    assert said(run)["paceline.outcome"] == "cancelled"


def test_an_error_that_cannot_be_shown_still_fails_its_span() -> None:
    traces = Traces(capture_content=True)

    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    async def work(payload: Any) -> Any:
        raise Broken

    async def main() -> None:
        async with traces.engine(work) as engine:
            await engine.submit("x")

    traces.run(main)
    assert traces.one("job work").status.description == "<no message: its __str__ raised RuntimeError>"


def test_a_job_from_another_thread_is_below_the_span_that_was_current_there() -> None:
    traces = Traces()

    async def work(payload: Any) -> Any:
        return payload

    async def program() -> None:
        async with traces.engine(work) as engine:

            def other() -> None:
                with traces.tracer.start_as_current_span("in the thread"):
                    engine.submit_threadsafe("x").result(10)

            await asyncio.to_thread(contextvars.Context().run, other)

    asyncio.run(program())
    assert traces.kept() == 0
    assert traces.path(traces.one("job work")) == ["in the thread", "job work"]


def test_a_graph_that_is_tried_again_has_the_nodes_of_both_attempts_below_it() -> None:
    traces = Traces()
    again = Dag("again")

    @again.task
    async def node() -> int:
        if not traces.named("node"):
            raise ValueError
        return 1

    async def main() -> None:
        async with traces.engine(EchoExecutor()) as engine:
            await engine.submit({}, executor=again, retry=RetryPolicy(2))

    traces.run(main)
    first, second = traces.named("node")
    graph = here(traces.one("invoke_workflow again")).span_id
    for node_span in (first, second):
        assert node_span.parent is not None
        assert node_span.parent.span_id == graph


def test_a_graph_that_never_begins_is_seen() -> None:
    traces = Traces()

    async def main() -> None:
        async with traces.engine(fail) as engine:
            first: Handle = await engine.submit("x")
            await engine.submit({"place": "x"}, executor=report, after=first)

    traces.run(main)
    span = traces.one("graph report")
    assert said(span)["paceline.outcome"] == "skipped"
    assert traces.links(span) == [("dependency", traces.one("job fail"))]
