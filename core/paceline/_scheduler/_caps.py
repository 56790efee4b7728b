"""Room under caps: which queues look different once a job has taken some or given it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._branches import Branch, offer_group

if TYPE_CHECKING:
    from ._entries import Cap, Entry
    from ._flows import Flow

__all__ = ["changed", "fill", "vacate"]


def vacate(entry: Entry) -> list[Branch]:
    """Give back its places under its caps: where they were full others come back, in the order given.

    That is the order in which they last had room under a cap, so that none starves there.
    """
    freed = [cap for cap in entry.caps if cap.full]
    for cap in entry.caps:
        cap.used -= 1
    back: dict[Branch, None] = {}
    for cap in freed:
        back.update(_under(cap))
        if cap.owner is not None:
            back.update(dict.fromkeys(offer_group(cap.owner)))
    return sorted(back, key=_taken)


def fill(flow: Flow) -> list[Branch]:
    """A job of the flow took room under its caps: where they are full now, what else is under them waits."""
    touched: dict[Branch, None] = {}
    for cap in flow.caps:
        if cap.full:
            touched.update(_under(cap))
            if cap.owner is not None and cap.owner is not flow.group:
                touched.update(dict.fromkeys(offer_group(cap.owner)))
    return list(touched)


def changed(cap: Cap) -> list[Branch]:
    """A cap has another capacity: what is under it waits, or goes on."""
    return sorted(_under(cap), key=_taken)


def _under(cap: Cap) -> dict[Branch, None]:
    return {place.branch: None for place in cap.places if place.settle()}


def _taken(branch: Branch) -> int:
    return branch.taken
