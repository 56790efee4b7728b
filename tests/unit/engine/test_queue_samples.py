"""Sinks that ask are told about once a second how busy the run is, and what holds its jobs."""

import asyncio

from paceline import Engine, Lane, Limits, MemorySink, Suspend, events
from paceline.testing import VirtualClock


async def takes(seconds: float) -> None:
    await asyncio.sleep(seconds)


def samples(sink: MemorySink) -> list[events.QueueSampled]:
    return sink.of(events.QueueSampled)


def test_a_sample_tells_what_other_events_do_not() -> None:
    sink = MemorySink(waits=True)

    async def main() -> None:
        lanes = [Lane("bulk", weight=2.0, max_running=1), Lane("asks")]
        async with Engine(takes, lanes=lanes, slots=4, sinks=[sink]) as engine:
            bulk = [await engine.submit(3.0, lane="bulk") for _ in range(3)]
            await engine.submit(0.0, after=[bulk[0]])
            await (await engine.submit(0, executor=lambda _: Suspend("sure?"), lane="asks")).wait()
            queued.extend(each.id for each in bulk[1:])

    queued: list[str] = []
    VirtualClock().run(main)
    first = samples(sink)[0]
    assert (first.slots_used, first.waiting, first.unseen) == (1, 3, 0)
    assert first.lanes["bulk"] == events.LaneLoad(2, 1, 3, 2.0, 0.5)
    (waits,) = first.waits
    assert (waits.kind, waits.on, waits.count) == ("lane_cap", "bulk", 2)
    assert waits.jobs == tuple(queued)
    assert waits.text == "lane bulk has as many jobs running as it may"


def test_the_end_of_a_wait_is_told_in_wall_time() -> None:
    sink = MemorySink(waits=True)

    async def main() -> None:
        async with Engine(takes, limits=Limits(requests_per_minute=1), sinks=[sink]) as engine:
            await engine.submit(0.0)
            await engine.submit(0.0)

    VirtualClock().run(main)
    (waits,) = samples(sink)[0].waits
    _, second = sink.of(events.JobStarted)
    assert waits.kind == "limit"
    assert waits.until is not None
    assert abs(waits.until - second.time) < 0.001
    assert second.time - sink.events[0].time > 50.0


def test_while_nothing_happens_nothing_is_written() -> None:
    sink = MemorySink(waits=True)

    async def main() -> None:
        async with Engine(takes, sinks=[sink]) as engine:
            await (await engine.submit(3600.0))

    VirtualClock().run(main)
    # One after the start of the job, and none after its end: the run is over then.
    assert [event.time - sink.events[0].time for event in samples(sink)] == [1.0]


def test_sinks_that_do_not_ask_get_none() -> None:
    asks, other = MemorySink(waits=True), MemorySink()

    async def main() -> None:
        async with Engine(takes, sinks=[asks, other]) as engine:
            for _ in range(3):
                await (await engine.submit(5.0))

    VirtualClock().run(main)
    assert len(samples(asks)) == 3
    assert samples(other) == []
    assert [event for event in asks.events if event.type != "queue.sampled"] == other.events


def test_of_very_many_jobs_the_first_thousand_are_looked_at() -> None:
    sink = MemorySink(waits=True)

    async def main() -> None:
        async with Engine(takes, slots=2, sinks=[sink]) as engine:
            handles = [await engine.submit(2.0, lane="default") for _ in range(1_500)]
            await asyncio.sleep(1.5)
            for handle in handles:
                handle.cancel("seen")
            ids.extend(handle.id for handle in handles)

    ids: list[str] = []
    VirtualClock().run(main)
    (sample,) = samples(sink)
    assert (sample.waiting, sample.unseen) == (1_498, 498)
    (waits,) = sample.waits
    assert (waits.kind, waits.count) == ("slot", 1_000)
    assert waits.jobs == tuple(ids[2:22])
