"""What `paceline graph` shows: one graph, or what a registry holds."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any, Literal, cast

from rich.console import Console, RenderableType
from rich.text import Text

from paceline import BuildError, Dag, Flow, Registry
from paceline_integrations.terminal import plan_tree

from ._errors import CommandError
from .loading import load

__all__ = ["Form", "show"]

Form = Literal["tree", "mermaid", "dot"]


def show(spec: str, form: Form) -> None:
    """Print the graph, or the list of graphs, that `module:name` names.

    Raises:
        CommandError: if there is none, or it cannot be shown so.
    """
    module, _, name = spec.partition(":")
    if not module or not name:
        raise CommandError(f"expected module:name, not {spec!r}")
    with redirect_stdout(sys.stderr):  # what the module prints must not get into the picture
        found: object = load(spec, spec)
        shown = _list(spec, found, form) if isinstance(found, Registry) else _draw(spec, found, form)
    if isinstance(shown, str):
        print(shown, end="")
    else:
        Console().print(*shown, sep="\n")


def _draw(spec: str, found: object, form: Form) -> str | list[RenderableType]:
    if isinstance(found, Flow):
        raise CommandError(
            f"{spec} is a flow, which decides what to do as it runs: run it, and draw its report, "
            "report.to_mermaid()"
        )
    if not isinstance(found, Dag):
        raise CommandError(f"{spec} is neither a graph nor a registry of graphs: {type(found).__name__}")
    dag = cast("Dag[..., Any]", found)
    try:
        if form == "mermaid":
            return dag.to_mermaid()
        if form == "dot":
            return dag.to_dot()
        return [plan_tree(dag), Text(f"inputs: {', '.join(dag.inputs) or 'none'}")]
    except BuildError as error:
        raise CommandError(f"{spec}: {error}") from error


def _list(spec: str, registry: Registry, form: Form) -> list[RenderableType]:
    if form != "tree":
        names = ", ".join(f"{spec}.{name}" for name in registry) or "it is empty"
        raise CommandError(f"{spec} is a registry: name the graph to draw: {names}")
    return [
        Text(f"{'flow ' if isinstance(each, Flow) else 'graph'}  {name}") for name, each in registry.items()
    ]
