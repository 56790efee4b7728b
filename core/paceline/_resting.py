"""Whether a body rests: it waits, and nothing below it can go on without an answer.

Asked whenever something below a body ends or comes to rest while any job waits for an answer; in a graph of
100,000 nodes that is often. So each body remembers which of its children could go on when it was last asked:
as long as that one can, the answer is no.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ._record import GroupRecord, Record
from ._scheduler import State

if TYPE_CHECKING:
    from ._bodies import LiveBody
    from ._run import Run

__all__ = ["Watch", "held_by_questions", "nothing_goes_on", "stands_still"]

_NOT_STARTED = frozenset({State.BLOCKED, State.READY, State.BACKOFF, State.IDLE, State.PAUSED})


class Watch:
    """The children of a body, the first of them the one that could go on when it was last looked at."""

    __slots__ = ("newest", "queue")

    def __init__(self) -> None:
        self.queue: deque[Record] = deque()
        self.newest: int = 0
        """Those accepted later have not been taken in yet."""

    def forget(self) -> None:
        """Begin anew: the body has taken the children of one that has ended."""
        self.queue.clear()
        self.newest = 0

    def update(self, children: dict[Record, None]) -> deque[Record]:
        """Take in the children that are new."""
        fresh: list[Record] = []
        for child in reversed(children):
            if child.number <= self.newest:
                break
            fresh.append(child)
        if fresh:
            self.newest = max(child.number for child in fresh)
            self.queue.extend(reversed(fresh))
        return self.queue


def nothing_goes_on(body: LiveBody) -> bool:
    """Whether some job below this body waits for an answer, and no other can go on before it is given."""
    found = False
    around: list[tuple[Record, deque[Record], int]] = []
    here = _of(body.record)
    while True:
        parent, queue, left = here
        if not left:
            if not around:
                return found
            here = around.pop()
            here[1].rotate(-1)
            continue
        here = parent, queue, left - 1
        child = queue[0]
        if child not in (parent.children or ()):
            queue.popleft()
        elif child.state is State.SUSPENDED or child.state is State.PARKED:
            found = found or child.state is State.SUSPENDED
            around.append(here)
            here = _of(child)
        elif (child.state is State.BLOCKED and not _waits_elsewhere(child)) or _is_held(child):
            queue.rotate(-1)
        else:
            return False


def stands_still(group: GroupRecord) -> bool:
    """Whether a member of the group waits for an answer, and the others for that."""
    primer = group.primer_record
    unreleased = primer is not None and not group.released and primer.resting
    if not unreleased and not (group.cap is not None and group.cap.asking):
        return False
    return all(
        record.resting or (record.state is State.BLOCKED if unreleased else _is_held(record))
        for record in group.unended
    )


def held_by_questions(run: Run) -> int:
    """How many jobs are ready, and may not start before another has an answer."""
    return sum(record.state is State.READY and record.held_by_question for record in run.records.values())


def _is_held(record: Record) -> bool:
    """Whether nothing comes of a job before another has an answer, whatever else it waits for till then."""
    return record.state in _NOT_STARTED and record.held_by_question


def _of(record: Record) -> tuple[Record, deque[Record], int]:
    children = record.children or {}
    queue = deque(children) if record.body is None else record.body.watch.update(children)
    return record, queue, len(queue)


def _waits_elsewhere(record: Record) -> bool:
    """Whether a blocked job waits for time to pass, or only for jobs that are not of its own family."""
    if record.group is not None and record.group.timer is not None:
        return True
    elsewhere = False
    for node in record.after:
        if node.status is None:
            members = (node,) if isinstance(node, Record) else getattr(node, "unended", ())
            if any(one.parent is record.parent or one.state is State.SUSPENDED for one in members):
                return False
            elsewhere = True
    return elsewhere
