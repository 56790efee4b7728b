"""`paceline demo`: what groups save, shown on one's own text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import ProviderFacts, option

__all__ = ["demo"]

_REAL = "A real provider"

Facts = Annotated[
    str | None,
    option(
        "Whose prefix cache it has: openai, vllm, llama.cpp, ... (default: openai at its own address; "
        "elsewhere it is learnt whether jobs of a group are to go side by side).",
        panel=_REAL,
        metavar="NAME",
    ),
]


def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="Whose text files to read. Default: Paceline's own documentation.",
            show_default=False,
        ),
    ] = None,
    real: Annotated[
        bool,
        typer.Option(
            "--real",
            help="Ask the provider of OPENAI_BASE_URL and OPENAI_API_KEY instead of the simulator.",
            rich_help_panel=_REAL,
        ),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Its model (default gpt-5-mini).", rich_help_panel=_REAL),
    ] = None,
    provider: Facts = None,
    providers: ProviderFacts = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Send everything at once, too, and compare.", rich_help_panel=_REAL),
    ] = False,
    traces: Annotated[
        str | None,
        option(
            "Send the traces to Phoenix or MLflow on this machine and show them; it is installed the first "
            "time (900 MB, into a folder of the user's cache, or PACELINE_BACKENDS).",
            panel="Traces",
            metavar="phoenix|mlflow",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before sending.", rich_help_panel=_REAL)
    ] = False,
) -> None:
    """Read a folder in groups, and measure what that saves.

    Each text file is a group: its first job has the model read the file, the others ask for a summary, risks,
    open questions and so on, and find the file in the provider's cache. A LangChain chain does the asking,
    over HTTP. The provider is simulated: no key, no bill, and made-up answers; but requests, tokens, cache
    and times are measured, in groups first and then with everything sent at once.
    """
    flags = dict(locals())  # all options, by name
    # Imported late: `paceline --help` need not load the engine.
    from .demonstration import demonstrate

    code = demonstrate(flags.pop("folder"), flags)
    if code:
        raise typer.Exit(code)
