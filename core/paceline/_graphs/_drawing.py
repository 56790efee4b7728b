"""Graphs as pictures for documents: Mermaid and DOT, before a run and after it.

Both are drawn from one outline: nodes, with those of a nested graph and the items of a map in a frame of
their own. Names are whatever users chose, so no name is ever used as an identifier.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from paceline._job import Status
from paceline._report_text import STATUS_MARKS

if TYPE_CHECKING:
    from ._edge import Edge

__all__ = ["dot", "mermaid"]

_LONGEST: Final = 60
_ITEMS, _NODES = 12, 100
"""Items of a map, and nodes of a nested graph or flow, that are drawn; the others are one node together."""
_FONT: Final = 'fontname="Helvetica,Arial,sans-serif"'

_COLOURS: Final[Mapping[Status, tuple[str, str]]] = {
    "succeeded": ("#dcf2e0", "#2e7d32"),
    "failed": ("#fbdcdc", "#c62828"),
    "cancelled": ("#e4e4e4", "#616161"),
    "skipped": ("#f7f7f7", "#9e9e9e"),
    "suspended": ("#ece2f7", "#6a1b9a"),
    "running": ("#dcebfb", "#1565c0"),
    "waiting": ("#fdf5d3", "#b28704"),
}
"""Fill and line; the text is black on all of them."""


def mermaid(
    name: str | None,
    nodes: Iterable[str],
    edges: Iterable[Edge],
    bodies: Mapping[str, str | None] | None = None,
    status: Mapping[str, Status] | None = None,
) -> str:
    """Draw a graph as a Mermaid flowchart, from left to right.

    Arrows are solid where they carry a value, and labelled with the part of it that they carry; dotted where
    they say only what comes after. `bodies` tells of nodes which other node they lie in. With `status` nodes
    have its colour and mark. GitHub draws a block of type `mermaid` of up to 500 edges.
    """
    outline = _Outline(nodes, edges, bodies or {}, status or {})
    lines = [] if name is None else ["---", f"title: {json.dumps(_clean(name), ensure_ascii=False)}", "---"]
    lines.append("flowchart LR")
    for depth, shape, closes in outline.walk():
        indent = "    " * (depth + 1)
        if closes:
            lines.append(f"{indent}end")
        elif shape.inner:
            lines += [
                f'{indent}subgraph {shape.id}["{_mermaid_text(shape.label)}"]',
                f"{indent}    direction LR",
            ]
        else:
            lines.append(f'{indent}{shape.id}["{_mermaid_text(shape.label)}"]')
    for source, target, edge in outline.edges():
        label = "" if edge.key is None else f'|"{_mermaid_text(_short(edge.key))}"|'
        lines.append(f"    {source.id} {f'-->{label}' if edge.data else '-.->'} {target.id}")
    by_status: dict[Status, list[str]] = {}
    for shape in outline.shapes:
        if shape.status is not None:
            by_status.setdefault(shape.status, []).append(shape.id)
    for each, ids in by_status.items():
        fill, line = _COLOURS[each]
        lines.append(f"    classDef {each} fill:{fill},stroke:{line},color:#000")
        lines.append(f"    class {','.join(ids)} {each}")
    return "\n".join(lines) + "\n"


def dot(
    name: str | None,
    nodes: Iterable[str],
    edges: Iterable[Edge],
    bodies: Mapping[str, str | None] | None = None,
    status: Mapping[str, Status] | None = None,
) -> str:
    """Draw a graph in DOT, the language of Graphviz (`dot -Tsvg`), from left to right; as in `mermaid`."""
    outline = _Outline(nodes, edges, bodies or {}, status or {})
    lines = ["digraph {"]
    if name is not None:
        lines.append(f'    label="{_dot_text(_clean(name))}" labelloc=t')
    lines += [
        f"    rankdir=LR compound=true {_FONT}",
        f'    node [shape=box style="rounded,filled" {_FONT}]',
        f"    edge [{_FONT} fontsize=10]",
    ]
    for depth, shape, closes in outline.walk():
        indent = "    " * (depth + 1)
        if closes:
            lines.append(f"{indent}}}")
            continue
        fill, line = ("#ffffff", "#000000") if shape.status is None else _COLOURS[shape.status]
        label = f'label="{_dot_text(shape.label)}"'
        if shape.inner:
            lines += [
                f'{indent}subgraph "cluster_{shape.id}" {{',
                f'{indent}    {label} style=rounded color="{line}"',
            ]
        else:
            lines.append(f'{indent}{shape.id} [{label} fillcolor="{fill}" color="{line}"]')
    for source, target, edge in outline.edges():
        told = [] if edge.data else ["style=dotted"]
        if edge.data and edge.key is not None:
            told.append(f'label="{_dot_text(_short(edge.key))}"')
        # Graphviz draws arrows between nodes; one to a frame is cut off at its border.
        told += [f'ltail="cluster_{source.id}"'] if source.inner else []
        told += [f'lhead="cluster_{target.id}"'] if target.inner else []
        attributes = f" [{' '.join(told)}]" if told else ""
        lines.append(f"    {source.end(-1).id} -> {target.end(0).id}{attributes}")
    return "\n".join([*lines, "}"]) + "\n"


@dataclass(slots=True, eq=False)
class _Shape:
    """A node, or (if something lies in it) a frame."""

    id: str
    name: str
    own: str
    """Its name in the frame."""
    label: str
    frame: _Shape | None
    status: Status | None = None
    is_map: bool = False
    inner: list[_Shape] = field(default_factory=list["_Shape"])

    def end(self, place: int) -> _Shape:
        """The node that stands for all of it: of a graph the first or last, of a map one in the middle."""
        shape = self
        while shape.inner:
            shape = shape.inner[len(shape.inner) // 2 if shape.is_map else place]
        return shape

    def around(self) -> Iterator[_Shape]:
        """Itself, and the frames that it lies in."""
        shape: _Shape | None = self
        while shape is not None:
            yield shape
            shape = shape.frame


class _Outline:
    """What is drawn: which node lies in which frame, what is left out, and what each is called."""

    def __init__(
        self,
        names: Iterable[str],
        edges: Iterable[Edge],
        bodies: Mapping[str, str | None],
        status: Mapping[str, Status],
    ) -> None:
        self._edges = tuple(edges)
        self._status = status
        named = dict.fromkeys(names)
        for edge in self._edges:
            named.setdefault(edge.source)
            named.setdefault(edge.target)
        self._taken: set[str] = set()
        self._by_name: dict[str, _Shape] = {}
        self._top: list[_Shape] = []
        members: dict[str | None, list[str]] = {}
        for name in named:
            body = bodies.get(name)
            members.setdefault(body if body in named else None, []).append(name)
        self._place(members)
        self.shapes: list[_Shape] = [shape for _, shape, closes in self.walk() if not closes]

    def walk(self) -> Iterator[tuple[int, _Shape, bool]]:
        """Every shape with its depth, in order; a frame a second time (True) after what lies in it."""
        left = [(0, shape, False) for shape in reversed(self._top)]
        while left:
            depth, shape, closes = left.pop()
            yield depth, shape, closes
            if shape.inner and not closes:
                left.append((depth, shape, True))
                left += [(depth + 1, each, False) for each in reversed(shape.inner)]

    def edges(self) -> Iterator[tuple[_Shape, _Shape, Edge]]:
        """What is connected; not a frame with what lies in it, which no tool can draw, and nothing twice."""
        seen: set[tuple[str, str, str | None, bool]] = set()
        for edge in self._edges:
            source, target = self._by_name[edge.source], self._by_name[edge.target]
            told = (source.id, target.id, edge.key, edge.data)
            if source in target.around() or target in source.around() or told in seen:
                continue
            seen.add(told)
            yield source, target, edge

    def _place(self, members: Mapping[str | None, list[str]]) -> None:
        left: list[tuple[str | None, _Shape | None]] = [(None, None)]
        while left:
            body, frame = left.pop()
            inside = members.get(body, [])
            shown = dict.fromkeys(inside)
            if frame is not None:
                frame.is_map = any(name.startswith(f"{body}[") for name in inside)
                shown = self._shown(inside, _ITEMS if frame.is_map else _NODES)
            for name in shown:
                shape = self._shape(name, frame)
                self._by_name[name] = shape
                left.append((name, shape))
            if frame is not None and len(shown) < len(inside):
                self._leave_out([name for name in inside if name not in shown], members, frame)

    def _shown(self, names: list[str], most: int) -> dict[str, None]:
        """As many as are drawn, those that did not succeed first."""
        if len(names) <= most:
            return dict.fromkeys(names)
        fine = ("succeeded", None)
        ordered = sorted(names, key=lambda name: self._status.get(name) in fine)
        chosen = set(ordered[: most - 1])
        return dict.fromkeys(name for name in names if name in chosen)

    def _leave_out(self, names: list[str], members: Mapping[str | None, list[str]], frame: _Shape) -> None:
        statuses: set[Status | None] = {self._status.get(name) for name in names}
        rest = self._shape(f"… {len(names):,} more", frame)
        rest.status = statuses.pop() if len(statuses) == 1 else None
        left = list(names)
        while left:
            name = left.pop()
            self._by_name[name] = rest
            left += members.get(name, [])

    def _shape(self, name: str, frame: _Shape | None) -> _Shape:
        status = self._status.get(name)
        own = name if frame is None else _own_name(name, frame)
        label = _short(own) if status is None else f"{STATUS_MARKS[status]} {_short(own)}"
        shape = _Shape(self._id(name), name, own, label, frame, status)
        (self._top if frame is None else frame.inner).append(shape)
        return shape

    def _id(self, name: str) -> str:
        """Such that it is the same in every drawing of the graph, and never a word of the language."""
        stem = "n_" + re.sub(r"[^A-Za-z0-9]+", "_", name)[:_LONGEST].strip("_")
        found, number = stem, 1
        while found in self._taken:
            number += 1
            found = f"{stem}_{number}"
        self._taken.add(found)
        return found


def _own_name(name: str, frame: _Shape) -> str:
    """What a node is called in a frame: `load` for `inner/load`, `pages[3]` for `inner/pages[3]`."""
    if not name.startswith(frame.name):
        return name
    rest = name[len(frame.name) :]
    return rest.removeprefix("/") if rest.startswith("/") else frame.own + rest


def _clean(text: str) -> str:
    """Without what YAML or SVG refuses: controls, lone surrogates, code points without a meaning."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in {"Cc", "Cs", "Cn"} else "�" for char in text
    )


def _short(text: str) -> str:
    text = _clean(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _mermaid_text(text: str) -> str:
    """A label between quotes: what Mermaid, Markdown or HTML could take for its own is written as a number.

    Mermaid reads labels as Markdown too: `1. first` would be refused as a list, `__init__` be bold.
    """
    parts = (
        re.sub(_MERMAID_OWN, lambda found: f"#{ord(found[0])};", line.strip()) for line in text.split("\n")
    )
    return "<br/>".join(parts).strip() or "#160;"


# Letters and digits of any script, spaces, brackets, slashes, commas and arrows are safe; so is what stands
# between two letters or digits in `load_users` and `to-do`.
_MERMAID_OWN: Final = re.compile(r"(?<![^\W_])[_-]|[_-](?![^\W_])|[^\w\s\[\]/,…✔✘⊘○‖▸_-]|(?<!\S)\s|\s(?!\S)")


def _dot_text(text: str) -> str:
    r"""A label between quotes: `\n` breaks lines, and `&lt;` would be a sign of its own."""
    for sign, spelled in (("\\", "\\\\"), ('"', '\\"'), ("&", "&amp;"), ("\n", "\\n")):
        text = text.replace(sign, spelled)
    return text or " "
