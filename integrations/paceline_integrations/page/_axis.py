"""When things were, beside their names in the tree: all on the axis of the run."""

from __future__ import annotations

from collections.abc import Sequence

from paceline_integrations.runstate import JobView

from ._markup import Markup, tag
from ._sketch import outcome_of
from ._words import states_bar

__all__ = ["Axis"]


class Axis:
    """Draws what lay between the beginning of a run and `now` (both in epoch seconds)."""

    def __init__(self, begun: float, now: float) -> None:
        self.seconds: float = max(now - begun, 1e-3)
        self._begun: float = begun
        self._now: float = now

    def span(self, counts: Sequence[tuple[str, int]], started: float | None, ended: float | None) -> Markup:
        """How many are in each state, as a bar that lies where the whole did in time."""
        start = 0.0 if started is None else started - self._begun
        end = self.seconds if ended is None else ended - self._begun
        x, width = self._place(start, end - start, least=1.5)
        bar = tag("svg", states_bar(counts), x=x, width=width, height="100%")
        return tag("svg", bar, class_="times", aria_hidden="true")

    def _place(self, start: float, seconds: float, *, least: float) -> tuple[str, str]:
        """Where something lies on the axis, and how wide it is: at least so many percent."""
        x = min(100 - least, 100 * max(0.0, start / self.seconds))
        width = min(100 - x, max(least, 100 * seconds / self.seconds))
        return f"{x:.2f}%", f"{width:.2f}%"

    def job(self, job: JobView) -> Markup | None:
        """When a job waited (a line) and ran (bars), on the axis of the run."""
        attempts = job.attempts
        if job.submitted is None and not attempts:
            return None
        marks: list[Markup] = []
        at = attempts[0].started if job.submitted is None else job.submitted
        for each in attempts:
            marks.append(self._mark("wait", at, each.started))
            at = self._now if each.ended is None else each.ended
            marks.append(self._mark(outcome_of(job, each), each.started, at))
        if job.status in {"waiting", "suspended"}:
            marks.append(self._mark(f"wait {job.status}", at, self._now))
        return tag("svg", *marks, class_="times", aria_hidden="true")

    def _mark(self, kind: str, start: float, end: float) -> Markup:
        waits = kind.startswith("wait")
        x, width = self._place(start - self._begun, max(0.0, end - start), least=0.0 if waits else 0.4)
        return tag(
            "rect",
            class_=kind,
            x=x,
            y="6" if waits else "2",
            width=width,
            height="2" if waits else "10",
            rx=None if waits else 2,
        )
