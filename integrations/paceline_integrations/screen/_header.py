"""The top of the screen: how the run stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Final

from rich.style import Style

from paceline_integrations.runstate import Counts, RunState, Totals

from ._gauge import add_bar
from ._ink import ACCENT, ALERT, BOLD, DIM, GLYPHS, GOOD, INKS, KEY, PLAIN, QUIET, WARN
from ._line import Line
from ._live import Live
from ._pane import Lines
from ._replay import Replay
from ._sources import Follow
from ._words import amount, clock, count, money, span, whole

if TYPE_CHECKING:
    from ._picture import Picture

__all__ = ["Header"]

_WORDS: Final = (
    ("running", "running"),
    ("waiting", "waiting"),
    ("succeeded", "done"),
    ("failed", "failed"),
    ("suspended", "asking"),
    ("cancelled", "cancelled"),
    ("skipped", "skipped"),
)
_ALWAYS: Final = frozenset({"running", "waiting", "succeeded", "failed"})
_SILENT: Final = 60.0
"""Seconds without an event from which on that is told, and a log is said to be silent."""
_QUIET: Final = 5.0
"""The same of a log whose jobs are at work: they may be long, or killed, and nobody here can tell which."""
_SPARE: Final = 12
"""So many columns are worth to begin to name the run; what there is to say of it goes first."""
_NARROW: Final = 30
"""With fewer columns there is room for the counts alone."""
_STATES: Final = {
    "completed": (" ✔ COMPLETED ", GOOD),
    "cancelled": (" ⊘ CANCELLED ", WARN),
    "failed": (" ✘ FAILED ", ALERT),
}


class Header(Lines):
    """Name and state of the run, its counts, what it used and how fast it goes, and how far it is."""

    DEFAULT_CSS: ClassVar[str] = "Header { height: 4; padding: 0 1; background: $panel; }"

    def lines(self, width: int) -> list[Line]:
        """Four lines; or three, with counts and usage side by side; or the counts alone."""
        state = self._picture.state
        counts, first, gauge = _counts(state.counts), self._title(width), _progress(state.counts, width)
        if self.size.height == 1:
            return [_in_one_line(self._picture, counts, width)]
        if self.size.height < 4:
            used = _used(self._picture, width - counts.width - 4)
            return [first, counts.to(width - used.width).join(used), gauge]
        return [first, counts, _used(self._picture, width), gauge]

    def _title(self, width: int) -> Line:
        picture, state = self._picture, self._picture.state
        line = Line()
        word, style = _state(picture)
        line.add(f"{word} ", style)
        name = state.run.metadata.get("name") if state.run.metadata else None
        told = [str(name)] if isinstance(name, str) and name else []
        told.append(f"run {state.run.id}" if state.run.id else "")
        line.add(" ").add(picture.source.title or told[0], BOLD, most=max(8, width // 3))
        right, note = self._right(), picture.source.note or _lost(state) or _silent(picture)
        spare = width - line.width - right.width - len(note) - 6
        if picture.source.title and state.run.id and width >= 100 and spare >= _SPARE:
            line.add(f"  run {state.run.id}", DIM, most=min(30, spare))
        if state.earlier_runs:
            line.add(f"  ({count(state.earlier_runs, 'run')} before it)", DIM)
        if note:
            line.add("  ").add(note, WARN, most=max(0, width - line.width - right.width - 4))
        return line.to(width - right.width - 1).add(" ").join(right)

    def _right(self) -> Line:
        picture, state = self._picture, self._picture.state
        line = Line()
        source = picture.source
        if isinstance(source, Replay) and not source.still:
            line.add(f"{clock(picture.now - source.begin)}", BOLD)
            line.add(f" of {clock(source.end - source.begin)}", DIM).add(f" x{source.speed:g}", ACCENT)
        elif state.run.started is not None:
            line.add(clock(picture.now - state.run.started), BOLD)
        if state.run.slots is not None:
            used = min(state.counts.running, state.run.slots)
            line.add(f"  {used}/{state.run.slots} slots", PLAIN)
        return line.add(f"  {whole(picture.now)}", DIM) if picture.now else line


def _state(picture: Picture) -> tuple[str, Style]:
    """Whether the run goes on, and whether the picture does."""
    state, source = picture.state, picture.source
    if source.progress is not None:
        return f" loading {source.progress:.0%} ", KEY + WARN
    if source.paused:
        return " ‖ PAUSED ", KEY + WARN
    if state.run.outcome is not None:
        if state.run.outcome == "completed" and state.counts.failed:
            return " ✘ ENDED ", KEY + ALERT
        word, style = _STATES.get(state.run.outcome, (f" {state.run.outcome} ", PLAIN))
        return word, KEY + style
    if isinstance(source, Replay) and not source.still:
        return (" ■ END OF LOG ", KEY + WARN) if source.over else (" ▶ REPLAY ", KEY + ACCENT)
    if state.counts.running and _silence(picture) >= _SILENT:
        return " · SILENT ", KEY + WARN
    if state.counts.total and not state.counts.unfinished:
        if isinstance(source, Live) and source.over:
            return (" ✘ ALL DONE ", KEY + ALERT) if state.counts.failed else (" ✔ ALL DONE ", KEY + GOOD)
        return " · IDLE ", KEY + WARN
    if not state.version or (state.counts.unfinished and not state.counts.running):
        return " · WAITING ", KEY + WARN
    return " ● RUNNING ", KEY + ACCENT


def _lost(state: RunState) -> str:
    if state.dropped:
        return f"{state.dropped:,} events were lost: details may be missing"
    if state.version and not state.whole:
        return "the log begins in the middle of a run"
    return state.run.error


def _silence(picture: Picture) -> float:
    """Seconds for which nothing was heard of a run that goes on, as far as is known."""
    state, source = picture.state, picture.source
    if isinstance(source, Follow):
        return source.silence
    return picture.now - state.now if state.run.ended is None and state.version else 0.0


def _is_quiet(picture: Picture) -> bool:
    """Whether a log tells nothing of jobs that are at work: its run may be no more."""
    is_log = isinstance(picture.source, Follow)
    return is_log and bool(picture.state.counts.running) and _silence(picture) >= _QUIET


def _silent(picture: Picture) -> str:
    seconds = _silence(picture)
    if seconds < _SILENT and not _is_quiet(picture):
        return ""
    told = f"no word for {span(seconds)}"
    return f"{told}: busy, or killed" if seconds >= _SILENT and _is_quiet(picture) else told


def _in_one_line(picture: Picture, counts: Line, width: int) -> Line:
    """The state and the counts; these without words where there is no room for them."""
    word, style = _state(picture)
    if width < _NARROW:
        return counts
    line = Line().add(f"{word} ".strip(), style).add("  ")
    return line.join(
        counts if line.width + counts.width <= width else _counts(picture.state.counts, words=False)
    )


def _counts(counts: Counts, *, words: bool = True) -> Line:
    line = Line()
    for status, word in _WORDS:
        number = counts.by[status]
        if number or status in _ALWAYS:
            style = INKS[status] if number else QUIET
            if line.width:
                line.add("  " if words else " ")
            line.add(f"{GLYPHS[status]}{' ' if words else ''}{number:,}", style + Style(bold=bool(number)))
            line.add(f" {word}" if words else "", style if number else QUIET)
    return line


def _used(picture: Picture, width: int) -> Line:
    """What all jobs used, how fast they end, and how long it will take yet: as much as there is room for."""
    parts = [*_amounts(picture.state.totals), *_pace(picture)]
    for spared in ("written", "spent", "jobs/"):
        if sum(len(text) + 3 for text, _ in parts) - 3 > width:
            parts = [part for part in parts if spared not in part[0]]
    line = Line()
    for text, style in parts:
        if line.width:
            line.add(" · ", QUIET)
        line.add(text, style)
    return line


def _amounts(totals: Totals) -> Iterator[tuple[str, Style]]:
    if totals.input_tokens is not None:
        yield f"{amount(totals.input_tokens)} tokens read", PLAIN
    if totals.cached_share is not None:
        yield f"{totals.cached_share:.0%} cached", GOOD
    if totals.output_tokens is not None:
        yield f"{amount(totals.output_tokens)} written", PLAIN
    if totals.money is not None:
        yield f"{money(totals.money)} spent", PLAIN


def _pace(picture: Picture) -> Iterator[tuple[str, Style]]:
    state = picture.state
    if state.run.ended is not None:
        return
    rate = state.rate_at(picture.now)
    yield f"{rate:.1f} jobs/s" if rate >= 0.1 or not rate else f"{rate * 60:.1f} jobs/min", PLAIN
    left = state.seconds_left(picture.now)
    if (
        left is not None and state.counts.running and not _is_quiet(picture)
    ):  # where nothing is at work, nobody knows
        yield f"about {span(left)} left", ACCENT


def _progress(counts: Counts, width: int) -> Line:
    """How much of what is known is done, as a bar; each end has a sign and a colour of its own."""
    total, line = counts.total, Line()
    told = f" {counts.ended:,} of {total:,} · {counts.ended / total:.0%}" if total else " 0 of 0"
    add_bar(line, counts, max(0, width - len(told)))
    return line.add(told, DIM)
