"""`paceline compare`: one workload by four policies, as a table and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["compare"]


def compare(
    groups: Annotated[
        int, typer.Option(min=1, metavar="N", help="Documents, each of which is a group.")
    ] = 20,
    followers: Annotated[
        int, typer.Option(min=0, metavar="N", help="Questions on each document, after the first one.")
    ] = 9,
    document: Annotated[
        int, typer.Option(min=1, metavar="TOKENS", help="Length of a document: the shared prefix.")
    ] = 4000,
    question: Annotated[int, typer.Option(min=1, metavar="TOKENS", help="Length of a question.")] = 60,
    answer: Annotated[
        int, typer.Option(min=1, metavar="TOKENS", help="Length of an answer, on average.")
    ] = 100,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg", help="Also draw it, as an SVG, into this file.", show_default=False),
    ] = None,
) -> None:
    """Run the same jobs by four policies on two kinds of servers, and show what each of them costs.

    The servers are simulated, in virtual time: it takes a second, and gives the same numbers everywhere. One
    is a hosted provider, whose cache is shared by all requests; the other caches per slot, as llama.cpp does.
    Both read 2,000 tokens of a prompt a second and write 50 of an answer.
    """
    # Imported late: `paceline --help` need not load the engine.
    from .comparing import show_comparison

    show_comparison((groups, followers, document, question, answer), save)
