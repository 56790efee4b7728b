"""`paceline run`: run the groups of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import GroupsArgument, Json, Prices, ProviderFacts, ProviderName, Slots, option

__all__ = ["run"]

_INPUT, _WORK, _GROUPS, _OUTPUT = "Input and results", "How it runs", "How groups run", "What it tells"


def _switch(name: str, help_text: str, *, panel: str) -> Any:
    return typer.Option(name, help=help_text, rich_help_panel=panel)


Executor = Annotated[
    str | None,
    option(
        "What runs the jobs: an executor, a LangChain chain, or a function of the payload.",
        panel=_INPUT,
        metavar="MODULE:ATTRIBUTE",
    ),
]
Out = Annotated[
    Path | None,
    option("Where results go, one line a job. Default: standard output.", panel=_INPUT, metavar="FILE"),
]
Events = Annotated[
    Path | None,
    option("Where the event log goes, for paceline follow, replay and show.", panel=_INPUT, metavar="FILE"),
]
EventsContent = Annotated[
    str | None,
    option(
        "How much of payloads, outputs, questions and error messages it holds (default none); with snippet "
        "or full also what jobs stream.",
        panel=_INPUT,
        metavar="none|snippet|full",
    ),
]
Answers = Annotated[
    Path | None,
    option("Answers to what jobs ask, by job and question.", panel=_INPUT, metavar="FILE"),
]
Questions = Annotated[
    Path | None,
    option(
        "Where questions go that nobody answers, a line each; with answers put in, a file for --answers.",
        panel=_INPUT,
        metavar="FILE",
    ),
]
Overwrite = Annotated[bool, _switch("--overwrite", "Replace files that exist.", panel=_INPUT)]
Lanes = Annotated[
    list[str] | None,
    option(
        "Weight of a lane; can be repeated. Lanes named only in the file weigh 1.",
        panel=_WORK,
        metavar="NAME=WEIGHT",
    ),
]
Limits = Annotated[
    list[str] | None,
    option(
        "What may be used of the executor's model, or of a name put before (gpt-5:requests=300; * is all "
        "jobs): concurrency, requests, tokens, input and output (tokens) a minute, burst (minutes' worth), "
        "cached=count|exempt. Can be repeated.",
        panel=_WORK,
        metavar="requests=300,tokens=60000",
    ),
]
Budgets = Annotated[
    list[str] | None,
    option(
        "What may be spent: tokens or money, in all or each period (seconds), by (a key in the metadata: so "
        "much for each value), on=pause|fail|cancel_run, name. Can be repeated.",
        panel=_WORK,
        metavar="tokens=1e6,on=pause",
    ),
]
Retries = Annotated[
    str | None,
    option(
        "Further attempts at a job that failed, after growing random pauses (default 0).",
        panel=_WORK,
        metavar="N",
    ),
]
Release = Annotated[
    str | None,
    option(
        "When a group's followers may start: at the primer's first token (default) or at its end.",
        panel=_GROUPS,
        metavar="first_token|complete",
    ),
]
Settle = Annotated[
    str | None,
    option(
        "Wait after that until followers start (default: by --provider, else 0).", panel=_GROUPS, metavar="S"
    ),
]
InFlight = Annotated[
    str | None,
    option(
        "Jobs of one group that run at once; 0: no cap; auto learns whether the cache is shared "
        "(default: 1 where --provider caches per slot, else 0).",
        panel=_GROUPS,
        metavar="N|auto",
    ),
]
Ttl = Annotated[
    str | None,
    option(
        "How long a prefix stays cached unused; 0: for ever (default: by --provider, else 0).",
        panel=_GROUPS,
        metavar="S",
    ),
]
MissHold = Annotated[
    str | None,
    option(
        "How long to hold a group whose follower found nothing cached (default 0).",
        panel=_GROUPS,
        metavar="S",
    ),
]
Tui = Annotated[
    bool,
    _switch(
        "--tui",
        "Watch the run on a screen, from which jobs can be cancelled, tried again and answered.",
        panel=_OUTPUT,
    ),
]
SavingsBy = Annotated[
    str | None,
    option(
        "Tell what was saved for each value of that key in the groups' metadata, too.",
        panel=_OUTPUT,
        metavar="KEY",
    ),
]
LogLevel = Annotated[
    str | None,
    option(
        "debug, info (every event), warning (default), error or critical; to standard error.",
        panel=_OUTPUT,
        metavar="LEVEL",
    ),
]
LogJson = Annotated[bool, _switch("--log-json", "Log as JSON lines.", panel=_OUTPUT)]


def run(
    groups: GroupsArgument,
    executor: Executor = None,
    out: Out = None,
    events: Events = None,
    events_content: EventsContent = None,
    answers: Answers = None,
    questions: Questions = None,
    overwrite: Overwrite = False,
    lane: Lanes = None,
    slots: Slots = None,
    limits: Limits = None,
    budget: Budgets = None,
    retries: Retries = None,
    provider: ProviderName = None,
    providers: ProviderFacts = None,
    prices: Prices = None,
    release: Release = None,
    settle: Settle = None,
    in_flight: InFlight = None,
    ttl: Ttl = None,
    miss_hold: MissHold = None,
    savings_by: SavingsBy = None,
    tui: Tui = False,
    json: Json = False,
    log_level: LogLevel = None,
    log_json: LogJson = False,
) -> None:
    """Run the groups of a file and write their results.

    A line is [b]{"group": "a", "lane": "batch", "primer": ..., "followers": [...], "metadata": {...}}[/b]:
    lane and metadata may be left out, and the primer, without which the followers are independent jobs. A
    job is its payload, or [b]{"name": ..., "payload": ...}[/b].

    Results are appended as they come and put in input order at the end. Without --out they go to standard
    output, as they come. Ctrl-C stops within 5 seconds and keeps what is done.

    --provider takes how the groups run, and what a cached token costs, from what is known of a provider; what
    is said besides wins. Jobs beyond --limits wait. A --budget is reserved before each call: jobs for which
    too little is left wait for its next period, or, where there is none, end when all that could run has run.

    A job that asks something is answered from --answers; else, where standard input and error are a terminal,
    by the person there, while the others go on. What nobody answers stays open and is written to --questions.

    --tui shows the run on a screen (? there tells its keys), until q: what failed can be tried again (r).

    Every option can be given as an environment variable: --in-flight as PACELINE_IN_FLIGHT, and so on; what
    can be repeated is separated by ; there, lanes by commas.

    Spans and metrics go where OTEL_EXPORTER_OTLP_ENDPOINT says (extra otel).

    Exit code: 0 all succeeded, 1 some did not (those that a budget stopped included), 2 bad usage or input
    (nothing was run), 3 all did but those that wait for an answer, 130 interrupted.
    """
    flags = dict(locals())  # all options, by name
    from .running import run_file  # late: `paceline --help` need not load the engine

    code = run_file(flags.pop("groups"), flags)
    if code:
        raise typer.Exit(code)
