"""What a graph costs per node, as a ratio to hand-written asyncio of the same shape.

    python tests/benchmarks/graph_overhead.py --shape flat|chain|layered|diamond --n 10000 [--peers]

The floor is what one writes by hand: a task for each node, which awaits the tasks that it takes values from,
and hands these to the same coroutine. It holds a semaphore as wide as the slots only where a level is wider
than these: the limit is then part of the work, and elsewhere would never be met. `submit` is bare jobs with
the same edges by `after=`, which carry no values. All take turns in one process; ratios are medians of those
within a round. Building a graph and the report of a run are told apart. All outputs are compared with those
of a plain loop. Other libraries (--peers) are measured where installed, with 1,000 nodes at most, without the
time that building takes them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import gc
import importlib
import itertools
import json
import statistics
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from paceline import Dag, Engine, From, Handle, dag, task

WIDTH = 32
"""Nodes in a layer; each takes from the three of the layer before that stand next to it."""
BRANCHES = 8
"""Between the split and the join of a diamond; the next diamond begins with what this one joined."""
PEER_NODES = 1_000

Run = Callable[[], Awaitable[list[int]]]
"""Runs a graph that was built before, and gives what its last nodes put out."""


async def one(value: int) -> int:
    return value + 1


async def many(values: list[int]) -> int:
    return max(values) + 1


@dataclass(frozen=True)
class Shape:
    """Which nodes each node takes values from, by number; one that takes none is given its own number."""

    name: str
    takes: Sequence[tuple[int, ...]]
    lanes: Sequence[int]
    """Its place among the nodes that may run beside it."""

    @functools.cached_property
    def last(self) -> list[int]:
        """The nodes that nobody takes values from."""
        taken = set(itertools.chain.from_iterable(self.takes))
        return [number for number in range(len(self.takes)) if number not in taken]

    @functools.cached_property
    def expected(self) -> list[int]:
        """What the last nodes put out."""
        values: list[int] = []
        for number, takes in enumerate(self.takes):
            values.append(max((values[each] for each in takes), default=number) + 1)
        return [values[number] for number in self.last]

    def check(self, who: str, outputs: object) -> None:
        """End the benchmark, if these are not what the last nodes put out."""
        if outputs != self.expected:
            sys.exit(f"{who} is broken: wrong outputs of the graph {self.name!r}: {outputs!r:.200}")


def flat(n: int) -> Shape:
    return Shape("flat", [()] * n, range(n))


def chain(n: int) -> Shape:
    return Shape("chain", [(), *((number,) for number in range(n - 1))], [0] * n)


def layered(n: int) -> Shape:
    takes: list[tuple[int, ...]] = [()] * WIDTH
    for number in range(WIDTH, n // WIDTH * WIDTH):
        start, lane = number // WIDTH * WIDTH - WIDTH, number % WIDTH
        takes.append(tuple(start + (lane + step) % WIDTH for step in (-1, 0, 1)))
    return Shape("layered", takes, [number % WIDTH for number in range(len(takes))])


def diamond(n: int) -> Shape:
    takes: list[tuple[int, ...]] = []
    for start in range(0, n - BRANCHES - 1, BRANCHES + 2):
        branches = range(start + 1, start + 1 + BRANCHES)
        takes.extend([(start - 1,) if start else (), *[(start,)] * BRANCHES, tuple(branches)])
    return Shape("diamond", takes, [number % (BRANCHES + 2) % (BRANCHES + 1) for number in range(len(takes))])


SHAPES = {each.__name__: each for each in (flat, chain, layered, diamond)}


async def floor(shape: Shape, slots: int) -> list[int]:
    tasks: list[asyncio.Task[int]] = []

    async def node(number: int, takes: tuple[int, ...]) -> int:
        if len(takes) > 1:
            return await many([await tasks[each] for each in takes])
        return await one(await tasks[takes[0]] if takes else number)

    semaphore = asyncio.Semaphore(slots)

    async def limited(number: int, takes: tuple[int, ...]) -> int:
        async with semaphore:
            return await node(number, takes)

    start = limited if max(shape.lanes) >= slots else node
    tasks.extend(asyncio.create_task(start(number, takes)) for number, takes in enumerate(shape.takes))
    return [await tasks[number] for number in shape.last]


def drawn(shape: Shape) -> Dag[[], list[int]]:
    """The graph, drawn from a function."""
    take_one, take_many = task(one), task(many)

    async def draw() -> list[int]:
        values: list[int] = []
        for number, takes in enumerate(shape.takes):
            if len(takes) > 1:
                values.append(await take_many([values[each] for each in takes]))
            else:
                values.append(await take_one(values[takes[0]] if takes else number))
        return [values[number] for number in shape.last]

    graph = dag(draw, name=shape.name)
    graph.build()
    return graph


def by_hand(shape: Shape) -> Dag[..., Any]:
    """The graph, task by task; of shapes whose nodes take one value."""
    graph: Dag[..., Any] = Dag(shape.name)
    for number, takes in enumerate(shape.takes):
        value = From(str(takes[0])) if takes else number
        graph.task(one, name=str(number), bind={"value": value})
    graph.build()
    return graph


async def in_engine(
    shape: Shape, graph: Dag[..., Any], slots: int, *, reports: bool = True
) -> tuple[float, float]:
    """Seconds for a run of the graph, and for its report if one is asked for."""
    async with Engine(slots=slots) as engine:
        started = time.perf_counter()
        run = await graph.start(engine)
        output: Any = await run
        seconds = time.perf_counter() - started
        if type(output) is dict:  # by hand: what all put out, by name
            output = [output[str(number)] for number in shape.last]
        shape.check("paceline", output)
        if not reports:
            return seconds, 0.0
        started = time.perf_counter()
        report = await run.report()
        reporting = time.perf_counter() - started
    if report.state != "succeeded" or len(report.tasks) != len(shape.takes):
        sys.exit(f"paceline is broken: {report.state}, {len(report.tasks)} tasks")
    return seconds, reporting


async def submitted(shape: Shape, slots: int) -> float:
    """Seconds for the same jobs with the same edges, by bare submits."""
    async with Engine(one, slots=slots) as engine:
        started = time.perf_counter()
        handles: list[Handle] = []
        for number, takes in enumerate(shape.takes):
            after = [handles[each] for each in takes]
            handles.append(await engine.submit(number, after=after) if after else await engine.submit(number))
        outputs = [await handles[number] for number in shape.last]
        seconds = time.perf_counter() - started
    if outputs != [number + 1 for number in shape.last]:
        sys.exit("submit is broken: wrong outputs")
    return seconds


async def timed(who: str, shape: Shape, run: Awaitable[list[int]]) -> float:
    started = time.perf_counter()
    outputs = await run
    seconds = time.perf_counter() - started
    shape.check(who, outputs)
    return seconds


@contextlib.contextmanager
def few_collections() -> Generator[None]:
    """The collector need not look through what the other contenders left."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


