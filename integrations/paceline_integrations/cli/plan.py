"""`paceline plan`: what the groups of a file would cost, before they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["plan"]

_FACTS, _WORK, _GUESS = "What is known", "How it would run", "What is assumed"


def _option(help_text: str, *, panel: str, metavar: str) -> Any:
    return typer.Option(metavar=metavar, help=help_text, rich_help_panel=panel)


def plan(
    groups: Annotated[
        Path,
        typer.Argument(
            metavar="GROUPS.jsonl", help="As for paceline run; - reads standard input.", show_default=False
        ),
    ],
    provider: Annotated[
        str | None,
        _option("Whose prefix cache: anthropic, openai, vllm, ...", panel=_FACTS, metavar="NAME"),
    ] = None,
    providers: Annotated[
        Path | None,
        _option("Your own facts of providers, as TOML or JSON.", panel=_FACTS, metavar="FILE"),
    ] = None,
    prices: Annotated[
        Path | None,
        _option("What models cost, as TOML or JSON; goes with --model.", panel=_FACTS, metavar="FILE"),
    ] = None,
    model: Annotated[str | None, _option("Whose price is taken.", panel=_FACTS, metavar="NAME")] = None,
    limits: Annotated[
        str | None,
        _option(
            "concurrency, requests, tokens, input and output (tokens) a minute, burst (minutes' worth), "
            "cached=count|exempt.",
            panel=_WORK,
            metavar="requests=300,tokens=60000",
        ),
    ] = None,
    slots: Annotated[
        str | None, _option("Jobs that run at once (default 8).", panel=_WORK, metavar="N")
    ] = None,
    output_tokens: Annotated[
        str | None,
        _option("In each answer, if max_tokens is not less (default 256).", panel=_GUESS, metavar="N"),
    ] = None,
    chars_per_token: Annotated[
        str | None, _option("Characters in a token (default 4).", panel=_GUESS, metavar="N")
    ] = None,
    prefill_rate: Annotated[
        str | None,
        _option("Prompt tokens read a second (default 5000); 0: at once.", panel=_GUESS, metavar="TOKENS/S"),
    ] = None,
    decode_rate: Annotated[
        str | None,
        _option("Answer tokens written a second (default 50); 0: at once.", panel=_GUESS, metavar="TOKENS/S"),
    ] = None,
    latency: Annotated[
        str | None, _option("Wait before each answer begins (default 0).", panel=_GUESS, metavar="S")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Predict tokens, cost and time of the groups of a file, in each order, and say which order to take.

    Nothing is run. The shared prefix of a group is what the prompts of all its jobs begin with, as far as
    payloads show them: texts, messages, or the variables of a template in their order.

    Every option can be given as an environment variable: --prefill-rate as PACELINE_PREFILL_RATE, and so on.
    """
    # Imported late: `paceline --help` need not load the engine.
    from .planning import plan_file

    plan_file(
        groups,
        {
            "provider": provider,
            "providers": providers,
            "prices": prices,
            "model": model,
            "limits": limits,
            "slots": slots,
            "output_tokens": output_tokens,
            "chars_per_token": chars_per_token,
            "prefill_rate": prefill_rate,
            "decode_rate": decode_rate,
            "latency": latency,
            "PACELINE_JSON": json or None,
        },
    )
