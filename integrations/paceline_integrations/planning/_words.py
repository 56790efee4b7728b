"""The recommendation, for somebody who reads one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ._forecast import Forecast, paid
from ._policies import PolicyName
from ._simulation import Holdup, Prediction

__all__ = ["recommendation"]

_DO: Final[Mapping[PolicyName, str]] = {
    "on_first_token": "Start followers on their primer's first token (--release first_token, the default)",
    "on_completion": "Start followers when their primer has ended (--release complete)",
    "one_at_a_time": "Run one job of a group at a time (--in-flight auto)",
}
_THEN: Final[Mapping[Holdup, str]] = {
    "slots": "more slots would make it faster",
    "concurrency": "the limit of requests at once decides how long it takes",
    "chain": "no limit holds it up, primers and answers take that long by themselves",
    "requests": "the limit of requests a minute decides how long it takes",
    "tokens": "the limit of tokens a minute decides how long it takes",
    "input tokens": "the limit of input tokens a minute decides how long it takes",
    "output tokens": "the limit of output tokens a minute decides how long it takes",
}


def _duration(seconds: float) -> str:
    """Write a duration, as exactly as it matters."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def recommendation(plan: Forecast) -> str:
    """Say in one sentence what to do, what that saves and what then decides the time."""
    best = plan.best
    if plan.if_primed is not None and plan.primer_pays:
        cost, time = _less(plan.if_primed, best), _time(plan.if_primed, best)
        held = _THEN[plan.if_primed.held_up_by]
        how = "Give each group a primer, its first follower will do"
        return f"{how}: that costs {cost} and takes {time}; {held}."
    held = _THEN[best.held_up_by]
    if best.policy == "no_cache":
        return (
            f"Do not cache these prefixes: that costs {_less(best, plan.at_once)} than caching them with "
            f"everything at once, and no order comes as cheap; {held}."
        )
    if best.policy == "at_once":
        return f"Send everything at once, all jobs as followers: {_why_at_once(plan)}; {held}."
    cost, time = _less(best, plan.at_once), _time(best, plan.at_once)
    return f"{_DO[best.policy]}: that costs {cost} than everything at once and takes {time}; {held}."


def _why_at_once(plan: Forecast) -> str:
    if plan.unpaid and sum(each.groups for each in plan.unpaid) == plan.groups:
        return f"priming does not pay, {max(plan.unpaid, key=lambda each: each.jobs).why}"
    if plan.unprimed and plan.unprimed + sum(each.groups for each in plan.unpaid) == plan.groups:
        return "none of the groups that share a prefix has a primer"
    primed = [each for each in plan.predictions if each.policy != "at_once"]
    if all(each.evaluated >= plan.at_once.evaluated for each in primed):
        return "so few jobs run side by side that the first of each group warm the cache for the others"
    return "priming saves less than 2 % of the cost, or nothing"


def _less(best: Prediction, other: Prediction) -> str:
    instead = paid(other)
    saved = 1 - paid(best) / instead if instead else 0.0
    return f"{saved:.0%} less"


def _time(best: Prediction, other: Prediction) -> str:
    took, instead = _duration(best.seconds), _duration(other.seconds)
    return f"{took}, as long" if took == instead else f"{took} instead of {instead}"
