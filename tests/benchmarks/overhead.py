"""What the engine costs per job, as a ratio to the least that asyncio itself can do.

    python tests/benchmarks/overhead.py --shape flat|groups|chain --n 10000 --slots 64 --repeat 5 [--json]

The floor runs the same no-op coroutines with `asyncio.gather` and a `Semaphore` as wide as the slots (for
the chain: tasks that each await the one before). Floor and engine take turns in one process; the ratio is
the median of those within a round, since the machine's speed drifts. acty and LangChain's `abatch` are
measured beside them where they are installed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib
import json
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

from paceline import Engine, Handle, JsonlSink, Sink

Run = Callable[[], Awaitable[None]]

GROUP = 10
"""Jobs in a group: one primer and nine followers."""


async def noop(payload: object) -> object:
    return payload


async def floor_gather(n: int, slots: int) -> None:
    semaphore = asyncio.Semaphore(slots)

    async def one(payload: int) -> object:
        async with semaphore:
            return await noop(payload)

    await asyncio.gather(*(one(index) for index in range(n)))


async def floor_chain(n: int, slots: int) -> None:
    semaphore = asyncio.Semaphore(slots)

    async def one(payload: int, previous: asyncio.Task[Any] | None) -> object:
        if previous is not None:
            await previous
        async with semaphore:
            return await noop(payload)

    tasks: list[asyncio.Task[Any]] = []
    for index in range(n):
        tasks.append(asyncio.create_task(one(index, tasks[-1] if tasks else None)))
    await tasks[-1]


async def engine_flat(engine: Engine, n: int) -> None:
    handles = [await engine.submit(index) for index in range(n)]
    for handle in handles:
        await handle


async def engine_groups(engine: Engine, n: int) -> None:
    groups = [
        await engine.submit_group(f"group-{index}", primer=index, followers=range(GROUP - 1))
        for index in range(n // GROUP)
    ]
    for group in groups:
        await group.results()


async def engine_chain(engine: Engine, n: int) -> None:
    handle: Handle | None = None
    for index in range(n):
        handle = await engine.submit(index, after=() if handle is None else handle)
    if handle is not None:
        await handle


SHAPES = {"flat": engine_flat, "groups": engine_groups, "chain": engine_chain}


async def paceline(shape: str, n: int, slots: int, sinks: tuple[Sink, ...]) -> float:
    async with Engine(noop, slots=slots, sinks=sinks) as engine:
        started = time.perf_counter()
        await SHAPES[shape](engine, n)
        seconds = time.perf_counter() - started
    # With a sink, what it has still to write is part of the cost.
    return seconds if not sinks else time.perf_counter() - started


async def acty(n: int, slots: int) -> None:
    module = importlib.import_module("acty")
    config = module.EngineConfig(primer_workers=1, follower_workers=slots)
    engine = module.ActyEngine(executor=module.NoopExecutor(), config=config)
    try:
        groups = [
            await engine.submit_group(f"group-{index}", {}, [{"x": each} for each in range(GROUP - 1)])
            for index in range(n // GROUP)
        ]
        for group in groups:
            await asyncio.gather(group.primer, *group.followers)
    finally:
        await engine.close()


async def langchain(n: int, slots: int) -> None:
    runnable = importlib.import_module("langchain_core.runnables").RunnableLambda(noop)
    await runnable.abatch(list(range(n)), {"max_concurrency": slots})


@contextlib.contextmanager
def no_collection() -> Generator[None]:
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def timed(run: Awaitable[None]) -> float:
    started = time.perf_counter()
    await run
    return time.perf_counter() - started


def measure(shape: str, n: int, slots: int, repeat: int, *, peers: bool) -> dict[str, list[float]]:
    """Microseconds per job of each contender, one figure a round; the floor comes first in every round."""
    floor = floor_chain if shape == "chain" else floor_gather
    found: dict[str, list[float]] = {}

    def note(name: str, seconds: float, jobs: int = n) -> None:
        found.setdefault(name, []).append(seconds / jobs * 1e6)

    for _ in range(repeat):
        with no_collection():
            note("floor", asyncio.run(timed(floor(n, slots))))
        with no_collection():
            note("paceline", asyncio.run(paceline(shape, n, slots, ())))
        with no_collection(), tempfile.TemporaryDirectory() as folder:
            sink = JsonlSink(Path(folder) / "events.jsonl")
            note("paceline+jsonl", asyncio.run(paceline(shape, n, slots, (sink,))))
        if peers:
            for name, peer, jobs in (("acty", acty, min(n, 1000)), ("langchain", langchain, min(n, 2000))):
                with contextlib.suppress(ImportError), no_collection():
                    note(name, asyncio.run(timed(peer(jobs, slots))), jobs)
    return found


def ratio(found: dict[str, list[float]], name: str) -> float:
    """The median over the rounds of this contender's time over the floor's of the same round."""
    return statistics.median(each / floor for each, floor in zip(found[name], found["floor"], strict=True))


def pending_bytes(n: int) -> float:
    """Traced bytes per job that waits for a slot, its handle held by the caller."""

    async def main() -> float:
        gate = asyncio.Event()

        async def wait(_payload: object) -> None:
            await gate.wait()

        async with Engine(wait, slots=1) as engine:
            await engine.submit(0)
            gc.collect()
            tracemalloc.start()
            before, _ = tracemalloc.get_traced_memory()
            handles = [await engine.submit(index) for index in range(n)]
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            for handle in handles[::-1]:
                handle.cancel()
            gate.set()
        return (peak - before) / n

    return asyncio.run(main())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=sorted(SHAPES), default="flat")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument(
        "--peers", action="store_true", help="measure acty and LangChain too, where installed"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="a run of a second, to see that it works")
    options = parser.parse_args()
    if options.smoke:
        options.n, options.repeat = 500, 1
    peers = options.peers or options.smoke
    found = measure(options.shape, options.n, options.slots, options.repeat, peers=peers)
    result: dict[str, Any] = {
        "shape": options.shape,
        "n": options.n,
        "slots": options.slots,
        "microseconds": {name: statistics.median(each) for name, each in found.items()},
        "ratio": {name: ratio(found, name) for name in found},
        "pending_bytes": pending_bytes(min(options.n, 10_000)),
    }
    if options.json:
        print(json.dumps(result))
        return 0
    print(
        f"{options.shape}: {options.n} no-op jobs, {options.slots} slots, median of {options.repeat} rounds"
    )
    for name in found:
        print(
            f"  {name:15} {result['microseconds'][name]:8.2f} us/job  {result['ratio'][name]:6.2f}x the floor"
        )
    print(f"  memory per pending job: {result['pending_bytes']:.0f} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
