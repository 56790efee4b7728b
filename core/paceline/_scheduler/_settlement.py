"""What an attempt has really used, and what its end says of the gates that it passed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from ._gates import Note, NoteKind
from ._meters import Meter, Rate, Unit

if TYPE_CHECKING:
    from paceline._rate_limits import RateLimit, RateLimits
    from paceline._usage import Failure, Usage

    from ._entries import Entry
    from ._gates import Gate, Reservation

__all__ = ["give_back", "hear", "settle"]


def settle(
    entry: Entry,
    held: Reservation,
    usage: Usage | None,
    failure: Failure | None,
    now: float,
    *,
    given_up: bool = False,
) -> tuple[list[Gate], list[Note]]:
    """Correct what was reserved to what was used: where others may pass by that, and what is to be told.

    A provider that refused an attempt, or failed it, is believed: its gates wait. How an attempt ended that
    was given up says nothing of its provider.
    """
    refused = failure is not None and failure.fault == "limit"
    if held.parked:
        held.park(so=False)
    changed = _correct(held, usage, now, refused=refused)
    notes: list[Note] = []
    gates = () if entry.pool is None or given_up else entry.pool.gates
    for gate in gates:
        if gate.breaker is not None:
            if gate.breaker.end(held, _broken(failure, refused=refused), now):
                kind: NoteKind = "circuit_closed" if gate.breaker.until is None else "circuit_opened"
                notes.append(Note(kind, gate, gate.breaker.until))
                changed[gate] = None
            if gate.breaker.lost(held):  # it has told nothing: the next may try
                changed[gate] = None
        if failure is None and gate.succeeded():
            changed[gate] = None
    if refused and failure is not None:
        waiting = _refuse(gates, held, failure, now)
        notes += [Note("rate_limited", gate, gate.hold) for gate in waiting]
        changed.update(dict.fromkeys(waiting))  # by another rate, who waits for it waits until another time
    return list(changed), notes


def _correct(held: Reservation, usage: Usage | None, now: float, *, refused: bool) -> dict[Gate, None]:
    """Give back what was not used; the gates where others are to look again."""
    changed: dict[Gate, None] = {}
    for gate, meter, amount in held.items:
        if usage is None:
            used = 0.0 if refused else amount
        else:
            used = _used(meter, amount, usage, counts_cached=gate.counts_cached)
        if meter.settle(amount, used, now, held.at):
            changed[gate] = None
    return changed


def give_back(entry: Entry, held: Reservation, now: float) -> list[Gate]:
    """Nothing was done with what was reserved, and nothing learned: where others may pass by that."""
    held.park(so=False)
    changed: dict[Gate, None] = {}
    for gate, meter, amount in held.items:
        if meter.settle(amount, 0.0, now, held.at):
            changed[gate] = None
    for gate in () if entry.pool is None else entry.pool.gates:
        if gate.breaker is not None and gate.breaker.lost(held):
            changed[gate] = None
    return list(changed)


def _broken(failure: Failure | None, *, refused: bool) -> bool | None:
    """Whether an end says that the provider is broken: yes, no, or nothing."""
    if failure is None or refused:
        return False  # one that refuses is alive
    return True if failure.fault == "provider" else None


def _refuse(gates: tuple[Gate, ...], held: Reservation, failure: Failure, now: float) -> list[Gate]:
    """A provider refused: its gates wait that have rates of their own, or, if none has, the first."""
    concerned = [gate for gate in gates if gate.provider]
    concerned = [gate for gate in concerned if gate.rates] or concerned[:1]
    for gate in concerned:
        amounts = [
            (meter, amount) for at, meter, amount in held.items if at is gate and isinstance(meter, Rate)
        ]
        if failure.limits is not None:
            hear(gate, failure.limits, now)
            left: dict[str, float] = {
                kind: told.remaining for kind, told in failure.limits if told.remaining is not None
            }
            amounts = [each for each in amounts if left.get(each[0].unit, math.inf) < each[1]] or amounts
        if len(amounts) > 1:  # it did not say which of them it was
            amounts = [min(amounts, key=_fullness)]
        gate.refused(failure.retry_after, held.at, amounts, now)
    return concerned


def hear(gate: Gate, limits: RateLimits, now: float) -> None:
    """What a response said of the provider's limits: also where nobody told of them before."""
    told: dict[str, RateLimit] = dict(limits)
    for rate in gate.rates:
        if (said := told.pop(rate.unit, None)) is not None:
            rate.heard(said.limit, said.remaining, now)
    for unit, said in told.items():
        if said.limit:
            rate = Rate(cast("Unit", unit), f"{unit.replace('_', ' ')} per minute", said.limit, 1.0)
            rate.heard(None, said.remaining, now)
            gate.meters = (*gate.meters, rate)


def _used(meter: Meter, reserved: float, usage: Usage, *, counts_cached: bool) -> float:
    """What was used of a meter; where the report lacks a part, what was reserved of it."""
    if meter.unit == "tokens":
        given = _part("input_tokens", usage, counts_cached=counts_cached)
        got = _part("output_tokens", usage, counts_cached=counts_cached)
        if given is None or got is None:
            return max(reserved, (given or 0.0) + (got or 0.0))
        return given + got
    value = _part(meter.unit, usage, counts_cached=counts_cached)
    return reserved if value is None else value


def _part(unit: Unit, usage: Usage, *, counts_cached: bool) -> float | None:
    if unit == "requests":
        return usage.requests
    if unit == "money":
        return usage.money
    if unit == "output_tokens":
        return usage.output_tokens
    if usage.input_tokens is None or counts_cached:
        return usage.input_tokens
    return max(0.0, usage.input_tokens - (usage.cached_tokens or 0))


def _fullness(rated: tuple[Rate, float]) -> float:
    rate, _ = rated
    return rate.level / rate.size
