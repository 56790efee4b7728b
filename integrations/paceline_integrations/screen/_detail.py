"""All that is known of the selected job or group, down to the end of what it streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from rich.style import Style

from paceline_integrations.runstate import AttemptView, GroupView, JobView, Node

from ._ink import ACCENT, ALERT, BOLD, DIM, GLYPHS, INKS, PLAIN, QUIET, STATES, WARN
from ._line import Line, wrapped
from ._pane import Pane
from ._telling import group_told, job_told, released_told, short, used
from ._words import count, money, shown, span, whole

if TYPE_CHECKING:
    from ._picture import Picture

__all__ = ["Detail"]

_LABEL: Final = 10
_ATTEMPTS: Final = 12
_OUTCOMES: Final = {"again": "sent back"}


class Detail(Pane):
    """The job or group under the tree's cursor."""

    def __init__(self, picture: Picture, part: str) -> None:
        super().__init__(id=part)
        self._picture: Picture = picture
        self._lines: list[Line] = []
        self._shown: Node | None = None
        self._write: _Writer = _Writer(picture)

    def lines_in_all(self) -> int:
        """As many as it takes."""
        return len(self._lines)

    def update(self) -> None:
        """Write all lines anew: they are few."""
        node = self._picture.selected
        at_end = self.scroll_offset.y >= self.max_scroll_y - 1 > 0
        if node is None:
            self.entitle("Job")
            self._lines = [Line().add("Choose a job with the arrows.", DIM)]
        else:
            self.entitle(f"{_kind(node)} {node.name[:60]}")
            write = self._write
            write.width = self.room
            self._lines = list(write.group(node) if isinstance(node, GroupView) else write.job(node))
        super().update()
        if node is not self._shown:
            self._shown = node
            self.scroll_to(y=0, animate=False)
        elif at_end and self._streams(node):
            self.scroll_end(animate=False)

    def _streams(self, node: Node | None) -> bool:
        return isinstance(node, JobView) and node.status == "running"

    def line(self, number: int, width: int) -> Line:
        """One of them."""
        del width
        return self._lines[number]