Found = dict[str, list[float]]
"""Microseconds per node of each contender, one figure a round."""


def measure(shape: Shape, slots: int, repeat: int) -> Found:
    """Floor, bare submits and graphs, in turn; and what building them and their reports cost."""
    found: Found = {}
    nodes = len(shape.takes)
    asyncio.run(
        in_engine(SHAPES[shape.name](WIDTH), drawn(SHAPES[shape.name](WIDTH)), slots)
    )  # loads what it needs
    graphs: dict[str, Callable[[Shape], Dag[..., Any]]] = {"graph": drawn}
    if shape.name in {"flat", "chain"}:
        graphs["graph by hand"] = by_hand

    def note(name: str, seconds: float) -> None:
        found.setdefault(name, []).append(seconds / nodes * 1e6)

    for _ in range(repeat):
        with few_collections():
            note("floor", asyncio.run(timed("floor", shape, floor(shape, slots))))
        with few_collections():
            note("submit", asyncio.run(submitted(shape, slots)))
        for name, build in graphs.items():
            with few_collections():
                started = time.perf_counter()
                graph = build(shape)
                note(f"build {name}", time.perf_counter() - started)
            with few_collections():
                seconds, reporting = asyncio.run(in_engine(shape, graph, slots))
                note(name, seconds)
                note(f"report {name}", reporting)
    return found


def measure_peers(found: Found, shape: Shape, slots: int, repeat: int) -> None:
    """Other libraries, each in a round with the same graph of ours."""
    peers = importlib.import_module("_graph_peers")
    nodes = len(shape.takes)
    graph = drawn(shape)
    for _ in range(repeat):
        with few_collections():
            seconds, _ = asyncio.run(in_engine(shape, graph, slots))
            found.setdefault("graph beside peers", []).append(seconds / nodes * 1e6)
        for name, peer in peers.PEERS.items():
            with contextlib.suppress(ImportError), few_collections(), peers.quiet():
                run: Run = peer(shape, slots, one, many)
                seconds = asyncio.run(timed(name, shape, run()))
                found.setdefault(name, []).append(seconds / nodes * 1e6)


def ratios(found: Found, name: str, base: str) -> list[float]:
    """A contender's time over another's, round by round."""
    return [a / b for a, b in zip(found[name], found[base], strict=True)]


def ratio(found: Found, name: str, base: str) -> float:
    return statistics.median(ratios(found, name, base))


