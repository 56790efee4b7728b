"""Jobs that a person has tried again: the new one counts in the place of the old one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ._book import Book
    from ._views import JobView

__all__ = ["RETRY_OF", "take_place"]

RETRY_OF: Final = "paceline.retry_of"
"""The key in a job's metadata for the id of the job whose work it does again."""


def take_place(book: Book, job: JobView) -> None:
    """If this job is another try of one that did not succeed, that one counts in no sum any more."""
    of = job.metadata.get(RETRY_OF)
    old = book.jobs.get(of) if isinstance(of, str) else None
    if old is None or old.again or old.is_body or old.status not in {"failed", "cancelled", "skipped"}:
        return
    old.again = job.id
    old.changed = book.version
    book.counts.by[old.status] -= 1
    lane = book.lanes.get(old.lane)
    if lane is not None and lane.counts.by[old.status]:  # a lane that was forgotten begins anew
        lane.counts.by[old.status] -= 1
    group = old.group_view
    if group is not None:
        group.counts.by[old.status] -= 1
        group.again += 1
        if book.groups.get(group.name) is group:
            book.show(group)
