"""A trace as a tree of text."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from paceline_integrations.backends import BackendSpan
from paceline_integrations.cli.trace_text import trace_trees


def span(name: str, parent: str | None = None, *, at: float = 0.0, **settings: Any) -> BackendSpan:
    """A span whose id is its name."""
    settings.setdefault("status", "unset")
    return BackendSpan(
        name=name, trace_id="t", span_id=name, parent_id=parent, started=at, ended=at + 1.5, **settings
    )


def drawn(*spans: BackendSpan, most: tuple[int, ...] = (20,), width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    for tree in trace_trees(spans, most=most):
        console.print(tree)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_spans_stand_below_their_parents_in_the_order_in_which_they_began() -> None:
    text = drawn(
        span("late", "root", at=2.0), span("early", "root", at=1.0), span("inner", "early"), span("root")
    )
    lines = ["root  1.50 s", "├── early  1.50 s", "│   └── inner  1.50 s", "└── late  1.50 s"]
    assert text.splitlines() == lines


def test_an_attempt_says_what_became_of_it_and_what_it_took() -> None:
    told: dict[str, Any] = {
        "paceline.attempt": 2,
        "paceline.outcome": "failed",
        "paceline.wait.seconds": 0.25,
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.cache_read.input_tokens": 1024,
        "gen_ai.usage.output_tokens": 48,
        "error.type": "RateLimitError",
    }
    assert drawn(span("follower ask", attributes=told, status="error"), width=120) == (
        "✘ follower ask  attempt 2  1.50 s  waited 250 ms  1,200 in, 1,024 cached, 48 out  RateLimitError\n"
    )


def test_too_many_are_counted_by_the_depth_at_which_they_are() -> None:
    groups = [span(f"group {number}", "root", at=number) for number in range(4)]
    jobs = [span(f"job {number}", "group 0", at=number) for number in range(3)]
    text = drawn(span("root"), *groups, *jobs, most=(2, 1))
    assert "group 1" in text
    assert "group 2" not in text
    assert "└── … and 2 more" in text
    assert "│   └── … and 2 more" in text


def test_a_span_whose_parent_is_not_there_is_shown_all_the_same() -> None:
    assert drawn(span("root"), span("orphan", "elsewhere")) == "root  1.50 s\norphan  1.50 s\n"


def test_what_would_steer_the_terminal_is_shown_instead() -> None:
    hostile = span(
        "a\x1b[31mb\nc", attributes={"paceline.outcome": "failed", "error.type": "\x1b]0;x\x07[red]"}
    )
    text = drawn(hostile, width=120)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "a\\x1b[31mb c" in text
    assert "[red]" in text  # it is no markup
    assert text.count("\n") == 1
