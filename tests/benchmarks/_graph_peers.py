"""The graphs of `graph_overhead.py` in other libraries: each function builds one and returns what runs it.

Each is written as its library's documentation writes it, with the same coroutines, and gives the values of
the last nodes. Importing is left to the call, so that a library that is absent raises ImportError there.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import operator
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Annotated, Any, Protocol, TypedDict, cast

Run = Callable[[], Awaitable[list[int]]]
One = Callable[[int], Awaitable[int]]
Many = Callable[[list[int]], Awaitable[int]]


class Shape(Protocol):
    """What `graph_overhead.py` hands over; see there."""

    @property
    def takes(self) -> Sequence[tuple[int, ...]]: ...
    @property
    def lanes(self) -> Sequence[int]: ...
    @property
    def last(self) -> list[int]: ...


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Some print, log, and write files where they are started."""
    here = os.getcwd()  # noqa: PTH109 - for chdir
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        os.chdir(folder)
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
            os.chdir(here)


def langgraph(shape: Shape, slots: int, one: One, many: Many) -> Run:
    """A `StateGraph` with a key for each place in a level; a flat one collects in a list, by a reducer."""
    module = importlib.import_module("langgraph.graph")
    spread = len(shape.last) == len(shape.takes)
    fields: Any = {f"v{lane}": int for lane in set(shape.lanes)}
    if spread:
        fields = {"all": Annotated[list[int], operator.add]}
    state: Any = TypedDict("State", fields)  # type: ignore[misc]  # known only now
    builder = module.StateGraph(state)

    def node(number: int, takes: tuple[int, ...]) -> Any:
        keys, key = [f"v{shape.lanes[each]}" for each in takes], f"v{shape.lanes[number]}"

        async def run(values: dict[str, Any]) -> dict[str, Any]:
            if len(keys) > 1:
                return {key: await many([values[each] for each in keys])}
            value = await one(values[keys[0]] if keys else number)
            return {"all": [value]} if spread else {key: value}

        return run

    for number, takes in enumerate(shape.takes):
        builder.add_node(str(number), node(number, takes))
        builder.add_edge([str(each) for each in takes] if takes else module.START, str(number))
    for number in shape.last:
        builder.add_edge(str(number), module.END)
    graph = builder.compile()
    config = {"recursion_limit": len(shape.takes) + 10, "max_concurrency": slots}

    async def run() -> list[int]:
        values = await graph.ainvoke({}, config)
        return (
            sorted(values["all"]) if spread else [values[f"v{shape.lanes[number]}"] for number in shape.last]
        )

    return run


def astrum(shape: Shape, slots: int, one: One, many: Many) -> Run:
    """A registry of tasks that take their arguments by `Ref`; checks of types are off."""
    module = importlib.import_module("astrum")
    registry = module.SchedulerRegistry("bench")

    def node(number: int, takes: tuple[int, ...]) -> Any:
        async def source() -> dict[str, int]:
            return {"out": await one(number)}

        async def single(v0: Any) -> dict[str, int]:
            return {"out": await one(v0)}

        names = [f"v{place}" for place in range(len(takes))]

        async def join(**values: Any) -> dict[str, int]:
            return {"out": await many(list(values.values()))}

        function: Any = source if not takes else single if len(takes) == 1 else _with_parameters(join, names)
        function.__annotations__ = {
            name: module.Ref[int, module.F(str(each), "out")] for name, each in zip(names, takes, strict=True)
        } | {"return": dict}
        function.__name__ = function.__qualname__ = f"task_{number}"  # it tells functions apart by that
        return function

    for number, takes in enumerate(shape.takes):
        registry.task(str(number), depends_on=[str(each) for each in takes])(node(number, takes))
    config = module.AstrumConfig(skip_type_check=True, silence_warnings=True, concurrency_limit=slots)
    scheduler = registry.build_scheduler(config=config)

    async def run() -> list[int]:
        report = await scheduler.execute()
        if report.execution_state != module.ExecutionState.COMPLETED:
            raise RuntimeError(f"astrum: {report.error_summary}")
        return [scheduler._task_outputs[str(number)]["out"] for number in shape.last]

    return run


