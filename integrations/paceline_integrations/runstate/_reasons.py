"""Why a job does not run now, in words for people who have never seen Paceline."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from paceline_integrations.figures import count
from paceline_integrations.visible import plain_text

from . import _phrases as phrases
from ._resting import unfinished
from ._sound import moment
from ._views import JobView

if TYPE_CHECKING:
    from paceline.events import Waits

    from ._book import Book
    from ._views import GroupView

__all__ = ["FRESH", "Hold", "Why", "hold_of", "taken", "why"]

FRESH: Final = 3.0
"""For so many seconds a sample of the queue tells of jobs that it does not name, too."""
_AHEAD: Final = 1_000
_AFTER: Final = 10_000
_QUESTION: Final = 1_000
_LANE_KINDS: Final = frozenset({"lane_cap", "lane_share"})
_GROUP_KINDS: Final = frozenset({"group_in_flight", "active_groups", "prefix"})


@dataclass(frozen=True, slots=True)
class Why:
    """The one thing that holds a job: a sentence, its kind, and until when if that is known (epoch seconds).

    The sentence goes on from the job's name: "waits for its primer 'intro' to answer". `kind` is one of
    `paceline.WaitReason`'s, or "running" or "ended" where nothing holds it.
    """

    text: str
    kind: str
    until: float | None = None


class Hold(NamedTuple):
    """What holds a job: `on` is what it waits for, as people call it, and `more` says what that is doing.

    `words` names the sentence for it, which is its kind or a finer one.
    """

    words: str
    on: str = ""
    until: float | None = None
    more: str = ""


def why(book: Book, job: JobView) -> Why:
    """Say what holds this job now."""
    if job.done:
        return Why(job.status, "ended")
    if job.status == "running":
        return Why("is at work", "running")
    hold = hold_of(book, job)
    text = phrases.one(hold.words, hold.on) + hold.more
    if phrases.kind(hold.words) in {"slot", "lane_share"}:
        ahead = book.ahead_of(job, _AHEAD + 1)
        if ahead:
            counted = f"more than {_AHEAD:,} jobs" if ahead > _AHEAD else count(ahead, "job")
            text += f"; {counted} of lane {job.lane} came before it"
    return Why(text, phrases.kind(hold.words), hold.until)


def hold_of(book: Book, job: JobView) -> Hold:
    """What holds a job that waits or is suspended."""
    if job.status == "suspended":
        if not job.questions:
            return Hold("children", more=", one of which asks a question") if job.is_body else Hold("rest")
        asked = job.questions[0].value
        return Hold("reply", "" if asked is None else plain_text(asked, _QUESTION))
    if (sampled := _sampled(book, job)) is not None:
        return sampled
    if job.backoff_until is not None and job.backoff_until > book.now:
        return Hold("backoff", job.error.partition(":")[0].rpartition(".")[2], job.backoff_until)
    if (before := _unfinished(book, job)) is not None:
        return before
    group = job.group_view
    if (
        group is not None
        and job is not group.primer
        and (held := _held_by_group(book, job, group)) is not None
    ):
        return held
    return _held_by_all(book, job)


def _sampled(book: Book, job: JobView) -> Hold | None:
    """What the last sample says of this job, if nothing has happened to it since."""
    if book.sample is None or job.changed > book.sampled_at:
        return None
    told = book.sampled().get(job.id)
    return None if told is None or _is_over(book, told) else _told(book, told)


def _is_over(book: Book, told: Waits) -> bool:
    """Whether a sample is older than what is known: slots that were all taken are free again."""
    return told.kind in {"slot", "lane_share"} and book.whole and not _full(book)


def _full(book: Book) -> bool:
    return book.run.slots is not None and book.counts.running >= book.run.slots


def _told(book: Book, told: Waits) -> Hold:
    on = told.on or ""
    named = book.jobs.get(on)
    more = taken(book) if told.kind == "slot" else ""
    return Hold(told.kind, phrases.called(on) if named is None else named.name, moment(told.until), more)


def _unfinished(book: Book, job: JobView) -> Hold | None:
    """The first of what it comes after that has not ended."""
    several = list(islice(unfinished(book, job), _AFTER))
    if not several:
        return None
    first = several[0]
    words = "dependency" if isinstance(first, JobView) else "dependency_group"
    more = f", and for {phrases.others(len(several) - 1)}"
    if len(several) == 1:
        more = _doing(book, first) if isinstance(first, JobView) else ""
    return Hold(words, first.name, None, more)


def _held_by_group(book: Book, job: JobView, group: GroupView) -> Hold | None:
    now = book.now
    if group.released is None:
        primer = group.primer
        if primer is None:
            return Hold("no_primer", group.name) if group.started is not None else None
        if not primer.done:
            kind = "release" if group.release == "first_token" else "release_complete"
            return Hold(kind, primer.name, None, _doing(book, primer))
    elif group.released + group.settle > now and group.released_by != "no_primer":
        return Hold("settle", group.name, group.released + group.settle)
    if group.hold_until is not None and group.hold_until > now:
        return Hold("prefix", group.name, group.hold_until)
    if group.repriming is not None and group.repriming != job.id:
        return Hold("prefix", group.name)
    in_flight = group.in_flight
    if isinstance(in_flight, int) and group.counts.running >= in_flight:
        return Hold("group_in_flight", group.name)
    return None


def _held_by_all(book: Book, job: JobView) -> Hold:
    """What holds it that holds others too: its lane, a limit, the slots."""
    lane = book.lane(job.lane)
    if lane.max_running is not None and lane.counts.running >= lane.max_running:
        return Hold("lane_cap", lane.name)
    if (alike := _like_others(book, job)) is not None:
        return alike
    if _full(book):
        return Hold("slot", "", None, taken(book))
    sample = book.sample
    sampled = 0.0 if sample is None or any(_is_over(book, each) for each in sample.waits) else sample.time
    for limit in book.limits.values():
        until = moment(limit.until)
        # What the engine has looked at since, it would have said of this job.
        if limit.time >= sampled and (until is None or until > book.now):
            return Hold(limit.why, phrases.called(limit.limit), until)
    return Hold("turn", lane.name)


def _like_others(book: Book, job: JobView) -> Hold | None:
    """What the sample says of more jobs than it names, where this may be one of them."""
    sample = book.sample
    if sample is None or book.now - sample.time > FRESH:
        return None
    for told in sample.waits:
        if told.count <= len(told.jobs) or _is_over(book, told):
            continue
        if told.kind in _LANE_KINDS and told.on != job.lane:
            continue
        if told.kind in _GROUP_KINDS and told.on != job.group:
            continue
        return _told(book, told)
    return None


def taken(book: Book) -> str:
    """How many slots there are, where all are taken."""
    return "" if book.run.slots is None else f": all {book.run.slots:,} are taken"


def _doing(book: Book, job: JobView) -> str:
    """What a job does that another waits for."""
    if job.status == "running":
        return ", which is at work"
    if job.status == "suspended":
        return ", which asks a question" if job.questions or job.is_body else ", which looks again later"
    if job.backoff_until is not None and job.backoff_until > book.now:
        return ", which failed and is tried again"
    hold = _sampled(book, job)
    if hold is None and not job.after and job.group_view is None:
        hold = _held_by_all(book, job)
    return ", which waits itself" if hold is None else f", which itself {phrases.one(hold.words, hold.on)}"
