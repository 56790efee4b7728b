"""Static graphs: written by hand (`Dag`), or drawn from a function (`dag`). Built once, run often."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast, final, get_args, overload

from paceline._bodies import Body
from paceline._errors import BuildError, PacelineError

from ._assembly import Declared, assemble, called, same_function
from ._edge import Edge, Plan
from ._graph import Graph, Node
from ._graph_body import GraphBody, OnFailure, OnSuspended
from ._runs import Composite, GraphRun
from ._signature import Signature
from ._steps import CallOptions, GraphOptions, NodeOptions, Step
from ._tasks import Task, TaskDecorator
from ._tracing import trace

if TYPE_CHECKING:
    from typing import Unpack

    from paceline._engine import Engine
    from paceline._executor import ExecutorLike
    from paceline._report import RunReport
    from paceline._run import Run

__all__ = ["Dag", "DagDecorator", "dag"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


@final
class Dag(Composite[P, R]):
    """A static graph: tasks, and what each comes after. Build it once, run it often, and at the same time.

        report = Dag("report")

        @report.task
        async def load_users() -> dict[str, list[str]]: ...

        @report.task
        async def count(users: Annotated[list[str], From(load_users, "users")]) -> int: ...

        result = await report.run()

    Parameters that nothing is said of, and that have no default, are inputs of the graph: `run(inputs=...)`.
    A task made of an executor, of whose payload nothing is said, gets all inputs of the run, whatever they
    are. A graph can be a task of another one, and be called in a flow, with its inputs as arguments. It
    returns what its function returned; one written by hand returns a dict of what its tasks put out, by name.
    Its lane is that of its tasks which name none.
    """

    def __init__(self: Dag[..., dict[str, Any]], name: str, **options: Unpack[CallOptions]) -> None:
        super().__init__(name, None, options)
        self._function: Callable[..., Any] | None = None
        self._declared: dict[str, Declared] = {}
        self._graph: Graph | None = None
        self._building: int | None = None
        """The thread that builds it."""

    # Writing one by hand.

    @overload
    def task(self, fn: Callable[Q, Awaitable[S]], /, **options: Unpack[NodeOptions]) -> Task[Q, S]: ...
    @overload
    def task(self, fn: Callable[Q, S], /, **options: Unpack[NodeOptions]) -> Task[Q, S]: ...  # type: ignore[overload-overlap]  # functions first
    @overload
    def task(self, fn: ExecutorLike, /, **options: Unpack[NodeOptions]) -> Task[..., Any]: ...
    @overload
    def task(self, /, **options: Unpack[NodeOptions]) -> TaskDecorator: ...
    def task(self, fn: Any = None, /, **options: Unpack[NodeOptions]) -> Any:
        """Put in a task; also a decorator. The same function may become many, under different names.

        `fn`: whatever `task` takes; or a task, a flow, another graph. `NodeOptions` tells what may be said of
        it.

        Raises:
            BuildError: if the name is taken, or the graph was drawn from a function.
        """
        if fn is None:
            return functools.partial(self._declare, options)
        return self._declare(options, fn)

    def _declare(self, options: NodeOptions, fn: Any) -> Step[..., Any]:
        if self._function is not None:
            raise BuildError(f"graph {self.name!r} is drawn from a function: call the task there")
        given: dict[str, Any] = {**options}
        after, bind = given.pop("after", ()), given.pop("bind", None)
        step: Step[..., Any]
        made_of: object = fn
        if isinstance(fn, Step):
            name = given.pop("name", None) or fn.name
            step = cast("Step[..., Any]", fn).with_options(**given)
            step.origin, step.name = step, name
        else:
            step = Task(fn, cast("Any", given))
        if step.name in self._declared:
            raise BuildError(
                f"graph {self.name!r} has a task {step.name!r} already: give this one its own name, name=..."
            )
        self._declared[step.name] = Declared(step, made_of, (*step.afters, *_several(after)), bind)
        self._graph = None
        return step

    # Looking at it.

    def build(self) -> Graph:
        """Check it, once; all that follows does that by itself.

        Raises:
            BuildError: if it cannot run as it is written; the message names the task and the edge.
        """
        if self.origin is not self:
            return cast("Dag[..., Any]", self.origin).build()
        if self._graph is None:
            if self._building == threading.get_ident():
                raise BuildError(
                    f"graph {self.name!r} contains itself, and would have no end: recursion needs a @flow"
                )
            # Two threads may build it at the same time: each gets a whole graph, and the last one stays.
            self._building = threading.get_ident()
            try:
                self._graph = self._built()
            finally:
                self._building = None
        return self._graph

    def _built(self) -> Graph:
        if self._function is None:
            return assemble(self.name, self._declared)
        return trace(self.name, self._function, cast("Signature", self.signature))

    @property
    def tasks(self) -> Mapping[str, Step[..., Any]]:
        """Its tasks by name, each after those that it comes after."""
        return {node.name: node.step for node in self.build().nodes}

    @property
    def edges(self) -> tuple[Edge, ...]:
        """What comes after what, and what is carried from one to the other."""
        return self.build().edges

    @property
    def inputs(self) -> tuple[str, ...]:
        """What a run may be given."""
        return tuple(self.build().inputs)

    def plan(self) -> Plan:
        """Tell which tasks could run side by side, and what could not be said for certain about the types."""
        graph = self.build()
        return Plan.of([node.name for node in graph.nodes], self.edges, notes=graph.notes)

    def to_mermaid(self) -> str:
        """The graph as a Mermaid flowchart, its edges labelled with the key that they carry."""
        from ._drawing import mermaid

        return mermaid(self.name, list(self.tasks), self.edges)

    def to_dot(self) -> str:
        """The graph in Graphviz's language."""
        from ._drawing import dot

        return dot(self.name, list(self.tasks), self.edges)

    # Running it.

    async def start(
        self,
        engine: Engine,
        *,
        inputs: Mapping[str, Any] | None = None,
        targets: Iterable[object] | object | None = None,
        on_failure: OnFailure = "skip_downstream",
        on_suspended: OnSuspended = "continue",
        max_running: int | None = None,
        **named: Any,
    ) -> GraphRun[R]:
        """Start a run in an engine, and come back at once: watch it, await what it returns, or cancel it.

        `inputs`, or the same as arguments by name. `targets`: run only these tasks, and what they come after.
        `on_failure`: what depends on a failed task is skipped, and the rest goes on ("skip_downstream"); the
        first failure cancels all, at once ("fail_fast"); what is only ordered after a failed task runs too
        ("continue"). `on_suspended`: while a task waits for an answer, what does not depend on it goes on
        ("continue"), or no more tasks start ("wait"). `max_running`: how many of its jobs run at once.

        Raises:
            BuildError: if the graph cannot run as it is written.
            TypeError: if an input is missing, unknown or given twice.
            UnknownName: if it asks for a target, lane or executor that is not there.
            EngineNotOpen, WrongLoop: as for `engine.submit`.
        """
        run = self._run_of(engine)
        policy = (on_failure, on_suspended)
        return await self._begin(run, inputs, named, targets, policy, max_running)

    async def run(
        self,
        engine: Engine | None = None,
        *,
        inputs: Mapping[str, Any] | None = None,
        targets: Iterable[object] | object | None = None,
        run_id: str | None = None,
        on_failure: OnFailure = "skip_downstream",
        on_suspended: OnSuspended = "continue",
        max_running: int | None = None,
        **named: Any,
    ) -> RunReport:
        """Run it, and tell what became of it: it does not raise for what its tasks do.

        Without an engine: in that of the job which asks or, outside of any, in one of its own, whose run
        `run_id` names. Comes back when all has ended, or rests for an answer. The rest is as for `start`.
        """
        return await self._report(
            engine,
            lambda run: self._begin(run, inputs, named, targets, (on_failure, on_suspended), max_running),
            max_running,
            run_id,
        )

    async def _begin(
        self,
        run: Run,
        inputs: Mapping[str, Any] | None,
        named: Mapping[str, Any],
        targets: Any,
        policy: tuple[OnFailure, OnSuspended],
        max_running: int | None,
    ) -> GraphRun[R]:
        for name, chosen, known in zip(
            ("on_failure", "on_suspended"), policy, (OnFailure, OnSuspended), strict=True
        ):
            if chosen not in get_args(known):
                raise ValueError(f"{self}: {name} must be one of {get_args(known)}, not {chosen!r}")
        on_failure, on_suspended = policy
        graph = self.build()
        nodes = graph.nodes if targets is None else graph.up_to(self._targets(graph, targets))
        given = self._merged(inputs, named)
        graph.given(given, nodes)
        asked = {
            (node.step.options.get("lane"), id(node.step.options.get("executor"))): node for node in nodes
        }
        for node in asked.values():
            _can_run(run, graph, node)
        body = GraphBody(self.build, self.name, nodes=nodes, on_failure=on_failure, on_suspended=on_suspended)
        return await self._start(run, body, given, max_running)

    def _targets(self, graph: Graph, targets: Any) -> list[Node]:
        found: list[Node] = []
        for target in _several(targets):
            same = [] if isinstance(target, str) else [node for node in graph.nodes if self._is(node, target)]
            found.extend(same or [graph.node(called(target))])
        return found

    def _is(self, node: Node, target: object) -> bool:
        """Whether a caller who says `target` means that node."""
        declared = self._declared.get(node.name)
        if declared is not None:
            return declared.means(target)
        if not isinstance(target, Step):
            return same_function(node.step, target)
        step = cast("Step[..., Any]", target)
        return step.origin == node.step.origin

    def body(self) -> Body:
        return GraphBody(self.build, self.name)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if self.signature is not None:
            return super().bind(args, kwargs)
        if args:
            raise TypeError(f"{self} takes its inputs by name")
        graph = self.build()
        graph.given(kwargs, graph.nodes)
        return dict(kwargs)