def growth(make: Callable[[int], Shape], n: int, slots: int, repeat: int) -> dict[str, float]:
    """How many times longer a node takes when there are ten times as many of them; the floor's too."""
    small, large = make(n), make(10 * n)
    graphs = {n: drawn(small), 10 * n: drawn(large)}
    found: Found = {}
    for _ in range(repeat):
        for size, shape in ((n, small), (10 * n, large)):
            with few_collections():
                seconds = asyncio.run(timed("floor", shape, floor(shape, slots)))
                found.setdefault(f"floor {size}", []).append(seconds / size * 1e6)
            with few_collections():
                seconds, _ = asyncio.run(in_engine(shape, graphs[size], slots, reports=False))
                found.setdefault(f"graph {size}", []).append(seconds / size * 1e6)
    return {
        "nodes": 10 * n,
        "microseconds": statistics.median(found[f"graph {10 * n}"]),
        "graph": ratio(found, f"graph {10 * n}", f"graph {n}"),
        "floor": ratio(found, f"floor {10 * n}", f"floor {n}"),
    }


def memory(shape: Shape, slots: int) -> dict[str, float]:
    """Traced bytes per node: of a built graph, and at the peak of a run."""
    nodes = len(shape.takes)
    drawn(chain(2))  # what is loaded and cached once is no node's
    asyncio.run(floor(shape, slots))

    def traced(work: Callable[[], Any], at: int) -> tuple[float, Any]:
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        result = work()
        gc.collect()
        after = tracemalloc.get_traced_memory()[at]
        tracemalloc.stop()
        return (after - before) / nodes, result

    built, graph = traced(lambda: drawn(shape), 0)
    running, _ = traced(lambda: asyncio.run(in_engine(shape, graph, slots, reports=False)), 1)
    by_floor, _ = traced(lambda: asyncio.run(floor(shape, slots)), 1)
    return {"graph": built, "run": running, "floor": by_floor}


def table(result: dict[str, Any]) -> None:
    slots, repeat, microseconds = result["slots"], result["repeat"], result["microseconds"]
    print(f"{result['shape']}: {result['nodes']} nodes, {slots} slots, median of {repeat} rounds")
    graphs = [name for name in ("graph", "graph by hand") if name in microseconds]
    for name in ("floor", "submit", *graphs):
        each = result["rounds"][name]
        print(
            f"  {name:14} {microseconds[name]:8.2f} us/node  {result['to_floor'][name]:6.2f}x the floor"
            f" ({each[0]:.2f} to {each[-1]:.2f})  {result['to_submit'][name]:6.2f}x submit"
        )
    for name in graphs:
        build, report = microseconds[f"build {name}"], microseconds[f"report {name}"]
        print(f"  {name}: built in {build:.2f} us/node; report of a run in {report:.2f} us/node")
    for name, value in result["peers"].items():
        each = result["rounds"][name]
        print(
            f"  {name:14} {microseconds[name]:8.0f} us/node at {result['peer_nodes']} nodes, "
            f"{value:6.1f}x ours ({each[0]:.1f} to {each[-1]:.1f})"
        )
    if result["growth"]:
        grown = result["growth"]
        print(
            f"  at {grown['nodes']:.0f} nodes: {grown['microseconds']:.2f} us/node, {grown['graph']:.2f}x"
            f" (the floor {grown['floor']:.2f}x)"
        )
    kept = result["bytes"]
    print(
        f"  memory per node: {kept['graph']:.0f} bytes built, {kept['run']:.0f} at the peak of a run"
        f" (the floor {kept['floor']:.0f})"
    )


def bench(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one shape."""
    make = SHAPES[name]
    shape = make(options.n)
    found = measure(shape, options.slots, options.repeat)
    result: dict[str, Any] = {
        "shape": name,
        "nodes": len(shape.takes),
        "slots": options.slots,
        "repeat": options.repeat,
        "to_floor": {each: ratio(found, each, "floor") for each in found},
        "to_submit": {each: ratio(found, each, "submit") for each in found},
        "rounds": {each: sorted(ratios(found, each, "floor")) for each in found},
        "peers": {},
        "growth": None,
    }
    if options.peers:
        smaller = make(min(options.n, PEER_NODES))
        ours = "graph beside peers"
        beside: Found = {}
        measure_peers(beside, smaller, options.slots, options.repeat)
        result["peer_nodes"] = len(smaller.takes)
        result["peers"] = {each: ratio(beside, each, ours) for each in beside if each != ours}
        result["rounds"] |= {each: sorted(ratios(beside, each, ours)) for each in beside}
        found |= beside
    result["microseconds"] = {each: statistics.median(times) for each, times in found.items()}
    if name in {"flat", "chain"}:
        base = min(options.n, 10_000)
        result["growth"] = growth(make, base, options.slots, min(options.repeat, 3))
    result["bytes"] = memory(shape, options.slots)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=sorted(SHAPES), default="flat")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--peers", action="store_true", help="measure other libraries too, where installed")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="all shapes, in seconds, to see that it works")
    options = parser.parse_args()
    if options.n < WIDTH or options.repeat < 1 or options.slots < 1:
        parser.error(f"--n must be at least {WIDTH}, --repeat and --slots at least 1")
    if options.smoke:
        options.n, options.repeat, options.peers = 320, 1, True
    for name in sorted(SHAPES) if options.smoke else [options.shape]:
        result = bench(name, options)
        if options.json:
            print(json.dumps(result))
        else:
            table(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
