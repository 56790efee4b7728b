"""What limits and budgets have to say: jobs that will never go end and say why, and others hear of it."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, cast

from ._errors import BudgetExhausted, LimitExceeded, PacelineError
from ._scheduler import Allowance, Gate
from ._stopping import cancel_everything

if TYPE_CHECKING:
    from ._record import Record
    from ._run import Run
    from ._scheduler import Block

__all__ = ["look_at_gates", "refuse_at_once"]

_log = logging.getLogger("paceline")


def _say_paused(gate: Gate) -> None:
    """Nobody may be there to raise a budget: that jobs wait for it is not to pass in silence."""
    if not gate.paused:
        return  # they fail, and say so themselves
    _log.warning(
        "too little is left of a budget of %s: jobs wait until it is raised, as with "
        "engine.budget(name).update(tokens=...), or are cancelled when the engine is left; with "
        "on_exhausted='fail' they fail",
        gate.label,
    )


def look_at_gates(run: Run) -> None:
    """Take in what the scheduler says of limits and budgets: what happened there, and who is refused."""
    gates = run.scheduler.gates
    notes, gates.notes = gates.notes, []
    for note in notes:
        if note.kind == "budget_exhausted" and note.until == math.inf and isinstance(note.at, Gate):
            _say_paused(note.at)
        if run.history is not None:
            run.history.noted(note, run.hooks.wall)
    refused, gates.refused = gates.refused, []
    for entry, block in refused:
        if entry.status is None:
            _refuse(run, cast("Record", entry), block)


def refuse_at_once(run: Run, record: Record) -> None:
    """End a job that was just accepted if it is already certain that it can never go."""
    block = run.scheduler.gates.never(record)
    if block is not None:
        _refuse(run, record, block)


def _refuse(run: Run, record: Record, block: Block) -> None:
    """End a job that needs more than there is or will be; where its budget says so, and all others too."""
    meter = block.meter
    assert meter is not None
    what = block.what
    error: PacelineError
    if block.kind == "exceeds":
        error = LimitExceeded(what, block.amount, meter.most)
    else:
        error = BudgetExhausted(what, block.amount, meter.level)
    record.error = error
    run.settling.settle(run.scheduler.end(record, "failed", run.loop.time()))
    if block.kind == "exhausted" and isinstance(meter, Allowance) and meter.on_exhausted == "cancel_run":
        run.draining = f"the run is over: {what} is exhausted"
        cancel_everything(run, run.draining)
