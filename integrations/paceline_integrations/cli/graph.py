"""`paceline graph`: show a graph before it runs."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

__all__ = ["graph"]


def graph(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:NAME", help="A graph, or a registry, whose graphs are listed.", show_default=False
        ),
    ],
    form: Annotated[
        Literal["tree", "mermaid", "dot"],
        typer.Option("--format", help="A tree for the terminal, or text that Mermaid or Graphviz draws."),
    ] = "tree",
) -> None:
    """Show what a graph would run: its inputs, what can run side by side, and what each task takes from whom.

    Its module is imported, and nothing of it is run. `paceline graph my_module:registry` lists the graphs and
    flows of a registry; `my_module:registry.report` shows one of them.
    """
    # Imported late: `paceline --help` need not load the engine.
    from .showing import show

    show(spec, form)
