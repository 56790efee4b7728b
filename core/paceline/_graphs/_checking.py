"""The types of a graph's edges, compared when it is built. Only what certainly cannot fit is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from paceline._errors import BuildError

from ._types import UNKNOWN, Fit, Hints, Missing, hints_of, notes_of, pick_type, type_name, verdict
from ._values import Arguments, Input, Output, Value, path_text

if TYPE_CHECKING:
    from ._graph import Graph, Node
    from ._steps import Step

__all__ = ["check_types", "function_of"]

_NO_LIST: Any = str | bytes | Mapping[Any, Any] | set[Any] | frozenset[Any]
"""What a map certainly refuses, though it could be gone over."""


class _Entry(NamedTuple):
    """Where a value goes: the place in words, what is declared there, and whether a map goes over it."""

    place: str
    wanted: object
    value: Value
    mapped: bool


def check_types(graph: Graph, names: Mapping[str, object]) -> list[str]:
    """Compare each edge; gives what cannot be told for certain, as notes.

    `names`: what annotations may name besides what their functions see.

    Raises:
        BuildError: if a value certainly lacks what is taken of it, or certainly does not fit; the message
            names both ends.
    """
    return list(_Checks(graph, names).notes())


class _Checks:
    def __init__(self, graph: Graph, names: Mapping[str, object]) -> None:
        self._graph = graph
        self._names = names

    def notes(self) -> Iterator[str]:
        noted: set[int] = set()
        for node in self._graph.nodes:
            if id(node.step.origin) not in noted:
                noted.add(id(node.step.origin))
                function = function_of(node.step)
                for note in () if function is None else notes_of(function, self._names):
                    yield f"task {node.name!r}: {note}"
            for entry in self._entries(node):
                if isinstance(entry.value, Output | Input):
                    yield from self._compare(node, entry, entry.value)
                    continue
                for part in entry.value.parts():
                    if isinstance(part, Output | Input):
                        yield from self._compare(node, entry._replace(wanted=UNKNOWN, mapped=False), part)

    def _entries(self, node: Node) -> Iterator[_Entry]:
        """What each argument is declared as, and what it gets."""
        if isinstance(node.payload, Arguments):
            hints = self._hints(node.step).parameters
            for name, value in node.payload.values.items():
                mapped = node.mapped is not None and name in node.mapped
                yield _Entry(f"argument {name!r}", hints.get(name, UNKNOWN), value, mapped)
        else:
            yield _Entry("its payload", UNKNOWN, node.payload, node.mapped is not None)
        if node.when is not None:
            yield _Entry("`when`", UNKNOWN, node.when, mapped=False)

    def _compare(self, node: Node, entry: _Entry, value: Output | Input) -> Iterator[str]:
        if isinstance(value, Output) and not value.check:
            return
        source, said = self._source(value)
        edge = f"graph {self._graph.name!r}: {said} -> {entry.place} of task {node.name!r}"
        found = source if source is UNKNOWN else pick_type(source, value.path)
        if isinstance(found, Missing):
            raise BuildError(f"{edge}: {found}")
        if entry.mapped and found is not UNKNOWN and verdict(found, _NO_LIST) is Fit.FITS:
            raise BuildError(f"{edge}: a map goes over a list, and this is {type_name(found)}")
        if entry.wanted is not UNKNOWN:
            yield from _fits(edge, found, Iterable[entry.wanted] if entry.mapped else entry.wanted)  # type: ignore[name-defined]  # a type, made here

    def _source(self, value: Output | Input) -> tuple[object, str]:
        """The type of the whole from which a value is taken, and where it comes from, in words."""
        taken = f", {path_text(value.path)!r} of it" if value.path else ""
        if isinstance(value, Input):
            annotation = self._graph.inputs[value.name].annotation
            return (UNKNOWN if annotation is None else annotation), f"input {value.name!r}{taken}"
        returned: Any = self._hints(value.node.step).returns
        if value.node.mapped is not None and returned is not UNKNOWN:
            returned = list[returned]
        return returned, f"task {value.node.name!r}{taken}"

    def _hints(self, step: Step[..., Any]) -> Hints:
        function = function_of(step)
        return Hints({}, UNKNOWN) if function is None else hints_of(function, self._names)


def _fits(edge: str, found: object, wanted: object) -> Iterator[str]:
    if found is UNKNOWN:
        yield f"{edge}: the type of what is carried is not known"
        return
    fit = verdict(found, wanted)
    have, want = type_name(found), type_name(wanted)
    if fit is Fit.MISFITS:
        if have == want:
            have, want = type_name(found, full=True), type_name(wanted, full=True)
        raise BuildError(
            f"{edge}: {have} cannot be {want}; if it can, annotate it so, or say From(..., check=False)"
        )
    if fit is Fit.DOUBTFUL:
        yield f"{edge}: {have} may not be {want}"


def function_of(step: Step[..., Any]) -> Any:
    """The function whose annotations tell what a step takes and returns."""
    function = getattr(step, "fn", None) or getattr(step, "_function", None)
    return function if step.signature is not None else None
