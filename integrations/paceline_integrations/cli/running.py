"""From the settings of `paceline run` to its exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from paceline import (
    Engine,
    Executor,
    JobResult,
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
from .budgets import BudgetMeter
from .groups_file import GroupsFile
from .interrupts import GRACE, INTERRUPTED, run_until_interrupted
from .loading import load_executor
from .logs import configure_logging
from .results import ResultsFile, ResultsStream, ResultsWriter, refuse_existing
from .runner import GroupsRun
from .settings import RunSettings, read_settings
from .summary import Held, print_held, print_summary
from .terms import Terms, terms_of

__all__ = ["run_file"]

_TROUBLES = 10
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
    _check_outputs(path, settings)
    stdout = sys.stdout
    tags = {budget.by for budget in settings.budget if budget.by is not None}
    with ExitStack() as stack:
        groups = stack.enter_context(GroupsFile(path, tags=tags))
        # What the person's own code prints must not get between results: it goes where logs go.
        stack.enter_context(redirect_stdout(sys.stderr))
        executor = load_executor(settings.executor)
        name = settings.executor.rpartition(":")[2]
        terms = terms_of(settings, executor, name)
        screen = _screen(settings, stdout)
        results = _Results(_writer(settings, groups, stack, screen, stdout))
        engine = _engine(settings, terms, groups, {name: executor})
        savings = SavingsTally(**terms.savings, keep_groups=groups.groups <= _GROUPS_TOLD)
        budgets = BudgetMeter(terms.budgets)
        run = GroupsRun(
            engine, groups, results, terms.policy, keep=settings.json_report, savings=savings, budgets=budgets
        )
        with _progress(run, screen):
            interrupted = run_until_interrupted(run.main) is None
        results.finish()
    return _tell(settings, run, results.troubles, interrupted, stdout)


class _Results:
    """Passes results on, and remembers the first that are no success."""

    def __init__(self, writer: ResultsWriter | None) -> None:
        self._writer = writer
        self.troubles: list[TaskReport] = []
        self._causes: set[str | None] = set()

    def add(self, place: int, result: JobResult) -> None:
        if not result.ok and len(self.troubles) < _TROUBLES:
            self._remember(result)
        if self._writer is not None:
            self._writer.add(place, result)

    def _remember(self, result: JobResult) -> None:
        cause = _shared_cause(result)
        if cause is None or cause not in self._causes:
            self._causes.add(cause)
            self.troubles.append(TaskReport.of(result))

    def finish(self) -> None:
        if self._writer is not None:
            self._writer.finish()


def _shared_cause(result: JobResult) -> str | None:
    """What kept it from its work, and others as well: the first of them stands for all."""
    if result.error is None or result.status == "suspended":
        return None
    if result.status in ("cancelled", "skipped"):
        return f"{result.status}: {result.error.message}"
    return None if result.attempts else result.error.type


def _check_outputs(path: Path, settings: RunSettings) -> None:
    outputs = [("--out", settings.out), ("--events", settings.events)]
    for flag, output in outputs:
        if output is None:
            continue
        if _same(output, path):
            raise CommandError(f"{flag} {output}: that is the file of the groups")
        if not settings.overwrite:
            refuse_existing(flag, output)
        if not output.parent.is_dir():
            raise CommandError(f"{flag} {output}: the folder {output.parent} does not exist")
    if settings.out is not None and settings.events is not None and _same(settings.out, settings.events):
        raise CommandError(f"--out and --events name the same file, {settings.out}")


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _engine(settings: RunSettings, terms: Terms, groups: GroupsFile, executor: dict[str, Executor]) -> Engine:
    lanes = {name: Lane(name) for name in groups.lanes} | {lane.name: lane for lane in settings.lane}
    sinks: list[Sink] = []
    if settings.events is not None:
        try:
            sinks.append(JsonlSink(settings.events))
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
        screen.out(line, end="", highlight=False)

    return write


@contextmanager
def _progress(run: GroupsRun, screen: Console | None) -> Generator[None]:
    if screen is None:
        yield
        return
    from .progress import show_progress

    with show_progress(run, screen):
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
        if settings.out is not None:
            console.print(f"results in {settings.out}", style="dim", soft_wrap=True, highlight=False)
    return _code(report, missing, interrupted)


def _code(report: RunReport, missing: int, interrupted: bool) -> int:
    if interrupted:
        return INTERRUPTED
    return 0 if report.ok and not missing else 1
