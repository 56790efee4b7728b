"""How long an event log takes to be read into a state, as a ratio to `json.loads` line by line.

    python tests/benchmarks/run_log.py [--events 100000] [--content none|full] [--repeat 5] [--json]

The log is written by an engine with a `JsonlSink`: groups of a primer and nine followers that stream and
report what they used, in two lanes, some of which fail. Both readers take turns in one process, over the same
file; the ratio is the median of those within a round, since the machine's speed drifts. The time per event
of applying alone tells what a screen takes that gets its events from the engine. Exits with 1 if loading
takes more than three times as long as `json.loads`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

from paceline import Engine, Job, JobContext, JsonlSink, Lane, Usage
from paceline_integrations.runstate import LogReader, RunState, load

AT_MOST = 3.0
GROUP = 10
GROUPS_AT_ONCE = 50
EVENTS_PER_GROUP = 43
PROMPT = "Read the contract and say what it holds about the notice period, in one sentence. " * 5

Content = Literal["none", "full"]


class Model:
    """Answers at once; every fiftieth job fails."""

    async def execute(self, job: Job, ctx: JobContext) -> object:
        await asyncio.sleep(0)
        ctx.emit("The ")
        ctx.usage(Usage(2_000, 1_800, 0, 40, 0, 1, 0.001, "gpt-5"))
        if job.payload["number"] % 50 == 49:
            raise ValueError(f"page {job.payload['number']} has no text")
        return {"answer": PROMPT[:200]}


async def write_log(path: Path, events: int, content: Content) -> None:
    lanes = [Lane("archive"), Lane("partners", weight=3.0)]
    async with Engine(Model(), lanes=lanes, slots=64, sinks=[JsonlSink(path, content=content)]) as engine:
        groups = max(1, events // EVENTS_PER_GROUP)
        for first in range(0, groups, GROUPS_AT_ONCE):
            several = [
                await engine.submit_group(
                    f"contract-{number}",
                    primer=payload(number * GROUP),
                    followers=[payload(number * GROUP + each) for each in range(1, GROUP)],
                    lane=lanes[number % 2].name,
                )
                for number in range(first, min(first + GROUPS_AT_ONCE, groups))
            ]
            for group in several:
                await group.results()
            await written(path)


def payload(number: int) -> dict[str, Any]:
    return {"number": number, "prompt": PROMPT}


async def written(path: Path) -> None:
    """Wait until the sink has caught up: a run that is nothing but events would have some of them dropped."""
    size = -1
    while size != (now := size_of(path)):
        size = now
        await asyncio.sleep(0.06)


def size_of(path: Path) -> int:
    return path.stat().st_size


def by_json(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            json.loads(line)


def timed(work: Callable[[], object]) -> float:
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(path: Path, repeat: int) -> dict[str, Any]:
    """Seconds of each reader and of applying alone, one figure a round, and what they come to."""
    events = LogReader(path).read()
    found: dict[str, list[float]] = {"json.loads": [], "load": [], "apply": []}
    for _ in range(repeat):
        found["json.loads"].append(timed(lambda: by_json(path)))
        found["load"].append(timed(lambda: load(path)))
        found["apply"].append(timed(lambda: RunState().apply_all(events)))
    ratios = [own / base for own, base in zip(found["load"], found["json.loads"], strict=True)]
    state = load(path)
    return {
        "events": len(events),
        "bytes": path.stat().st_size,
        "dropped": state.dropped,
        "seconds": {name: statistics.median(each) for name, each in found.items()},
        "microseconds_per_event": {
            name: statistics.median(each) / len(events) * 1e6 for name, each in found.items()
        },
        "ratio": statistics.median(ratios),
        "state_bytes": state_bytes(path),
    }


def state_bytes(path: Path) -> int:
    """How much memory the state of the whole log takes."""
    gc.collect()
    tracemalloc.start()
    state = load(path)
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size if state.version else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--content", choices=["none", "full"], default="none")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="a run of a second, to see that it works")
    options = parser.parse_args()
    if options.smoke:
        options.events, options.repeat = 3_000, 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        asyncio.run(write_log(path, options.events, cast("Content", options.content)))
        result = measure(path, options.repeat)
    if options.json:
        print(json.dumps(result))
    else:
        print(f"{result['events']:,} events, {result['bytes'] / 1e6:.1f} MB, content {options.content}")
        for name, seconds in result["seconds"].items():
            each = result["microseconds_per_event"][name]
            print(f"  {name:12} {seconds * 1e3:8.0f} ms  {each:6.2f} us an event")
        print(f"  load takes {result['ratio']:.2f}x the time of json.loads (at most {AT_MOST:.0f}x)")
        print(f"  the state takes {result['state_bytes'] / 1e6:.1f} MB")
        if result["dropped"]:
            print(f"  {result['dropped']:,} events were dropped by the sink")
    return int(result["ratio"] > AT_MOST and not options.smoke)


if __name__ == "__main__":
    sys.exit(main())
