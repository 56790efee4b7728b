"""Options that several commands have, each declared once: what it is called, what it takes, what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["GroupsArgument", "Json", "Prices", "ProviderFacts", "ProviderName", "Slots", "option"]

_FACTS, _WORK = "What is known", "How it runs"


def option(help_text: str, *, panel: str, metavar: str) -> Any:
    """Declare an option that takes a value."""
    return typer.Option(metavar=metavar, help=help_text, rich_help_panel=panel)


GroupsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="GROUPS.jsonl", help="One group a line; - reads standard input.", show_default=False
    ),
]
ProviderName = Annotated[
    str | None, option("Whose prefix cache: anthropic, openai, vllm, ...", panel=_FACTS, metavar="NAME")
]
ProviderFacts = Annotated[
    Path | None, option("Your own facts of providers, as TOML or JSON.", panel=_FACTS, metavar="FILE")
]
Prices = Annotated[Path | None, option("What models cost, as TOML or JSON.", panel=_FACTS, metavar="FILE")]
Slots = Annotated[str | None, option("Jobs that run at once (default 8).", panel=_WORK, metavar="N")]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print the report, as JSON, alone on standard output.",
        rich_help_panel="What it tells",
    ),
]
