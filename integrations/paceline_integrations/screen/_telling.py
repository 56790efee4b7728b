"""What is said of a job or group in one line: what it does, why it waits, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.style import Style

from paceline import Usage
from paceline_integrations.runstate import GroupView, JobView, Node, Why

from ._ink import ACCENT, DIM, INKS, PLAIN, QUIET, WARN
from ._words import amount, count, one_line, span

if TYPE_CHECKING:
    from ._picture import Picture

__all__ = ["UNUSUAL", "asked", "group_told", "job_told", "released_told", "short", "used", "why_told"]

UNUSUAL: Final = frozenset(
    {"limit", "retry_after", "circuit", "budget", "prefix", "cache", "backoff", "question", "lock"}
)
"""Kinds of reasons for which a job waits although there may be a slot."""

_LOOKED_AT: Final = 400

_RELEASES: Final = {
    "first_token": "the others may start: it has begun to answer",
    "complete": "the others may start: it is done",
    "primer_failure": "the others start all the same: it failed",
    "primer_suspended": "the others may start while it asks",
    "no_primer": "",
    "warm": "the others may start: what they share is cached already",
}


def short(node: Node) -> str:
    """The name of a job or group; of one whose group stands above it, without the group's."""
    if isinstance(node, JobView) and node.group:
        return node.name.removeprefix(f"{node.group}/") or node.name
    return node.name


def job_told(picture: Picture, job: JobView) -> tuple[str, Style]:
    """What a job does, or why it does not."""
    match job.status:
        case "running":
            return _running(job)
        case "suspended":
            return asked(job), INKS["suspended"]
        case "waiting":
            return why_told(picture, picture.state.why(job))
        case "succeeded":
            return _succeeded(job), DIM
        case _ if job.again:
            return f"tried again: {job.error or job.status}", DIM
        case _:
            return job.error or str(job.status), INKS[job.status]


def why_told(picture: Picture, why: Why) -> tuple[str, Style]:
    """The reason for which a job waits, with the time that is left."""
    text = why.text
    if why.until is not None and why.until > picture.now:
        text += f" · {span(why.until - picture.now)} to go"
    return text, WARN if why.kind in UNUSUAL else DIM


def asked(job: JobView) -> str:
    """What a suspended job asks."""
    if not job.questions:
        return "rests, and goes on by itself"
    first = job.questions[0]
    more = len(job.questions) - 1
    told = "asks a question" if first.value is None else f"asks: {one_line(first.value)}"
    return f"{told} (and {more} more)" if more else told


def group_told(picture: Picture, node: Node) -> tuple[str, Style]:
    """What a group's followers wait for, or what let them go; of a graph or flow, what it waits for."""
    if isinstance(node, JobView):
        if node.status == "suspended" and not node.questions:
            return picture.state.why(node).text, INKS["suspended"]
        return job_told(picture, node) if node.status in {"waiting", "suspended"} else (node.role, QUIET)
    if node.ended is not None:
        return _outcome(node)
    if node.repriming is not None:
        return "what they share is cached no more: a job reads it again", WARN
    if node.hold_until is not None and node.hold_until > picture.now:
        return f"not cached yet: held for {span(node.hold_until - picture.now)}", WARN
    if node.released_by is None and node.primer is not None and node.primer.status != "waiting":
        return _unreleased(node, node.primer)
    return _held(picture, node)


def released_told(group: GroupView) -> str:
    """What let the jobs after a group's first one start; empty while they wait for that."""
    return "" if group.released_by is None else _RELEASES.get(group.released_by, "")


def _held(picture: Picture, group: GroupView) -> tuple[str, Style]:
    """Why the first of those that wait does so; that is mostly what holds the others too."""
    primer = group.primer
    if primer is not None and primer.status == "waiting":
        return why_told(picture, picture.state.why(primer))
    for job in group.branch.rows()[:_LOOKED_AT]:
        if isinstance(job, JobView) and job.status == "waiting":
            told, style = why_told(picture, picture.state.why(job))
            number = group.counts.waiting
            return (told if number == 1 else f"{number:,} {told.replace('waits', 'wait', 1)}"), style
    return "", DIM


def _unreleased(group: GroupView, primer: JobView) -> tuple[str, Style]:
    if primer.status == "running":
        until = "answer" if group.release == "first_token" else "end"
        return f"the others wait for '{short(primer)}' to {until}", ACCENT
    return f"{short(primer)} {'asks' if primer.status == 'suspended' else primer.status}", INKS[primer.status]


def _outcome(group: GroupView) -> tuple[str, Style]:
    """How a group ended, and why if not well: the cause of its first job that went wrong."""
    if group.status == "succeeded":
        return f"done, {count(group.again, 'job')} tried again apart" if group.again else "done", DIM
    for job in group.branch.rows()[:_LOOKED_AT]:
        if isinstance(job, JobView) and job.status == group.status and job.error:
            return one_line(job.error), INKS[group.status]
    return group.outcome or "", INKS[group.status]


def used(usage: Usage | None) -> str:
    """Tokens read, how many of them from the cache, and tokens answered."""
    if usage is None:
        return ""
    parts: list[str] = []
    if usage.input_tokens is not None:
        read = f"read {amount(usage.input_tokens)} tokens"
        if usage.cached_tokens is not None and usage.input_tokens:
            read += f", {usage.cached_tokens / usage.input_tokens:.0%} cached"
        parts.append(read)
    if usage.output_tokens is not None:
        parts.append(f"wrote {amount(usage.output_tokens)}")
    return " · ".join(parts)


def _running(job: JobView) -> tuple[str, Style]:
    attempt = job.attempt
    said = one_line(job.message) if job.message else ""
    if job.fraction is not None:
        said = f"{job.fraction:.0%} {said}".rstrip()
    if not said:
        said = "answers" if attempt is not None and attempt.first_token is not None else "at work"
    if attempt is not None and attempt.number > 1:
        return f"attempt {attempt.number}: {said}", WARN
    return said, PLAIN


def _succeeded(job: JobView) -> str:
    told = used(job.usage)
    attempts = len(job.attempts)
    if attempts > 1:
        told = f"{count(attempts, 'attempt')} · {told}" if told else count(attempts, "attempt")
    return told or "done"