def _several(given: object) -> Iterable[object]:
    """One thing, or a list of them."""
    several = isinstance(given, list | tuple | set | frozenset)
    return cast("Iterable[object]", given) if several else (given,)


def _can_run(run: Run, graph: Graph, node: Node) -> None:
    """Refuse a lane or executor that the engine does not have, before anything runs."""
    options = node.step.options
    try:
        if "lane" in options:
            run.intake.lane(options["lane"])
        if isinstance(options.get("executor"), str):
            run.executors.bind(options["executor"])
    except PacelineError as error:
        error.add_note(f"asked for by task {node.name!r} of graph {graph.name!r}")
        raise
    if isinstance(node.step, Dag):
        inner = node.step.build()
        for each in inner.nodes:
            _can_run(run, inner, each)


class DagDecorator(Protocol):
    """What `dag(...)` with options gives."""

    @overload
    def __call__(self, fn: Callable[P, Awaitable[R]], /) -> Dag[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Dag[P, R]: ...


@overload
def dag(fn: Callable[P, Awaitable[R]], /, **options: Unpack[GraphOptions]) -> Dag[P, R]: ...
@overload
def dag(fn: Callable[P, R], /, **options: Unpack[GraphOptions]) -> Dag[P, R]: ...
@overload
def dag(**options: Unpack[GraphOptions]) -> DagDecorator: ...
def dag(fn: Any = None, /, **options: Unpack[GraphOptions]) -> Any:
    """Draw a graph from a function; also a decorator.

        @dag
        async def pipeline(query: str) -> str:
            documents = await search(query)
            ranked = await rank.map(documents["hits"], query=query)     # one job for each hit
            return await answer(query, ranked)

        report = await pipeline.run(query="tea")

    The function is run once, when the graph is first looked at, with symbols for its inputs; each call of a
    task in it becomes a node, and what it awaits is a symbol to hand on. Loops over what is known then are
    fine; what depends on a value belongs in a task, in `with_options(when=...)`, or in a flow.

    Raises:
        BuildError: when it is built, if it cannot run as it is written.
    """
    if fn is None:
        return functools.partial(_drawn, options)
    return _drawn(options, fn)


def _drawn(options: GraphOptions, fn: Callable[..., Any]) -> Dag[..., Any]:
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise TypeError(f"a graph is drawn from a function that returns; {fn!r} yields: a @flow may do more")
    given: dict[str, Any] = {**options}
    made: Dag[..., Any] = Dag(given.pop("name", None) or fn.__name__, **given)
    made.signature = Signature(fn)
    made._function = fn
    functools.update_wrapper(made, fn)
    return made
