"""What the metrics say of a run: made of its events, and read back from an SDK."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from opentelemetry.metrics import NoOpMeterProvider, get_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader

from paceline import (
    Engine,
    Failure,
    Group,
    GroupPolicy,
    Handle,
    Job,
    JobContext,
    Lane,
    Limits,
    MemorySink,
    RetryPolicy,
    RunAgain,
    Suspend,
    Usage,
    current_job,
    events as ev,
    flow,
    task,
)
from paceline.testing import VirtualClock
from paceline_integrations.otel._metrics import MetricsSink

Body = Callable[[JobContext], Awaitable[object]]


class Meter:
    """A provider whose numbers are kept in memory, and a sink that tells it of events."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)
        self.sink = self.another_sink()

    def another_sink(self) -> MetricsSink:
        sink = MetricsSink.of(self.provider)
        assert sink is not None
        return sink

    def points(self, name: str) -> list[Any]:
        data: Any = self.reader.get_metrics_data()
        resources: Any = () if data is None else data.resource_metrics
        return [
            point
            for resource in resources
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def by(self, name: str, *keys: str) -> dict[Any, float]:
        """What was counted (of a histogram: how many values), by one attribute or several."""
        found: dict[Any, float] = {}
        for point in self.points(name):
            values = tuple(point.attributes.get(each) for each in keys)
            key = values[0] if len(keys) == 1 else values
            amount = point.count if isinstance(point, HistogramDataPoint) else point.value
            found[key] = found.get(key, 0) + amount
        return {key: amount for key, amount in found.items() if amount}

    def total(self, name: str) -> float:
        """The sum of all values."""
        points = self.points(name)
        return sum(each.sum if isinstance(each, HistogramDataPoint) else each.value for each in points)

    @property
    def depth(self) -> float:
        return self.total("paceline.queue.depth")


@pytest.fixture
def meter() -> Meter:
    return Meter()


class Calls:
    """The payload is the function; a ConnectionError is a refusal."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        return await cast("Body", job.payload)(ctx)

    def classify(self, error: BaseException) -> Failure:
        return Failure(
            True, fault="limit" if isinstance(error, ConnectionError) else "unknown", retry_after=1.0
        )


def record(main: Callable[[Engine], Awaitable[None]], seed: int = 0, **settings: Any) -> list[ev.Event]:
    """The events of a run on the virtual clock."""
    memory = MemorySink()

    async def run() -> None:
        async with Engine(Calls(), sinks=[memory], **settings) as engine:
            await main(engine)

    VirtualClock(seed).run(run)
    return memory.events


class Watch:
    """How many jobs wait to run, as the engine itself has it, at some moments."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, int]] = []

    def look(self, engine: Engine) -> None:
        snapshot = engine.snapshot()
        self._seen.append((snapshot.time, snapshot.counts["waiting"]))

    def compare(self, meter: Meter, events: list[ev.Event]) -> list[int]:
        """Tell the sink of all that happened until each moment, and compare."""
        left, began = list(events), events[0].time
        for moment, waiting in self._seen:
            while left and left[0].time - began <= moment + 1e-5:  # wall time is coarse
                meter.sink.write([left.pop(0)])
            assert meter.depth == waiting, f"at {moment:g} s"
        meter.sink.write(left)
        return [waiting for _, waiting in self._seen]


def own_job() -> JobContext:
    found = current_job()
    assert found is not None
    return found


async def second(_ctx: JobContext) -> None:
    await asyncio.sleep(1)


async def asks(ctx: JobContext) -> object:
    await asyncio.sleep(1)
    return ctx.job.reply or Suspend("May I?")


async def once_broken(ctx: JobContext) -> object:
    await asyncio.sleep(1)
    if ctx.attempt == 1:
        raise OSError
    return 1


async def once_refused(ctx: JobContext) -> object:
    if ctx.attempt == 1:
        raise ConnectionError
    return 1


def test_depth_is_that_of_the_engine_through_retry_suspension_and_cancel_while_queued(meter: Meter) -> None:
    watch = Watch()

    async def main(engine: Engine) -> None:
        handles: list[Handle] = [await engine.submit(once_broken, retry=RetryPolicy(2, base=3.0))]
        handles += [await engine.submit(asks), await engine.submit(second), await engine.submit(second)]
        for moment in range(8):
            if moment == 1:
                handles[3].cancel("not needed")
            if moment == 5:
                await engine.reply(handles[1].id, "yes")
            await asyncio.sleep(0.5)
            watch.look(engine)
            await asyncio.sleep(0.5)

    events = record(main, slots=1)
    assert len(set(watch.compare(meter, events))) > 2
    assert meter.depth == 0


@pytest.mark.parametrize("seed", range(20))
def test_depth_is_that_of_the_engine_whatever_happens(meter: Meter, seed: int) -> None:
    watch, dice = Watch(), random.Random(seed)

    async def main(engine: Engine) -> None:
        handles: list[Handle] = []
        for _ in range(40):
            what = dice.choice([second, asks, once_broken, second])
            after = [dice.choice(handles)] if handles and dice.random() < 0.3 else ()
            options: dict[str, Any] = {"after": after, "lane": dice.choice(["a", "b"])}
            if dice.random() < 0.3:
                options |= {"timeout": dice.choice([0.5, 2.0])}
            handles.append(await engine.submit(what, retry=RetryPolicy(2), **options))
            if dice.random() < 0.2:
                dice.choice(handles).cancel()
            for handle in handles:
                if handle.questions and dice.random() < 0.5:
                    await engine.reply(handle.id, "yes")
            await asyncio.sleep(dice.random())
            watch.look(engine)
            await asyncio.sleep(0.001)  # what follows is after that moment
        for handle in handles[::2]:
            handle.cancel()
        await asyncio.sleep(0.001)
        watch.look(engine)

    watch.compare(meter, record(main, seed, slots=2, lanes=[Lane("a"), Lane("b")]))
    assert meter.depth == 0


def submitted(job: str, lane: str = "a", **more: Any) -> ev.JobSubmitted:
    return ev.JobSubmitted(job=job, name=job, executor="chat", lane=lane, **more)


def started(job: str, attempt: int = 1, waited: float = 0.0) -> ev.JobStarted:
    return ev.JobStarted(job=job, lane="a", attempt=attempt, waited=waited)


def ended(job: str, **more: Any) -> ev.JobEnded:
    known: dict[str, Any] = {"lane": "a", "status": "succeeded", "attempt": 1, "seconds": 2.0}
    return ev.JobEnded(job=job, **known | more)


def test_a_queue_that_is_left_behind_is_not_counted_for_ever(meter: Meter) -> None:
    meter.sink.write([submitted("1"), submitted("2"), started("1")])
    assert meter.depth == 1
    meter.sink.close()
    assert meter.depth == 0


def test_depth_does_not_drift_where_events_were_dropped(meter: Meter) -> None:
    sink = meter.sink
    sink.write([submitted("1"), submitted("2"), submitted("3"), started("1")])
    sink.write([ev.EventsDropped(sink="metrics", count=7), started("2"), ended("2")])
    assert meter.depth == 0, "it may be that 3 has ended"
    sink.write([submitted("4"), started("3"), ended("3"), ev.JobRetried(job="1", attempt=1, delay=1.0)])
    assert meter.depth == 2, "1 is back, and 4 waits"
    sink.write([started("1", 2), ended("1", attempt=2), started("4"), ended("4")])
    assert meter.depth == 0
    assert meter.total("paceline.events.dropped") == 7


def test_tokens_of_a_job_of_which_something_was_missed_are_never_counted_twice(meter: Meter) -> None:
    usage, dropped = Usage(input_tokens=10), ev.EventsDropped(sink="metrics", count=1)
    first, second = (ev.JobRetried(job="1", attempt=each, delay=0, usage=usage) for each in (1, 2))
    meter.sink.write([submitted("1"), started("1"), first, dropped])
    meter.sink.write([ended("1", attempt=2, usage=usage + usage)])
    assert meter.total("paceline.tokens") == 10
    meter.sink.write([submitted("1"), started("1"), first, dropped, second])
    meter.sink.write([ended("1", attempt=3, usage=usage + usage + usage)])
    assert meter.total("paceline.tokens") == 10 + 20
    meter.sink.write([dropped, ended("2", usage=usage)])
    assert meter.total("paceline.tokens") == 30 + 10


def test_waits_and_durations_are_those_of_every_attempt_by_outcome(meter: Meter) -> None:
    async def again(ctx: JobContext) -> object:
        await asyncio.sleep(300)
        if ctx.attempt == 1:
            raise RunAgain(again)
        raise KeyError("no")

    async def main(engine: Engine) -> None:
        await engine.submit(again)
        await engine.submit(once_broken, retry=RetryPolicy(2))
        resting = await engine.submit(asks)
        running = await engine.submit(second)
        await asyncio.sleep(5)
        await engine.reply(resting.id, "yes")
        (await engine.submit(again)).cancel()
        await running.wait()
        late = await engine.submit(again)
        await asyncio.sleep(1)
        late.cancel()

    meter.sink.write(record(main))
    found = meter.by("paceline.job.duration", "paceline.outcome", "error.type")
    assert found == {
        ("again", None): 1,
        ("failed", "KeyError"): 1,
        ("failed", "OSError"): 1,
        ("suspended", None): 1,
        ("succeeded", None): 3,
        ("cancelled", None): 2,
    }
    assert meter.by("paceline.job.wait.duration", "paceline.executor") == {"Calls": 9}
    assert meter.total("paceline.job.duration") == 600 + 2 + 2 + 1 + 1
    ends = {"again": 1, "suspended": 1, "failed": 2, "succeeded": 3, "cancelled": 2}
    assert meter.by("paceline.job.attempts", "paceline.outcome") == ends
    ends = {"failed": 1, "succeeded": 3, "cancelled": 2}
    assert meter.by("paceline.jobs", "paceline.outcome") == ends


def test_an_attempt_is_counted_once_though_its_job_is_cancelled_afterwards(meter: Meter) -> None:
    async def main(engine: Engine) -> None:
        broken = await engine.submit(once_broken, retry=RetryPolicy(2, base=100.0))
        resting = await engine.submit(asks)
        await asyncio.sleep(1.5)
        broken.cancel()
        resting.cancel()

    meter.sink.write(record(main))
    outcomes = {"failed": 1, "suspended": 1}
    assert meter.by("paceline.job.duration", "paceline.outcome") == outcomes
    assert meter.by("paceline.job.attempts", "paceline.outcome") == outcomes
    assert meter.by("paceline.jobs", "paceline.outcome") == {"cancelled": 2}


def test_a_job_with_several_questions_waits_again_after_the_last_answer(meter: Meter) -> None:
    asked = tuple(ev.AskedQuestion(id=each) for each in "ab")
    meter.sink.write([submitted("1"), started("1"), ev.JobSuspended(job="1", attempt=1, questions=asked)])
    meter.sink.write([ev.JobReplied(job="1", question="b")])
    assert meter.depth == 0
    meter.sink.write([ev.JobReplied(job="1", question="a")])
    assert meter.depth == 1


def at(time: float, event: Any) -> Any:
    event.time = time
    return event


def test_the_time_that_an_answer_takes_is_no_wait(meter: Meter) -> None:
    asked = tuple(ev.AskedQuestion(id=each) for each in "ab")
    meter.sink.write([submitted("1"), started("1", waited=1.0)])
    meter.sink.write([at(10.0, ev.JobSuspended(job="1", attempt=1, questions=asked))])
    meter.sink.write([at(20.0, ev.JobReplied(job="1", question="b"))])
    meter.sink.write([at(34.0, ev.JobReplied(job="1", question="a"))])
    meter.sink.write([at(36.0, started("1", attempt=2, waited=26.0))])
    assert meter.total("paceline.job.wait.duration") == 1.0 + 2.0
    meter.sink.write([at(40.0, ev.JobRetried(job="1", attempt=2, delay=5.0))])
    meter.sink.write([at(45.0, started("1", attempt=3, waited=5.0))])
    assert meter.total("paceline.job.wait.duration") == 1.0 + 2.0 + 5.0, "a retry's delay is one"


def test_a_rest_without_a_question_is_no_wait(meter: Meter) -> None:
    meter.sink.write([submitted("1"), started("1", waited=1.0)])
    meter.sink.write([ev.JobSuspended(job="1", attempt=1, questions=())])
    meter.sink.write([started("1", attempt=2, waited=30.0)])
    assert meter.by("paceline.job.wait.duration", "paceline.executor") == {"chat": 1}


def test_durations_have_buckets_for_what_takes_ten_minutes(meter: Meter) -> None:
    meter.sink.write([submitted("1"), started("1", waited=400.0), ended("1", seconds=590.0)])
    for name in ("paceline.job.duration", "paceline.job.wait.duration"):
        (point,) = meter.points(name)
        assert 600.0 in point.explicit_bounds
        assert point.bucket_counts[point.explicit_bounds.index(600.0)] == 1


def test_tokens_are_counted_once_by_kind_whatever_became_of_the_attempt(meter: Meter) -> None:
    async def uses(ctx: JobContext) -> object:
        ctx.usage(Usage(100, 80, 5, 10, 3))
        await asyncio.sleep(1)
        if ctx.attempt <= 2:
            raise OSError
        return ctx.job.reply or Suspend("May I?")

    async def late(ctx: JobContext) -> None:
        ctx.usage(Usage(input_tokens=1000))
        try:
            await asyncio.sleep(100)
        finally:
            ctx.usage(Usage(input_tokens=10_000))

    async def main(engine: Engine) -> None:
        handle = await engine.submit(uses, retry=RetryPolicy(3))
        cancelled = await engine.submit(late, lane="b")
        await engine.submit(late, lane="b", timeout=3, retry=RetryPolicy(2))
        await asyncio.sleep(20)
        cancelled.cancel()
        await engine.reply(handle.id, "yes")

    meter.sink.write(record(main, lanes=[Lane("b")]))
    kinds = meter.by("paceline.tokens", "paceline.lane", "paceline.token.type")
    assert kinds == {
        ("default", "input"): 400,
        ("default", "cached"): 320,
        ("default", "cache_write"): 20,
        ("default", "output"): 40,
        ("default", "reasoning"): 12,
        ("b", "input"): 3 * 11_000,
    }


def test_the_hit_ratio_is_of_jobs_that_know_both_numbers(meter: Meter) -> None:
    for number, usage in enumerate([Usage(100, 90), Usage(100, 0), Usage(100), Usage(), Usage(0, 0)]):
        meter.sink.write([submitted(str(number)), started(str(number)), ended(str(number), usage=usage)])
    assert meter.by("paceline.cache.hit_ratio", "paceline.lane") == {"a": 2}
    assert meter.total("paceline.cache.hit_ratio") == 0.9


def test_refusals_of_a_provider_are_counted_by_why(meter: Meter) -> None:
    async def main(engine: Engine) -> None:
        await engine.submit(once_refused, retry=RetryPolicy(2))

    meter.sink.write(record(main, limits=Limits(requests_per_minute=1000)))
    assert meter.by("paceline.limit.refusals", "paceline.limit.why") == {"retry_after": 1}


def test_graphs_and_flows_are_no_jobs_but_what_a_flow_uses_counts(meter: Meter) -> None:
    @task
    async def leaf(number: int) -> int:
        own_job().usage(Usage(input_tokens=1))
        return number

    @flow
    async def story(number: int) -> int:
        own_job().usage(Usage(input_tokens=10))
        await own_job().ask("May I?")
        return await leaf(number)

    async def main(engine: Engine) -> None:
        first = await engine.submit(second)
        handle = await engine.submit({"number": 1}, executor=story, after=first)
        await asyncio.sleep(2)
        await engine.reply(handle.id, "yes")

    events = record(main)
    for event in events:
        meter.sink.write([event])
        assert meter.depth == (event.type == "job.submitted" and event.role == "job")
    assert meter.by("paceline.job.attempts", "paceline.executor") == {"Calls": 1, "leaf": 1}
    assert meter.by("paceline.tokens", "paceline.executor") == {"leaf": 1, "story": 10}


def test_no_id_or_name_of_a_job_group_or_run_is_on_any_number(meter: Meter) -> None:
    async def main(engine: Engine) -> None:
        group: Group = await engine.submit_group(
            "the-group", primer=second, followers=[once_broken, asks], policy=GroupPolicy()
        )
        await engine.submit(second, name="the-job", key="the-key", metadata={"user": "the-user"})
        await asyncio.sleep(9)
        group.cancel("the reason")

    meter.sink.write(record(main, run_id="the-run"))
    allowed = {"paceline.lane", "paceline.executor", "paceline.outcome", "error.type"}
    allowed |= {"paceline.token.type", "paceline.limit.why"}
    data = meter.reader.get_metrics_data()
    assert data is not None
    text = data.to_json()
    assert "paceline.job.duration" in text
    assert not [each for each in ("the-", "the reason") if each in text]
    found = {key for resource in data.resource_metrics for scope in resource.scope_metrics
             for metric in scope.metrics for point in metric.data.data_points
             for key in point.attributes or ()}  # fmt: skip
    assert found <= allowed


def test_lanes_beyond_two_hundred_and_errors_beyond_fifty_go_by_one_name(
    meter: Meter,
) -> None:
    for sink, first in ((meter.sink, 0), (meter.another_sink(), 150)):
        for number in range(first, first + 150):
            error = ev.ErrorText(f"Error{number}")
            lane, job = f"tenant-{number}", str(number)
            sink.write([submitted(job, lane), started(job)])
            sink.write([ended(job, lane=lane, status="failed", error=error)])
    lanes = meter.by("paceline.jobs", "paceline.lane")
    assert len(lanes) == 201
    assert lanes["other"] == 100
    assert meter.by("paceline.job.duration", "error.type")["_OTHER"] == 250


def test_the_sink_keeps_nothing_of_jobs_that_have_ended(meter: Meter) -> None:
    for number in range(5_000):
        job = str(number)
        meter.sink.write([submitted(job), started(job), ended(job, status="cancelled")])
    assert not meter.sink._jobs
    assert len(meter.sink._given_up) <= 1_000


def test_two_engines_add_up_in_one_provider(meter: Meter) -> None:
    other = meter.another_sink()
    meter.sink.write([submitted("1")])
    other.write([submitted("1"), submitted("2")])
    assert meter.depth == 3
    other.close()
    assert meter.depth == 1


def test_an_engine_tells_the_sink_by_itself(meter: Meter) -> None:
    async def main() -> None:
        async with Engine(Calls(), sinks=[meter.sink]) as engine:
            await engine.submit(second)

    VirtualClock().run(main)
    assert meter.total("paceline.job.attempts") == 1


@pytest.mark.parametrize("provider", [NoOpMeterProvider(), get_meter_provider()])
def test_without_a_provider_that_measures_there_is_no_sink(provider: Any) -> None:
    assert MetricsSink.of(provider) is None


def test_with_an_sdk_that_is_turned_off_there_is_no_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert MetricsSink.of(MeterProvider(shutdown_on_exit=False)) is None
