"""`paceline plan`: what the groups of a file would cost, before they run."""

from __future__ import annotations

from typing import Annotated

from .options import GroupsArgument, Json, Prices, ProviderFacts, ProviderName, Slots, option

__all__ = ["plan"]

_FACTS, _WORK, _GUESS = "What is known", "How it runs", "What is assumed"

Model = Annotated[str | None, option("Whose price of --prices is taken.", panel=_FACTS, metavar="NAME")]
Limits = Annotated[
    str | None,
    option(
        "concurrency, requests, tokens, input and output (tokens) a minute, burst (minutes' worth), "
        "cached=count|exempt.",
        panel=_WORK,
        metavar="requests=300,tokens=60000",
    ),
]
OutputTokens = Annotated[
    str | None,
    option("In each answer, if max_tokens is not less (default 256).", panel=_GUESS, metavar="N"),
]
Characters = Annotated[str | None, option("Characters in a token (default 4).", panel=_GUESS, metavar="N")]
Prefill = Annotated[
    str | None,
    option("Prompt tokens read a second (default 5000); 0: at once.", panel=_GUESS, metavar="TOKENS/S"),
]
Decode = Annotated[
    str | None,
    option("Answer tokens written a second (default 50); 0: at once.", panel=_GUESS, metavar="TOKENS/S"),
]
Latency = Annotated[
    str | None, option("Wait before each answer begins (default 0).", panel=_GUESS, metavar="S")
]


def plan(
    groups: GroupsArgument,
    provider: ProviderName = None,
    providers: ProviderFacts = None,
    prices: Prices = None,
    model: Model = None,
    limits: Limits = None,
    slots: Slots = None,
    output_tokens: OutputTokens = None,
    chars_per_token: Characters = None,
    prefill_rate: Prefill = None,
    decode_rate: Decode = None,
    latency: Latency = None,
    json: Json = False,
) -> None:
    """Predict tokens, cost and time of the groups of a file, in each order, and say which order to take.

    Nothing is run. The shared prefix of a group is what the prompts of all its jobs begin with, as far as
    payloads show them: texts, messages, or the variables of a template in their order.

    Every option can be given as an environment variable: --prefill-rate as PACELINE_PREFILL_RATE, and so on.
    """
    flags = dict(locals())  # all options, by name
    # Imported late: `paceline --help` need not load the engine.
    from .planning import plan_file

    plan_file(flags.pop("groups"), flags)
