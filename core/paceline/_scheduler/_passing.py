"""The one step of admission: a job passes all its gates and reserves from each, or it holds nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._gates import Block, Need, Reservation

if TYPE_CHECKING:
    from ._entries import Entry
    from ._pools import Pool

__all__ = ["admit"]


def admit(pool: Pool, entry: Entry, now: float) -> Block | None:
    """Let the head of a pool pass all its gates, and reserve from each; or say what stands against it."""
    if entry.reserved is not None:  # it has waited for jobs of its own, and goes on with what it has
        block = _blocked(pool, entry, now)
        if block is None:
            for gate in pool.gates:
                gate.used += 1
        return block
    needs: list[Need] = []
    for gate in pool.gates:
        if not gate.passes(entry, now, needs):
            for _, meter, amount in needs:  # together, or not at all
                meter.settle(amount, 0.0, now)
            block = _blocked(pool, entry, now)
            if block is not None:
                return block
            needs = _take(pool, entry, now)
            break
    entry.reserved = Reservation(now, needs)
    for gate in pool.gates:
        gate.used += 1
        if gate.breaker is not None:
            gate.breaker.start(entry.reserved)
    return None


def _take(pool: Pool, entry: Entry, now: float) -> list[Need]:
    """Reserve what a job needs, where a closer look has shown that it may go."""
    needs = [need for gate in pool.gates for need in gate.needs(entry)]
    for _, meter, amount in needs:
        meter.take(amount, now)
    return needs


def _blocked(pool: Pool, entry: Entry, now: float) -> Block | None:
    """What stands most against the head of a pool; what it lacks besides is kept for it too."""
    blocks = [block for gate in pool.gates for block in gate.blocks(entry, pool, now)]
    for block in blocks:
        if block.final:
            return block
    tightest = max(blocks, key=_until, default=None)
    if tightest is not None:
        before = tuple(pool.earmarks.items())
        pool.keep_nothing()
        for block in blocks:
            block.gate.keep(pool, block, tightest.until)
        gone = [gate.lines.get(meter) for meter, gate in before if meter not in pool.earmarks]
        pool.let_go = [line for line in gone if line is not None]
    return tightest


def _until(block: Block) -> float:
    return block.until
