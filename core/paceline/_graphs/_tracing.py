"""Drawing a graph: a function is run once with symbols for its inputs, and each call in it becomes a node."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from typing import Any, cast

from paceline._errors import BuildError, PacelineError
from paceline._job import Ended

from ._assembly import called
from ._builder import Builder
from ._graph import Graph, Node
from ._signature import Signature
from ._steps import PLACE, Step
from ._symbols import Symbol, as_value
from ._types import hints_of
from ._values import Arguments, Input, Output, Value

__all__ = ["trace"]


class Tracer:
    """The place of calls while a graph is drawn."""

    def __init__(self, name: str) -> None:
        self.builder: Builder = Builder(name)
        self._by_step: dict[Step[..., Any], list[Node]] = {}
        self._uncalled: dict[int, Step[..., Any]] = {}
        """Variants that `after` made, and that nobody has called."""

    def call(self, step: Step[..., Any], payload: Any, mapped: tuple[str, ...] | None) -> Symbol:
        """A call becomes a node."""
        value = self._value(step, payload)
        builder = self.builder
        after = builder.orders(step.afters, self._find)
        when = builder.condition(step, step.when, value, lambda each: as_value(each, self))
        node = builder.add(step, value, mapped, after, when)
        self._by_step.setdefault(step.origin, []).append(node)
        self._uncalled.pop(id(step), None)
        return Symbol(self, Output(node))

    def dangling(self, old: Step[..., Any], new: Step[..., Any]) -> None:
        """A variant that is ordered after something is to be called, or that order is lost."""
        self._uncalled.pop(id(old), None)
        if new.afters:
            self._uncalled[id(new)] = new

    def finish(self, returned: Any) -> Graph:
        """The graph, once the function has returned."""
        for step in self._uncalled.values():
            raise BuildError(
                f"graph {self.builder.name!r}: {step}.after(...) was never called, so nothing comes after "
                f"{_listed(step.afters)}; write {step.name}.after(...)(arguments)"
            )
        try:
            output = as_value(returned, self)
        except BuildError as error:
            raise BuildError(f"graph {self.builder.name!r}, in what it returns: {error}") from error
        return self.builder.graph(output)

    def _value(self, step: Step[..., Any], payload: Any) -> Value:
        if step.signature is None:
            return as_value(payload, self)
        return Arguments({name: as_value(each, self) for name, each in payload.items()})

    def _find(self, target: object) -> list[Node]:
        if isinstance(target, Symbol):
            value = as_value(target, self)
            if isinstance(value, Output):
                return [value.node]
            raise BuildError(
                f"graph {self.builder.name!r}: {target!r} is there from the start; nothing comes after it"
            )
        if isinstance(target, Step):
            step = cast("Step[..., Any]", target)
            found = self._by_step.get(step.origin, [])
            if not found:
                raise BuildError(
                    f"graph {self.builder.name!r}: after({step.name}) comes before any call of {step}; "
                    "call it first, or hand in what its call gave"
                )
            return found
        if isinstance(target, list | tuple):
            several = cast("Sequence[object]", target)
            return [node for each in several for node in self._find(each)]
        raise BuildError(
            f"graph {self.builder.name!r}: after({called(target)}): it takes tasks that were called before, "
            "and what their calls gave"
        )


_AWAITS = (
    "graph {!r} awaits something that is no call of a task; a @dag is drawn once, before it runs: "
    "do that in a task, or write a @flow"
)


def trace(name: str, function: Callable[..., Any], signature: Signature) -> Graph:
    """Draw the graph of a function.

    Raises:
        BuildError: if it cannot be drawn: it awaits something else than calls, or needs to know a value.
    """
    tracer = Tracer(name)
    hints = hints_of(function)[0]
    inputs: dict[str, Symbol] = {}
    for parameter, default in signature.parameters.items():
        tracer.builder.add_input(parameter, default, hints.get(parameter))
        inputs[parameter] = Symbol(tracer, Input(parameter))
    returned = copy_context().run(_draw, tracer, name, function, signature, inputs)
    return tracer.finish(returned)


def _draw(
    tracer: Tracer,
    name: str,
    function: Callable[..., Any],
    signature: Signature,
    inputs: Mapping[str, Symbol],
) -> Any:
    PLACE.set(tracer)
    try:
        returned = signature.call(function, inputs)
        return _run_through(name, returned) if inspect.iscoroutine(returned) else returned
    except PacelineError as error:
        if isinstance(error, BuildError) and repr(name) not in str(error):
            raise BuildError(f"graph {name!r}: {error}") from error
        raise
    except Exception as error:
        if isinstance(error, RuntimeError) and "no running event loop" in str(error):
            raise BuildError(_AWAITS.format(name)) from error
        raise BuildError(f"graph {name!r} could not be drawn: {type(error).__name__}: {error}") from error


def _run_through(name: str, coroutine: Any) -> Any:
    """Run a coroutine that waits for nothing but symbols."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    finally:
        coroutine.close()
    raise BuildError(_AWAITS.format(name))


def _listed(afters: tuple[object, ...]) -> str:
    return ", ".join(called(each.of if isinstance(each, Ended) else each) for each in afters)
