"""Groups, graphs and flows as a tree that can be folded: primers above followers, each with its own time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from paceline_integrations.figures import amount, count, duration
from paceline_integrations.runstate import GroupView, JobView, Node

from ._axis import Axis
from ._markup import Markup, joined, tag
from ._words import STATES, glyph, percent, words

if TYPE_CHECKING:
    from paceline import SavingsTotals
    from paceline_integrations.runstate import RunState
    from paceline_integrations.summary import RunSummary

__all__ = ["Tree"]

_MOST: Final = 10_000
"""Rows in all."""
_MOST_BELOW: Final = 200
"""Rows below one."""
_DEEPEST: Final = 20
_OPEN: Final = 60
"""Up to so many jobs all is unfolded from the beginning; of more, what has trouble."""


class Tree:
    """Draws the tree of a run, of a bounded number of rows; whatever is left out is counted in its place."""

    def __init__(self, summary: RunSummary, state: RunState, begun: float) -> None:
        self._summary: RunSummary = summary
        self._state: RunState = state
        self._axis: Axis = Axis(begun, state.now - summary.kept_open)
        self._left: int = _MOST
        self._all_open: bool = state.counts.total <= _OPEN

    def draw(self) -> Markup:
        """The tree as a whole."""
        roots = sorted(self._state.roots(), key=lambda node: node.place)
        bodies = [node for node in roots if isinstance(node, GroupView) or node.is_body]
        single = [node for node in roots if isinstance(node, JobView) and not node.is_body]
        parts = [self._node(node, 0) for node in bodies[:_MOST_BELOW]]
        parts += self._more(bodies[_MOST_BELOW:])
        if single:
            parts.append(self._singles(single) if bodies else joined(self._rows(single, 0)))
        known = sum(not (job.is_body or job.again) for job in self._state.jobs.values())
        gone = self._state.counts.total - known
        if gone > 0:
            said = f"{count(gone, 'earlier job')} that ended well are counted above, and not listed here"
            parts.append(tag("p", said, class_="more"))
        head = tag(
            "div",
            tag("span"),
            tag("span", "jobs"),
            tag("span", "tokens read", class_="tokens"),
            tag("span", "took", class_="took"),
            tag("span", f"0 to {duration(self._axis.seconds)}", class_="when"),
            class_="row head",
        )
        return tag("div", head, *parts, class_="tree")

    def _node(self, node: Node, depth: int) -> Markup:
        if isinstance(node, GroupView):
            return self._group(node, depth)
        if node.is_body:
            return self._body(node, depth)
        return self._job(node)

    def _rows(self, nodes: Sequence[Node], depth: int) -> Iterator[Markup]:
        """The nodes below one: those that are not well first to be kept, in the order in which they came."""
        shown = nodes
        most = min(_MOST_BELOW, self._left)
        if len(nodes) > most:
            shown = sorted(nodes, key=lambda node: (node.status == "succeeded", node.place))[:most]
        self._left -= len(shown)
        chosen = {id(node) for node in shown}
        for node in sorted(shown, key=_order):
            yield self._node(node, depth)
        yield from self._more([node for node in nodes if id(node) not in chosen])

    def _more(self, nodes: Sequence[Node]) -> Iterator[Markup]:
        if nodes:
            told = [
                f"{number:,} {words(status)}"
                for status in STATES
                if (number := sum(node.status == status for node in nodes))
            ]
            yield tag("p", f"… and {len(nodes):,} more: {', '.join(told)}", class_="more")

    def _group(self, group: GroupView, depth: int) -> Markup:
        by = group.counts.by
        jobs = group.children
        known = self._summary.savings.groups.get(group.name)
        head = self._head(
            group.status,
            group.name,
            f"{count(group.counts.total, 'job')} in lane {group.lane}",
            [(status, by[status]) for status in STATES],
            _read(known),
            group.started,
            group.ended,
        )
        hidden = group.counts.total + group.again - sum(1 for job in jobs if isinstance(job, JobView))
        rows = [*self._rows(jobs, depth + 1)] if depth < _DEEPEST else []
        if hidden > 0:
            rows.append(tag("p", f"… and {hidden:,} more, which ended long before", class_="more"))
        return self._folded(head, rows, trouble=bool(by["failed"] or by["suspended"]))

    def _body(self, body: JobView, depth: int) -> Markup:
        nodes = body.children
        head = self._head(
            body.status,
            body.name,
            f"{body.role} of {count(len(nodes), 'part')}",
            [(status, sum(node.status == status for node in nodes)) for status in STATES],
            "",
            body.submitted,
            body.ended,
        )
        rows = [*self._rows(nodes, depth + 1)] if depth < _DEEPEST else []
        return self._folded(head, rows, trouble=body.status in {"failed", "suspended"})

    def _singles(self, jobs: Sequence[JobView]) -> Markup:
        counted = [job for job in jobs if not job.again]
        head = self._head(
            "",
            "in no group",
            count(len(counted), "job"),
            [(status, sum(job.status == status for job in counted)) for status in STATES],
            "",
            None,
            None,
        )
        trouble = any(job.status in {"failed", "suspended"} for job in counted)
        return self._folded(head, [*self._rows(jobs, 1)], trouble=trouble)

    def _folded(self, head: Markup, rows: Sequence[Markup], *, trouble: bool) -> Markup:
        opened = "open" if self._all_open or trouble else None
        below = tag("div", *rows, class_="below")
        return tag("details", tag("summary", head), below, open=opened)

    def _head(
        self,
        status: str,
        name: str,
        what: str,
        counts: Sequence[tuple[str, int]],
        tokens: str,
        started: float | None,
        ended: float | None,
    ) -> Markup:
        took = "" if started is None or ended is None else duration(ended - started)
        return tag(
            "div",
            glyph(status) if status else tag("span"),
            tag("span", tag("b", name), " ", tag("small", what), class_="name"),
            tag("span", tokens, class_="tokens"),
            tag("span", took, class_="took"),
            tag("span", self._axis.span(counts, started, ended), class_="when"),
            class_="row node",
        )

    def _job(self, job: JobView) -> Markup:
        last = job.attempt
        took = "" if last is None or job.status == "waiting" else duration(last.lasted(self._state.now))
        name = [tag("span", "◆ ", class_="primer")] if job.role == "primer" else []
        return tag(
            "div",
            glyph(job.status),
            tag("span", *name, _short(job), *self._said(job), class_="name"),
            tag("span", _tokens(job), class_="tokens"),
            tag("span", took, class_="took"),
            tag("span", self._axis.job(job), class_="when"),
            class_="row",
        )

    def _said(self, job: JobView) -> Iterator[Markup]:
        """What is to be known of a job that did not just run well."""
        if len(job.attempts) > 1:
            yield tag("small", f" {len(job.attempts)} attempts", class_="note")
        if job.status == "suspended":
            for each in job.questions:
                asked = "asks something" if each.value is None else f"asks: {each.value}"
                yield tag("small", f" {asked}", class_="note suspended")
        elif job.status == "waiting":
            yield tag("small", f" {self._state.why(job).text}", class_="note")
        elif job.status != "succeeded" and job.error:
            why = "" if job.status == "failed" else f"{job.status} for "
            why = f"tried again: {why}" if job.again else why
            yield tag("small", f" {why}{job.error}", class_=f"note {job.status}")


def _order(node: Node) -> tuple[bool, int]:
    """The primer first, then as they came."""
    return not (isinstance(node, JobView) and node.role == "primer"), node.place


def _short(job: JobView) -> str:
    """Its name, without that of the group above it."""
    return job.name if job.group is None else job.name.removeprefix(f"{job.group}/")


def _read(totals: SavingsTotals | None) -> str:
    if totals is None or totals.prompt_tokens is None:
        return ""
    share = "" if totals.hit_ratio is None else f" · {percent(totals.hit_ratio)} cached"
    return f"{amount(totals.prompt_tokens)}{share}"


def _tokens(job: JobView) -> str:
    usage = job.usage
    if usage is None or usage.input_tokens is None:
        return ""
    if usage.cached_tokens is None or not usage.input_tokens:
        return amount(usage.input_tokens)
    return f"{amount(usage.input_tokens)} · {percent(usage.cached_tokens / usage.input_tokens)} cached"
