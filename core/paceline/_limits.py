"""How much may be used: at once, per minute, and in all. Values only; the engine acts on them."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._checks import count, instance, number, text

__all__ = ["Budget", "CircuitBreaker", "Limits", "OnExhausted"]

OnExhausted: TypeAlias = Literal["pause", "fail", "cancel_run"]
"""What becomes of jobs that a budget has nothing left for."""

_RATES = (
    "requests_per_minute",
    "tokens_per_minute",
    "input_tokens_per_minute",
    "output_tokens_per_minute",
)


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """Stop calling a provider that is broken, and try it again after a while.

    After `failures` attempts in a row that failed by the provider's fault, the jobs of the resource wait
    `cooldown` seconds; then one of them goes as a probe: its success lets the others go, its failure starts
    another cooldown ("Release It!", M. Nygard, 2007).

    The provider's fault is what the executor's `classify` calls so (`Failure(fault="provider")`), an attempt
    that ran into its `timeout` or `idle_timeout`, and, where the executor has no `classify` (a plain
    function), ConnectionError and TimeoutError. A refusal (429) ends the row, as a success does; any other
    error says nothing.

    Raises:
        ValueError, TypeError: if `failures` is below 1 or `cooldown` not above 0.
    """

    failures: int = 5
    cooldown: float = 30.0

    def __post_init__(self) -> None:
        count("CircuitBreaker", "failures", self.failures)
        number("CircuitBreaker", "cooldown", self.cooldown, above=True)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be used of a lane, an executor, a model, an API key or the whole engine; None: no limit.

    `concurrency`: attempts at once, those that were given up but have not ended included. The others are
    rates: requests, input and output tokens, and `tokens_per_minute` for both kinds of tokens together.
    A rate is a bucket that fills evenly and holds `burst` minutes' worth, so that after a rest that much
    may go at once (0.1: six seconds' worth). A job that needs more than the bucket holds waits until it is
    full. A job reserves what it is expected to use, and at its end the rest is given back; where it reports
    no usage, what was expected stands (`Engine` tells what that is).
    `cached_tokens_count` False: cached input tokens do not count, as at providers that exempt them.
    `breaker`: stop using a provider that is broken.

    A provider that refuses a call all the same makes all jobs of the resource wait. The refused attempt has
    used nothing, but it is one of the job's `RetryPolicy.attempts`.

    Raises:
        ValueError, TypeError: if a limit is 0 or below, or not a finite number.
    """

    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    input_tokens_per_minute: float | None = None
    output_tokens_per_minute: float | None = None
    burst: float = 1.0
    cached_tokens_count: bool = True
    breaker: CircuitBreaker | None = None

    def __post_init__(self) -> None:
        if self.concurrency is not None:
            count("Limits", "concurrency", self.concurrency)
        for name in _RATES:
            if getattr(self, name) is not None:
                number("Limits", name, getattr(self, name), above=True)
        number("Limits", "burst", self.burst, above=True)
        if self.breaker is not None:
            instance("Limits", "breaker", self.breaker, CircuitBreaker)

    @property
    def counts_tokens(self) -> bool:
        """Whether any of the limits is in tokens."""
        return any(getattr(self, name) is not None for name in _RATES[1:])


@dataclass(frozen=True, slots=True)
class Budget:
    """How many tokens (input and output) or how much money may be spent, in all or in each period.

    A job reserves what it is expected to cost before its call, so two jobs never take the last cent both.
    What it then uses beyond that is spent all the same: a budget holds as well as the expectation does
    (`Engine` tells what that is). An attempt that reports no usage has spent what was expected of it, also
    one that failed; one that the provider refused has spent nothing.

    `period`: seconds after which the whole is there again, counted from the first reservation; None: never.
    `by`: one such budget for each value of that key in the jobs' metadata, `by="tenant"` say; jobs without
    the key are free of it. `name` stands in errors, events and reasons for waiting.

    `on_exhausted`: what becomes of jobs for which too little is left. "pause": they wait for the next
    period, or until `engine.budget(name).update(...)` raises it; leaving the engine's block cancels those
    for which no period comes. "fail": they fail by `BudgetExhausted`. "cancel_run": the run is over for all,
    those that run included, and also where only one value of `by` has used up its own.

    `money` is in the currency of the engine's `prices`, or of what executors report as `Usage.money`; it
    needs one of the two, and usage without either costs nothing here.

    Raises:
        ValueError, TypeError: if neither tokens nor money is given, or an amount or period is not above 0.
    """

    tokens: float | None = None
    money: float | None = None
    period: float | None = None
    by: str | None = None
    on_exhausted: OnExhausted = "pause"
    name: str = "budget"

    def __post_init__(self) -> None:
        text("Budget", "name", self.name)
        if self.tokens is None and self.money is None:
            raise ValueError(f"budget {self.name!r}: say how many tokens or how much money it holds")
        for part in ("tokens", "money", "period"):
            if getattr(self, part) is not None:
                number(f"budget {self.name!r}", part, getattr(self, part), above=True)
        if self.by is not None:
            text(f"budget {self.name!r}", "by", self.by)
        if self.on_exhausted not in ("pause", "fail", "cancel_run"):
            raise ValueError(
                f"budget {self.name!r}: on_exhausted must be 'pause', 'fail' or 'cancel_run', "
                f"not {self.on_exhausted!r}"
            )
