"""The demo, from the folder to the table at its end."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from paceline import GroupPolicy, Provider, RetryPolicy
from paceline_integrations.simulator import Simulator, SimulatorSettings

from ._errors import CommandError
from .demo_run import QUESTIONS, SLOTS, DemoRun, Measure
from .demo_text import print_answers, print_comparison, print_opening, print_troubles
from .demo_traces import TracedDemo, traced_demo
from .documents import Selection, own_documentation, read_folder
from .interrupts import INTERRUPTED, run_until_interrupted
from .known import known_provider
from .progress import show_progress
from .settings import DemoSettings, read_settings
from .terms import policy_at, savings_at
from .tracing import Tracing

__all__ = ["demonstrate"]

OpenChain = Callable[..., AbstractAsyncContextManager[object]]

_OPENAI = "https://api.openai.com/v1"
_ANSWER = 48
_DECODE = 160.0
_SECONDS = 4.0
"""How long the reading of everything, each time anew, is to take."""


def demonstrate(folder: Path | None, flags: dict[str, Any]) -> int:
    """Run the demo and return the exit code.

    Raises:
        CommandError: if there is nothing to read, no key for a real provider, or no LangChain.
    """
    settings = read_settings(DemoSettings, flags)
    selection = own_documentation() if folder is None else read_folder(folder)
    console = Console()
    if not settings.real and flags.get("provider") is not None:  # in the environment it is for other commands
        raise CommandError("--provider goes with --real: of the simulator it is known")
    with (
        nullcontext(Tracing())
        if settings.traces is None
        else traced_demo(console, settings.traces) as tracing
    ):
        if settings.real:
            code = _ask_provider(console, selection, settings, tracing)
        else:
            code = _ask_simulator(console, selection, known_provider("simulator", None), tracing)
        tracing.finish(interrupted=code == INTERRUPTED)
    return code


def _ask_simulator(
    console: Console, selection: Selection, facts: Provider, tracing: Tracing | TracedDemo
) -> int:
    rate = min(max(selection.tokens * len(QUESTIONS) / SLOTS / _SECONDS, 2_000.0), 100_000.0)
    speed = SimulatorSettings(prefill_rate=round(rate, -2), decode_rate=_DECODE)
    print_opening(
        console, selection, f"a simulated provider that reads {speed.prefill_rate:,.0f} tokens a second"
    )
    open_chain = _load(console)
    with Simulator(speed) as server:

        async def both() -> list[Measure]:
            measures: list[Measure] = []
            async with open_chain(
                server.base_url, api_key="none", model="simulator", max_tokens=_ANSWER, by_proxy=False
            ) as chain:
                # One document unmeasured, which connects and loads what is lazy.
                await DemoRun(chain, selection.documents[:1], grouped=True).main()
                for grouped in (True, False):
                    server.reset()  # nothing is left in the cache
                    run = DemoRun(
                        chain,
                        selection.documents,
                        grouped=grouped,
                        policy=policy_at(facts),
                        middleware=tracing.middleware,
                    )
                    await _go(console, run)
                    measures.append(Measure(run.report(), server.stats()))
            return measures

        measures = run_until_interrupted(both)
    if measures is None:
        return INTERRUPTED
    print_troubles(console, measures)
    print_comparison(console, *measures, savings_at=savings_at(facts))
    return _code(measures)


def _ask_provider(
    console: Console, selection: Selection, settings: DemoSettings, tracing: Tracing | TracedDemo
) -> int:
    if not os.environ.get("OPENAI_API_KEY"):
        raise CommandError(
            "--real needs OPENAI_API_KEY (and OPENAI_BASE_URL, for other providers than OpenAI)"
        )
    endpoint = os.environ.get("OPENAI_BASE_URL") or _OPENAI
    name = settings.provider or ("openai" if endpoint == _OPENAI else None)
    facts = None if name is None else known_provider(name, settings.providers)
    # Of a server that nothing is known of it is learnt which kind of cache it has.
    policy = GroupPolicy(in_flight="auto") if facts is None else policy_at(facts)
    runs = 2 if settings.compare else 1
    print_opening(console, selection, f"{settings.model} at {endpoint}")
    if not settings.yes and not _agreed(console, selection, endpoint, runs):
        console.print("Nothing was sent.")
        return 1
    open_chain = _load(console)
    key = os.environ["OPENAI_API_KEY"]

    async def once_or_twice() -> list[Measure]:
        measures: list[Measure] = []
        async with open_chain(endpoint, api_key=key, model=settings.model) as chain:
            for grouped in (True, False)[:runs]:
                # Each begins its prompts with a word of its own: neither finds the other's in the cache.
                mark = secrets.token_hex(4)
                run = DemoRun(
                    chain,
                    selection.documents,
                    grouped=grouped,
                    mark=mark,
                    retry=RetryPolicy(3),
                    policy=policy,
                    middleware=tracing.middleware,
                )
                await _go(console, run)
                measures.append(Measure(run.report()))
        return measures

    measures = run_until_interrupted(once_or_twice)
    if measures is None:
        return INTERRUPTED
    print_answers(console, selection, measures[0].report)
    print_troubles(console, measures)
    print_comparison(console, *measures, savings_at=None if facts is None else savings_at(facts))
    return _code(measures)


def _code(measures: list[Measure]) -> int:
    return 0 if all(measure.report.ok for measure in measures) else 1


def _agreed(console: Console, selection: Selection, endpoint: str, runs: int) -> bool:
    requests = runs * len(QUESTIONS) * len(selection.documents)
    tokens = runs * len(QUESTIONS) * selection.tokens
    console.print(
        f"This sends {len(selection.documents)} {selection.things} to {endpoint}: {requests:,} requests, "
        f"about {tokens:,} tokens, cached ones included.",
        highlight=False,
    )
    try:
        return typer.confirm("Go on?")
    except typer.Abort as error:
        raise CommandError("--real asks before it sends anything, and nobody answers: give --yes") from error


async def _go(console: Console, run: DemoRun) -> None:
    console.print(run.title, style="bold", highlight=False)
    if console.is_terminal and not console.is_dumb_terminal:
        with show_progress(run, console):
            await run.main()
    else:
        await run.main()


def _load(console: Console) -> OpenChain:
    """Load LangChain, which takes a second or two, and only now."""
    with console.status("loading LangChain"):
        try:
            from .demo_chain import open_chain
        except ImportError as error:
            raise CommandError(
                f'the demo needs LangChain: pip install "paceline[langchain]" ({error})'
            ) from error
    return open_chain