def _with_parameters(function: Any, names: Sequence[str]) -> Any:
    """The function, as if it had been written with these parameters."""
    given = ", ".join(names)
    passed = ", ".join(f"{name}={name}" for name in names)
    scope: dict[str, Any] = {"function": function}
    exec(f"async def written({given}):\n    return await function({passed})", scope)  # noqa: S102 - from numbers
    return scope["written"]


_work: dict[str, Any] = {}


# It finds what a node runs by the name of its module and its own.
async def aether_one(value: int) -> dict[str, int]:
    return {"out": await _work["one"](value)}


async def aether_many(values: list[int]) -> dict[str, int]:
    return {"out": await _work["many"](values)}


def aethergraph(shape: Shape, slots: int, one: One, many: Many) -> Run:
    """Calls of tools in a `TaskGraph`: `@graphify` draws no loops, so the builder below it does."""
    module = importlib.import_module("aethergraph")
    builder = importlib.import_module("aethergraph.core.graph.graph_builder")
    runner = importlib.import_module("aethergraph.core.runtime.graph_runner")

    _work.update(one=one, many=many)
    take_one, take_many = module.tool(outputs=["out"])(aether_one), module.tool(outputs=["out"])(aether_many)
    with builder.graph(name="bench") as graph:
        values: list[Any] = []
        for number, takes in enumerate(shape.takes):
            if len(takes) > 1:
                values.append(take_many(values=[values[each] for each in takes]).out)
            else:
                values.append(take_one(value=values[takes[0]] if takes else number).out)
        for number in shape.last:
            graph.expose(str(number), values[number])

    async def run() -> list[int]:
        outputs = await runner.run_async(graph, {}, max_concurrency=slots)
        return [outputs[str(number)] for number in shape.last] if len(outputs) > 1 else [*outputs.values()]

    return run


def pydantic_graph(shape: Shape, slots: int, one: One, many: Many) -> Run:
    """Steps between forks and joins. A join ends a level here: each step then picks what it takes.

    It has no limit of how many steps run at once.
    """
    module = importlib.import_module("pydantic_graph")
    graph = module.GraphBuilder(auto_instrument=False)
    levels = _levels(shape)

    def step(number: int, takes: tuple[int, ...]) -> Any:
        async def run(ctx: Any) -> tuple[int, int]:
            given: dict[int, int] = dict(_pairs(ctx.inputs)) if takes else {}
            if len(takes) > 1:
                return number, await many([given[each] for each in takes])
            return number, await one(given[takes[0]] if takes else number)

        return graph.step(run, node_id=f"step{number}")

    source: Any = graph.start_node
    for depth, level in enumerate(levels):
        steps = [step(number, shape.takes[number]) for number in level]
        graph.add(graph.edge_from(source).to(*steps))
        source = steps[0]
        if len(steps) > 1:
            source = graph.join(module.reduce_list_append, initial_factory=list, node_id=f"join{depth}")
            graph.add(graph.edge_from(*steps).to(source))
    graph.add(graph.edge_from(source).to(graph.end_node))
    built = graph.build()

    async def run() -> list[int]:
        output: Any = await built.run(inputs=None)
        return [value for _, value in sorted(_pairs(output))]

    return run


def _pairs(given: Any) -> list[tuple[int, int]]:
    """Numbers of nodes and what they put out: those that a join collected, or the one there is."""
    return cast("list[tuple[int, int]]", given if isinstance(given, list) else [given])


def _levels(shape: Shape) -> list[list[int]]:
    depths: list[int] = []
    for takes in shape.takes:
        depths.append(max((depths[each] + 1 for each in takes), default=0))
    levels: list[list[int]] = [[] for _ in range(max(depths) + 1)]
    for number, depth in enumerate(depths):
        levels[depth].append(number)
    return levels


PEERS: dict[str, Callable[[Shape, int, One, Many], Run]] = {
    "langgraph": langgraph,
    "astrum": astrum,
    "aethergraph": aethergraph,
    "pydantic-graph": pydantic_graph,
}
