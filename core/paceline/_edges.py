"""From what a caller names in `after=` to the edges that the scheduler knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._errors import PacelineError
from ._groups import Group, group_of
from ._handles import Handle, record_of
from ._job import Ended
from ._scheduler import Edge

if TYPE_CHECKING:
    from ._record import GroupRecord, Record
    from ._run import Run

__all__ = ["as_edge"]


def as_edge(run: Run, what: object) -> Edge:
    """An edge to a job or group: its success is needed, or, inside `Ended`, only its end.

    Raises:
        TypeError: if it is neither a handle nor a group.
        PacelineError: if it belongs to another engine.
    """
    needs_success = not isinstance(what, Ended)
    target = what.of if isinstance(what, Ended) else what
    target = getattr(target, "handle", target)  # of a run, or of a call in a flow
    node: Record | GroupRecord
    if isinstance(target, Handle):
        node = record_of(target)
    elif isinstance(target, Group):
        node = group_of(target)
    else:
        raise TypeError(f"after= takes handles and groups (or Ended(...) around one), not {target!r}")
    if node.run is not run and node.status is None:
        raise PacelineError(f"{target!r} belongs to another engine; a job can wait only for its own engine's")
    return node, needs_success