class _Writer:
    def __init__(self, picture: Picture) -> None:
        self.width: int = 1
        self._picture: Picture = picture
        self._known: tuple[object, list[tuple[str, str]]] = (None, [])
        """Which job, and its payload and output as text: to write these may take long."""

    def job(self, job: JobView) -> Iterator[Line]:
        line = Line().add(f"{GLYPHS[job.status]} {job.status}", INKS[job.status] + Style(bold=True))
        if job.attempt is not None and job.status == "running":
            line.add(f" for {span(self._picture.now - job.attempt.started)}", PLAIN)
        yield line.add(f"  {_place(job)}", DIM)
        if job.status in {"waiting", "running"}:
            told, style = job_told(self._picture, job)
            yield from self._labelled("why" if job.status == "waiting" else "doing", told, style)
        if job.error and job.status != "running":
            yield from self._labelled("error", job.error, ALERT)
        yield from self._questions(job)
        yield from self._facts(job)
        yield from self._attempts(job)
        yield from self._values(job)
        yield from self._tail(job)

    def group(self, group: GroupView) -> Iterator[Line]:
        line = Line().add(f"{GLYPHS[group.status]} {group.status}", INKS[group.status] + Style(bold=True))
        yield line.add(f"  lane {group.lane}", DIM)
        told, style = group_told(self._picture, group)
        if told and group.outcome != "succeeded":
            yield from self._labelled("error" if group.ended else "waiting", told, style)
        primer = group.primer
        if primer is not None:
            said, style = job_told(self._picture, primer)
            yield from self._labelled("first", f"{short(primer)}: {said}", style)
        released = released_told(group)
        if released:
            yield from self._labelled("then", released)
        jobs = Line().cell("jobs", _LABEL, DIM)
        for state in STATES:
            if group.counts.by[state]:
                jobs.add(f"{GLYPHS[state]} {group.counts.by[state]:,} {state}  ", INKS[state])
        yield jobs
        if group.in_flight is not None:
            yield from self._labelled("at once", f"at most {group.in_flight} of its jobs")
        if group.settle:
            yield from self._labelled("settles", f"{span(group.settle)} after the first has begun to answer")
        yield from self._metadata(group.metadata)

    def _labelled(self, label: str, text: str, style: Style = PLAIN) -> Iterator[Line]:
        """A label, and beside it a text, in as many lines as it takes."""
        room = max(10, self.width - _LABEL)
        for number, part in enumerate(wrapped(text, room)):
            yield Line().cell("" if number else label, _LABEL, DIM).add(part, style)

    def _questions(self, job: JobView) -> Iterator[Line]:
        for question in job.questions:
            value = "(not in the log)" if question.value is None else shown(question.value)
            yield from self._labelled("asks", value, INKS["suspended"])

    def _facts(self, job: JobView) -> Iterator[Line]:
        told = used(job.usage)
        if job.usage is not None and job.usage.money is not None:
            told += f" · {money(job.usage.money)} spent"
        if job.usage is not None and job.usage.model:
            told += f" · {job.usage.model}"
        if told:
            yield from self._labelled("used", told)
        if job.after:
            names = [
                self._picture.state.jobs[each].name if each in self._picture.state.jobs else each
                for each in job.after
            ]
            more = f" and {len(names) - 6} more" if len(names) > 6 else ""
            yield from self._labelled("after", ", ".join(names[:6]) + more)
        if job.key and job.key != job.name:
            yield from self._labelled("key", job.key, DIM)
        yield from self._labelled("id", job.id, DIM)
        yield from self._metadata(job.metadata)

    def _metadata(self, metadata: Any) -> Iterator[Line]:
        if metadata:
            told = " · ".join(f"{key}={shown(value)}" for key, value in list(metadata.items())[:12])
            yield from self._labelled("metadata", told, DIM)

    def _attempts(self, job: JobView) -> Iterator[Line]:
        if not job.attempts:
            return
        yield from self._heading(count(len(job.attempts), "attempt"))
        if len(job.attempts) > _ATTEMPTS:
            yield Line().add(f"… {len(job.attempts) - _ATTEMPTS:,} earlier ones", DIM)
        for attempt in job.attempts[-_ATTEMPTS:]:
            yield self._attempt(attempt)
            if attempt.error:
                for part in wrapped(attempt.error, max(10, self.width - 4)):
                    yield Line().add("    ").add(part, ALERT)

    def _attempt(self, attempt: AttemptView) -> Line:
        state = attempt.outcome or "running"
        style = INKS.get(state, WARN)
        line = (
            Line()
            .add(f"{attempt.number:>2} ", DIM)
            .add(f"{GLYPHS.get(state, '↻')} {_OUTCOMES.get(state, state)}", style)
        )
        line.add(f"  {whole(attempt.started)}", DIM)
        if attempt.waited >= 0.05:
            line.add(f"  waited {span(attempt.waited)}", DIM)
        ended = self._picture.now if attempt.ended is None else attempt.ended
        line.add(f"  ran {span(ended - attempt.started)}", PLAIN)
        if attempt.first_token is not None:
            line.add(f"  answered after {span(attempt.first_token - attempt.started)}", DIM)
        if attempt.abandoned:
            gone = "its code has ended since" if attempt.gone is not None else "its code still runs"
            line.add(f"  given up ({attempt.abandoned}), {gone}", WARN)
        return line

    def _values(self, job: JobView) -> Iterator[Line]:
        key = (job, job.changed)
        if self._known[0] != key:
            values = (("payload", job.payload), ("output", job.output))
            self._known = (key, [(label, shown(value)) for label, value in values if value not in (None, {})])
        for label, text in self._known[1]:
            yield from self._heading(label)
            for part in wrapped(text, self.width):
                yield Line().add(part, PLAIN)

    def _tail(self, job: JobView) -> Iterator[Line]:
        text = job.tail
        if not text:
            return
        cut = f", the last {len(text):,} characters" if job.tail_cut else ""
        yield from self._heading(f"stream{cut}")
        for part in wrapped(text, self.width):
            yield Line().add(part, ACCENT if job.status == "running" else PLAIN)

    def _heading(self, text: str) -> Iterator[Line]:
        line = Line().add(f"── {text} ", BOLD)
        yield line.add("─" * max(0, self.width - line.width), QUIET)


def _kind(node: Node) -> str:
    if isinstance(node, GroupView):
        return "Group"
    return node.role.capitalize() if node.is_body else "Job"


def _place(job: JobView) -> str:
    parts = [f"lane {job.lane}"]
    if job.group:
        parts.append(f"{'first of ' if job.role == 'primer' else ''}group {job.group}")
    elif job.is_body:
        parts.append(job.role)
    if job.executor:
        parts.append(f"by {job.executor}")
    return " · ".join(parts)
