"""What a person sees while a run runs: what holds its jobs, and until when; lines as wide as the screen."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from paceline import RunReport, RunTally, Snapshot, WaitReason
from paceline_integrations.cli.progress import show_progress


class Watched:
    """A run of 60 jobs that stands still."""

    jobs = 60

    def __init__(self, *reasons: WaitReason) -> None:
        self.tally = RunTally()
        self.snapshot: Snapshot | None = Snapshot(
            run_id="r",
            time=10.0,
            slots=8,
            slots_used=2,
            counts={"running": 2, "suspended": 0},
            lanes={},
            waiting={str(number): reason for number, reason in enumerate(reasons)},
            groups=(),
            abandoned=(),
            parked=0,
        )

    def report(self) -> RunReport:
        return self.tally.report(self.snapshot)


def lines(run: Watched, width: int) -> list[str]:
    """The first picture."""
    file = io.StringIO()
    with show_progress(run, Console(file=file, width=width, force_terminal=True, color_system=None)):
        pass
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", file.getvalue()).replace("\r", "\n")
    return [line.rstrip() for line in text.splitlines() if line.strip()]


LIMIT = WaitReason("limit", "gpt-5: input tokens per minute", 13.2)


def test_the_one_thing_that_holds_jobs_is_named_with_its_time() -> None:
    told = lines(Watched(LIMIT, LIMIT, LIMIT), 80)
    assert "waits for its limit, gpt-5: input tokens per minute (3.2 s) · 3 jobs" in told


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (WaitReason("slot"), "waits for a free slot · 1 job"),
        (WaitReason("retry_after", "gpt-5", 75.0), "gpt-5 has asked to wait (1 min 05 s) · 1 job"),
        (WaitReason("circuit", "gpt-5", 40.0), "gpt-5 is broken: it is tried again later (30.0 s) · 1 job"),
        (
            WaitReason("budget", "the budget of the engine (tokens)"),
            "too little is left of the budget of the engine (tokens) · 1 job",
        ),
        (
            WaitReason("prefix", "g7", 11.0),
            "waits for the prefix of group g7 to be there again (1.0 s) · 1 job",
        ),
        (WaitReason("cache", "1f3a"), "waits for the prefix cache 1f3a · 1 job"),
    ],
)
def test_whatever_it_is(reason: WaitReason, said: str) -> None:
    assert said in lines(Watched(reason), 80)


def test_nothing_is_said_where_nothing_waits() -> None:
    assert not any("wait" in line for line in lines(Watched(), 80))


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_long_name_is_cut_rather_than_wrapped(width: int) -> None:
    told = lines(Watched(WaitReason("limit", f"{'very-' * 40}long: requests per minute")), width)
    held = [line for line in told if line.startswith("waits for its limit, very-")]
    assert held
    assert all(line.endswith("…") and len(line) <= width for line in held)
    assert not any(line.startswith("very-") for line in told)
