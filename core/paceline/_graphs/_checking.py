"""The types of a graph's edges, compared when it is built. Only what certainly cannot fit is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from paceline._errors import BuildError

from ._types import UNKNOWN, Fit, Missing, hints_of, notes_of, pick_type, type_name, verdict
from ._values import Arguments, Input, Output, Value, path_text

if TYPE_CHECKING:
    from ._graph import Graph, Node
    from ._steps import Step

__all__ = ["check_types"]


def check_types(graph: Graph) -> Iterator[str]:
    """Compare each edge; what cannot be told for certain is yielded as a note.

    Raises:
        BuildError: if a value certainly lacks what is taken of it, or certainly does not fit, or if an argument
            that is needed is given by nobody; the message names both ends.
    """
    noted: set[int] = set()
    for node in graph.nodes:
        _all_given(graph, node)
        if id(node.step.origin) not in noted:
            noted.add(id(node.step.origin))
            function = _function(node.step)
            for note in notes_of(function) if function is not None else ():
                yield f"task {node.name!r}: {note}"
        for parameter, wanted, value in _edges(node):
            yield from _check(graph, node, parameter, wanted, value)


def _all_given(graph: Graph, node: Node) -> None:
    if node.step.signature is None or not isinstance(node.payload, Arguments):
        return
    for name in node.step.signature.required:
        if name not in node.payload.values:
            raise BuildError(
                f"graph {graph.name!r}: task {node.name!r} needs the argument {name!r}, which nobody gives"
            )


def _edges(node: Node) -> Iterator[tuple[str, object, Value]]:
    """What each argument is declared as, and what it gets."""
    function = _function(node.step)
    if function is None or not isinstance(node.payload, Arguments):
        hints: Any = {}
    else:
        hints = hints_of(function).parameters
    values = node.payload.values if isinstance(node.payload, Arguments) else {"its payload": node.payload}
    for name, value in values.items():
        wanted = hints.get(name, UNKNOWN)
        if node.mapped is not None and (name in node.mapped or not node.mapped):
            wanted = UNKNOWN if wanted is UNKNOWN else list[wanted]
        yield name, wanted, value
    if node.when is not None:
        yield "when", UNKNOWN, node.when


def _check(graph: Graph, node: Node, parameter: str, wanted: object, value: Value) -> Iterator[str]:
    if not isinstance(value, Output | Input):
        for part in value.parts():
            if part is not value:
                yield from _check(graph, node, parameter, UNKNOWN, part)
        return
    source, said = _source(graph, value)
    edge = f"graph {graph.name!r}: {said} -> argument {parameter!r} of task {node.name!r}"
    if parameter == "when":
        edge = f"graph {graph.name!r}: {said} -> `when` of task {node.name!r}"
    if isinstance(value, Output) and not value.check:
        return
    found = source if source is UNKNOWN else pick_type(source, value.path)
    if isinstance(found, Missing):
        raise BuildError(f"{edge}: {found}")
    if wanted is UNKNOWN:
        return
    if found is UNKNOWN:
        yield f"{edge}: the type of what is carried is not known"
        return
    fit = verdict(found, wanted)
    if fit is Fit.MISFITS:
        have, want = type_name(found), type_name(wanted)
        if have == want:
            have, want = type_name(found, full=True), type_name(wanted, full=True)
        raise BuildError(f"{edge}: {have} cannot be {want}; where it can, say so: From(..., check=False)")
    if fit is Fit.DOUBTFUL:
        yield f"{edge}: {type_name(found)} may not be {type_name(wanted)}"


def _source(graph: Graph, value: Output | Input) -> tuple[object, str]:
    """The type of the whole from which a value is taken, and where it comes from, in words."""
    taken = f", {path_text(value.path)!r} of it" if value.path else ""
    if isinstance(value, Input):
        annotation = graph.inputs[value.name].annotation
        return (UNKNOWN if annotation is None else annotation), f"input {value.name!r}{taken}"
    function = _function(value.node.step)
    returned: Any = UNKNOWN if function is None else hints_of(function).returns
    if value.node.mapped is not None and returned is not UNKNOWN:
        returned = list[returned]
    return returned, f"task {value.node.name!r}{taken}"


def _function(step: Step[..., Any]) -> Any:
    """The function whose annotations tell what a step takes and returns."""
    function = getattr(step, "fn", None) or getattr(step, "_function", None)
    return function if step.signature is not None else None
