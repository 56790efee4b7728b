"""What `paceline demo --traces` says at its end, and how long it stays."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from paceline_integrations.backends import Backend, BackendSpan
from paceline_integrations.cli.demo_traces import TracedDemo


class Kept(Backend):
    """A backend that has one trace, and is nowhere."""

    @property
    def url(self) -> str:
        return "http://127.0.0.1:9"

    def page_of(self, trace_id: str) -> str:
        return f"{self.url}/{trace_id}"

    def _command(self, python: Path, folder: Path, port: int) -> tuple[Sequence[str], Mapping[str, str]]:
        raise NotImplementedError

    def _read(self, trace_id: str | None) -> list[BackendSpan]:
        one = BackendSpan(
            name="run", trace_id="abc", span_id="1", parent_id=None, started=0.0, ended=2.0, status="ok"
        )
        return [one]


class Typed(io.StringIO):
    """A person's standard input, with what is typed."""

    def isatty(self) -> bool:
        return True


class Interrupted(Typed):
    """Where Ctrl-C is typed."""

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]  # as TextIOBase has it
        raise KeyboardInterrupt


def finished(*, interrupted: bool = False) -> str:
    console = Console(file=io.StringIO(), width=80)
    TracedDemo(console, "phoenix", Kept()).finish(interrupted=interrupted)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    "typed", [Typed("\nmore\n"), Typed(""), Interrupted()], ids=["enter", "ctrl-d", "ctrl-c"]
)
def test_at_a_terminal_it_stays_until_enter_or_an_interrupt(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", typed)
    text = finished()
    assert "The traces, as Phoenix has them: 1 spans" in text
    assert "run  2.00 s\n" in text
    assert "Phoenix shows them at http://127.0.0.1:9/abc\n" in text
    assert "Enter ends it." in text
    assert typed.tell() == (1 if typed.getvalue() else 0)  # nothing but the Enter was taken


def test_without_a_person_it_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    text = finished()
    assert text.endswith("Phoenix shows them at http://127.0.0.1:9/abc\n")


def test_an_interrupted_demo_shows_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Typed("\n"))
    assert finished(interrupted=True) == ""
