"""From the settings of `paceline run` to its exit code."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.text import Text

from paceline import (
    Engine,
    Executor,
    JsonlSink,
    Lane,
    LoggingSink,
    RetryPolicy,
    RunReport,
    SavingsTally,
    Sink,
    TaskReport,
)

from ._errors import CommandError
from .answers import Answers
from .budgets import BudgetMeter
from .desk import Desk
from .groups_file import GroupsFile
from .interrupts import GRACE, INTERRUPTED, run_until_interrupted
from .keys import terminal
from .loading import load_executor
from .logs import configure_logging
from .outputs import check_outputs
from .questions import QuestionsFile
from .results import ResultsFile, ResultsStream, ResultsWriter
from .runner import GroupsRun
from .settings import RunSettings, read_settings
from .summary import Held, print_held, print_summary
from .terms import Terms, terms_of
from .tracing import Tracing
from .troubles import Results

if TYPE_CHECKING:
    from .asking import Person
    from .at_screen import AtScreen

__all__ = ["run_file"]

UNANSWERED = 3
"""The exit code where nothing went wrong, but jobs wait for answers."""
_GROUPS_TOLD = 10_000
"""Of how many groups at most it is kept what each saved: of more, sums only."""
_ENGINE_GRACE = GRACE - 2.0
"""Leaves time, of what an interrupted process has, for the results to be put in order and the log closed."""


def run_file(path: Path, flags: dict[str, Any]) -> int:
    """Run the groups of a file and return the exit code.

    Raises:
        CommandError: if anything is wrong with settings, input or output.
    """
    settings = read_settings(RunSettings, flags)
    configure_logging(settings.log_level, as_json=settings.log_json)
    check_outputs(
        {"groups": path, "answers": settings.answers},
        {"--out": settings.out, "--events": settings.events, "--questions": settings.questions},
        overwrite=settings.overwrite,
    )
    stdout = sys.stdout
    tags = {budget.by for budget in settings.budget if budget.by is not None}
    with ExitStack() as stack:
        answers = None if settings.answers is None else Answers(settings.answers)
        called = frozenset[str]() if answers is None else answers.jobs
        groups = stack.enter_context(GroupsFile(path, tags=tags, called=called))
        if answers is not None:
            answers.resolve(groups.found)
        # What the person's own code prints must not get between results: it goes where logs go.
        stack.enter_context(redirect_stdout(sys.stderr))
        executor = load_executor(settings.executor)
        name = settings.executor.rpartition(":")[2]
        terms = terms_of(settings, executor, name)
        screen = _screen(settings, stdout)
        at_screen = _at_screen(settings, screen, stdout) if settings.tui else None
        results = Results(_writer(settings, groups, stack, screen, stdout))
        person = _person() if at_screen is None else at_screen.person
        desk = Desk(answers=answers, person=person, file=_questions(settings, stack))
        tracing = Tracing(settings.executor.partition(":")[0])
        middleware = [*tracing.middleware, desk.askers]
        watching = [] if at_screen is None else [at_screen.screen.sink]
        engine = _engine(settings, terms, groups, {name: executor}, middleware, watching)
        savings = SavingsTally(**terms.savings, keep_groups=groups.groups <= _GROUPS_TOLD)
        budgets = BudgetMeter(terms.budgets)
        make = GroupsRun if at_screen is None else at_screen.watched_run
        run = make(
            engine,
            groups,
            results,
            terms.policy,
            keep=settings.json_report,
            savings=savings,
            budgets=budgets,
            desk=desk,
        )
        with _progress(run, screen, desk.person) if at_screen is None else closing(at_screen):
            interrupted = run_until_interrupted(run.main) is None
        results.finish()
    if not interrupted:
        desk.tell_unused()
    code = _tell(settings, run, list(results.troubles.values()), interrupted, stdout)
    tracing.finish(interrupted=interrupted)
    return code


def _engine(
    settings: RunSettings,
    terms: Terms,
    groups: GroupsFile,
    executor: dict[str, Executor],
    middleware: Sequence[object],
    watching: Sequence[Sink],
) -> Engine:
    lanes = {name: Lane(name) for name in groups.lanes} | {lane.name: lane for lane in settings.lane}
    sinks: list[Sink] = [*watching]
    content = settings.events_content
    if settings.events is None and content != "none":
        raise CommandError(
            f"--events-content {content}: there is no log that would hold it: give --events FILE"
        )
    if settings.events is not None:
        try:
            sinks.append(JsonlSink(settings.events, content=content, chunks=content != "none"))
        except OSError as error:
            raise CommandError(f"--events {settings.events}: {error.strerror}") from error
    if settings.log_level in ("debug", "info"):
        sinks.append(LoggingSink())
    return Engine(
        executor,
        lanes=tuple(lanes.values()),
        slots=settings.slots,
        limits=terms.limits,
        budget=terms.budgets,
        prices=terms.prices,
        retry=RetryPolicy(attempts=settings.retries + 1) if settings.retries else None,
        middleware=middleware,
        sinks=sinks,
        grace=_ENGINE_GRACE,
    )


def _screen(settings: RunSettings, stdout: TextIO) -> Console | None:
    """Where live progress is shown: a terminal with nothing but a person at it."""
    console = Console(stderr=True)
    if settings.json_report or not console.is_terminal or console.is_dumb_terminal:
        return None
    return None if settings.out is None and not stdout.isatty() else console


def _writer(
    settings: RunSettings, groups: GroupsFile, stack: ExitStack, screen: Console | None, stdout: TextIO
) -> ResultsWriter | None:
    if settings.out is not None:
        return stack.enter_context(ResultsFile(settings.out, jobs=groups.jobs, overwrite=settings.overwrite))
    if settings.json_report:
        return None  # the report has them
    return ResultsStream(_print_above(screen) if screen is not None else _print_to(stdout))


def _print_to(stream: TextIO) -> Callable[[str], object]:
    def write(line: str) -> None:
        stream.write(line)
        stream.flush()

    return write


def _print_above(screen: Console) -> Callable[[str], object]:
    def write(line: str) -> None:
        screen.out(_UNSAFE.sub(_escaped, line), end="", highlight=False)

    return write


_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
"""What would steer a terminal, or be seen by nobody, and is no more than a character to JSON."""


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"  # the same string to whoever reads the JSON


def _person() -> Person | None:
    found = terminal()
    if found is None:
        return None
    from .asking import Person

    return Person(found, Console(stderr=True))


def _at_screen(settings: RunSettings, screen: Console | None, stdout: TextIO) -> AtScreen:
    """The screen of `--tui`.

    Raises:
        CommandError: if there is no terminal for it, or results would be written to the same one.
    """
    found = terminal()
    if found is None:
        raise CommandError(
            "--tui needs a terminal: standard input and standard error must be one; afterwards there is "
            "paceline show FILE, of --events FILE"
        )
    if settings.out is None and not settings.json_report and stdout.isatty():
        raise CommandError("--tui takes the terminal, where results would go too: give --out FILE")
    try:
        from .at_screen import AtScreen, LaterPerson
    except ImportError as error:
        raise CommandError(f"--tui: {error}") from error
    person = LaterPerson(found, Console(stderr=True))
    return AtScreen(person, lambda run: _progress(run, screen, person))


def _questions(settings: RunSettings, stack: ExitStack) -> QuestionsFile | None:
    if settings.questions is None:
        return None
    return stack.enter_context(QuestionsFile(settings.questions, overwrite=settings.overwrite))


@contextmanager
def _progress(run: GroupsRun, screen: Console | None, person: Person | None) -> Generator[None]:
    if screen is None:
        yield
        return
    from .progress import show_progress

    with show_progress(run, screen, person):
        yield


def _tell(
    settings: RunSettings, run: GroupsRun, troubles: list[TaskReport], interrupted: bool, stdout: TextIO
) -> int:
    report = run.report()
    if interrupted:
        report = report.model_copy(update={"state": "cancelled"})
    missing = run.jobs - report.totals.jobs
    held = Held(run.holds.longest, run.budgets.states)
    if settings.json_report:
        print(report.model_dump_json(by_alias=True), file=stdout, flush=True)
        if held.budgets:  # of which the report does not tell
            print_held(Console(stderr=True), held, report.totals.seconds)
    else:
        # Standard output is for data: the summary goes there only where no results do.
        console = Console(stderr=True) if settings.out is None else Console(file=stdout)
        if interrupted:
            console.print("interrupted", style="bold yellow")
        print_summary(console, report, troubles, missing=missing, savings=run.savings(), held=held)
        if run.open_questions and not interrupted:
            console.print(_open_questions(run.open_questions, settings.questions))
        if settings.out is not None:
            console.print(f"results in {settings.out}", style="dim", soft_wrap=True, highlight=False)
    return _code(report, run.held, missing, interrupted)


def _open_questions(count: int, file: Path | None) -> Text:
    """Say where questions are that nobody has answered, and what is to be done with them."""
    said = "1 question is" if count == 1 else f"{count:,} questions are"
    text = Text(f"{said} open", style="magenta")
    if file is None:
        return text.append(": --questions FILE has them written down, to be answered by --answers", "dim")
    return text.append(f', in {file}: put "answer" into each line, and give it to --answers', "dim")


def _code(report: RunReport, held: int, missing: int, interrupted: bool) -> int:
    """The exit code; `held` jobs were cancelled because one that they waited for has no answer."""
    if interrupted:
        return INTERRUPTED
    if report.ok and not missing:
        return 0
    totals = report.totals
    asks = totals.suspended and not (missing or totals.failed or totals.skipped)
    return UNANSWERED if asks and totals.cancelled == held else 1
