"""What each event of the run, its lanes, groups and limits changes in the book."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ._sound import amount, said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._book import Book

__all__ = ["RUN_EVENTS"]

_LIMITS: Final = 1_000


def _run_started(book: Book, event: Any) -> None:
    run = book.run
    run.slots, run.started, run.metadata = event.slots, event.time, event.metadata
    book.whole = True
    for name, weight in event.lanes.items():
        book.lane(name).weight = amount(weight) or 0.0


def _run_ended(book: Book, event: Any) -> None:
    run = book.run
    run.ended, run.outcome, run.error = event.time, event.outcome, said(event.error)
    book.limits.clear()
    book.take_sample(None)
    for job in [each for each in book.jobs.values() if each.is_body and not each.done]:
        book.close_attempt(job, "suspended", event.time)  # nothing runs any more
        if job.status == "running":
            book.move(job, "suspended")


def _lane_changed(book: Book, event: Any) -> None:
    lane = book.lane(event.lane)
    lane.weight, lane.max_running, lane.closed = amount(event.weight) or 0.0, event.max_running, event.closed


def _group_started(book: Book, event: Any) -> None:
    group = book.groups.get(event.group)
    if group is None or group.started is not None:  # else its jobs were heard of before
        group = book.new_group(event.group, book.lane(event.lane).name)
        if event.parent is not None:
            group.parent_view = book.jobs.get(event.parent)
    group.started, group.metadata = event.time, event.metadata
    group.release, group.in_flight = event.release, event.in_flight
    group.settle = amount(event.settle) or 0.0
    book.show(group)


def _group_released(book: Book, event: Any) -> None:
    group = book.groups.get(event.group)
    if group is not None and group.released is None:
        group.released, group.released_by = event.time, event.by


def _group_ended(book: Book, event: Any) -> None:
    group = book.groups.get(event.group)
    if group is not None and group.ended is None:
        group.ended, group.outcome = event.time, event.outcome
        group.hold_until = group.repriming = None
        book.show(group)
        book.keeping.group_ended(group)


def _limit_reached(book: Book, event: Any) -> None:
    if len(book.limits) < _LIMITS or event.limit in book.limits:
        book.limits[event.limit] = event


def _limit_lifted(book: Book, event: Any) -> None:
    book.limits.pop(event.limit, None)


def _cache_missed(book: Book, event: Any) -> None:
    group = book.groups.get(event.group)
    if group is not None and group.ended is None:
        hold = amount(event.hold)
        group.hold_until = event.time + hold if hold else None


def _group_reprimed(book: Book, event: Any) -> None:
    group = book.groups.get(event.group)
    if group is not None and group.ended is None:
        group.repriming = event.job


def _queue_sampled(book: Book, event: Any) -> None:
    book.take_sample(event)
    for name, load in event.lanes.items():
        lane = book.lane(name)
        lane.weight = amount(load.weight) or 0.0
        lane.sampled = amount(load.share)


def _events_dropped(book: Book, event: Any) -> None:
    book.dropped += max(0, event.count)


RUN_EVENTS: Final[Mapping[str, Callable[[Book, Any], None]]] = {
    "run.started": _run_started,
    "run.ended": _run_ended,
    "lane.changed": _lane_changed,
    "group.started": _group_started,
    "group.released": _group_released,
    "group.ended": _group_ended,
    "limit.reached": _limit_reached,
    "limit.lifted": _limit_lifted,
    "cache.missed": _cache_missed,
    "group.reprimed": _group_reprimed,
    "queue.sampled": _queue_sampled,
    "events.dropped": _events_dropped,
}
