"""What prefix caches saved in a run, and how much more there was to save: one report of it, from usage."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypedDict, final

from pydantic import Field, computed_field

from ._prices import Price
from ._report_parts import Part

if TYPE_CHECKING:
    from typing import Unpack

    from ._events import Event
    from ._job import JobResult
    from ._report_parts import TaskReport

__all__ = ["Savings", "SavingsOptions", "SavingsTotals"]


class SavingsOptions(TypedDict, total=False):
    """How savings are worked out; `Savings` tells what comes of it.

    by: the key in the jobs' metadata whose values are the tags. read, write: what a token read from the cache
    and one written into it cost, as parts of the price of a plain one (default 0.1 and 1). min_prefix: tokens
    below which a prefix is not cached (default 0). prices: by model; without them money is what the jobs
    reported, and what a cold fan-out would have cost is not known.
    """

    by: str | None
    read: float
    write: float
    min_prefix: int
    prices: Mapping[str, Price] | None


class SavingsTotals(Part):
    """Sums over jobs that ran; those that were skipped or cancelled before their first attempt do not count.

    Tokens are those of jobs that reported both their prompt and how much of it came from a cache (and
    numbers that can be: not more from the cache than there was). The others are counted in `unreported`;
    where no job reported, sums and ratios are None. `written_tokens` were put into the cache, and
    `evaluated_tokens` were read anew, the written ones included.

    `best_cached_tokens`: what the cache would have given had each group's prefix been evaluated once; see
    `Savings` for how that is found out. Where `assumed` of the jobs belong to groups whose prefix was never
    seen in the cache, it is the most that there can be.

    `cost` is what the prompts cost, in tokens at the full price, and `cold_cost` what they would have cost
    with nothing found in the cache. `money` and `cold_money` are the same in money, answers included. They
    are None where no job has a price; the `unpriced` of those that reported are in neither.
    """

    jobs: int = 0
    unreported: int = 0
    assumed: int = 0
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    written_tokens: int | None = None
    output_tokens: int | None = None
    best_cached_tokens: int | None = None
    cost: float | None = None
    cold_cost: float | None = None
    unpriced: int = 0
    money: float | None = None
    cold_money: float | None = None

    @computed_field  # type: ignore[prop-decorator]  # as pydantic wants it
    @property
    def evaluated_tokens(self) -> int | None:
        """Prompt tokens that came from no cache."""
        if self.prompt_tokens is None or self.cached_tokens is None:
            return None
        return self.prompt_tokens - self.cached_tokens

    @computed_field  # type: ignore[prop-decorator]  # as pydantic wants it
    @property
    def hit_ratio(self) -> float | None:
        """The part of the prompts that came from a cache, from 0 to 1."""
        return _ratio(self.cached_tokens, self.prompt_tokens)

    @computed_field  # type: ignore[prop-decorator]  # as pydantic wants it
    @property
    def best_hit_ratio(self) -> float | None:
        """The part that would have, had each group's prefix been evaluated once."""
        return _ratio(self.best_cached_tokens, self.prompt_tokens)

    @computed_field  # type: ignore[prop-decorator]  # as pydantic wants it
    @property
    def cost_ratio(self) -> float | None:
        """The cost of the prompts against that of a cold fan-out: 1 is no saving, above 1 a loss."""
        return _ratio(self.cost, self.cold_cost)

    @property
    def worth_telling(self) -> bool:
        """Whether a cache gave anything, or could have."""
        return bool(self.cached_tokens or self.best_cached_tokens)

    def __str__(self) -> str:
        from ._savings_text import write_savings_totals

        return write_savings_totals(self)


@final
class Savings(Part):
    """What prefix caches saved: in all, and for each group, lane and tag. `print` it, or write it as JSON.

        report.savings(by="tenant").tags["acme"].cost_ratio
        Savings.of(await group.results()).totals.hit_ratio

    A tag is what the jobs' metadata say under the key `by`, as text; a group's metadata are those of its
    jobs, too. Each job is in one lane, in one group or `ungrouped`, in one tag or `untagged`: each of the
    three sums up to `totals`. `read` and `write` are what a token read from the cache and one written into
    it cost, as parts of the price of a plain one.

    How the best possible is found out: what a group's jobs share is not known, but measured. It is the most
    tokens that one call of a follower found in the cache, if that is more than its primer found (which was
    there before the group), and never more than the primer's prompt. Then every call but the first could
    have found as much. If no follower found more than the primer, the primer's whole prompt is taken
    instead, which is too much rather than too little: such jobs are counted as `assumed`. A prefix below
    `min_prefix` tokens cannot be cached. Jobs outside of groups, and groups without a primer in which nothing
    was found, could have found what they did. A job of several calls (retries, agents) that did not tell
    them apart is taken as so many calls of equal length.

    Cold fan-out is everything sent at once: each call finds nothing, and writes what it did find or write.
    Where a job does not report what it wrote, that is what of its group's prefix it did not find.
    """

    by: str | None = None
    read: float = 0.1
    write: float = 1.0
    min_prefix: int = 0
    totals: SavingsTotals = Field(default_factory=SavingsTotals)
    groups: dict[str, SavingsTotals] = Field(default_factory=dict[str, SavingsTotals])
    ungrouped: SavingsTotals | None = None
    lanes: dict[str, SavingsTotals] = Field(default_factory=dict[str, SavingsTotals])
    tags: dict[str, SavingsTotals] = Field(default_factory=dict[str, SavingsTotals])
    untagged: SavingsTotals | None = None

    @classmethod
    def of(
        cls, results: "Iterable[JobResult | TaskReport]", **options: "Unpack[SavingsOptions]"
    ) -> "Savings":
        """Work it out from results, or from the tasks of a report; of whole groups, or less is found out.

        Raises:
            ValueError, TypeError: if an option is not as `SavingsOptions` says.
        """
        from ._savings_tally import SavingsTally

        tally = SavingsTally(**options)
        for result in results:
            tally.add(result)
        return tally.savings()

    @classmethod
    def of_events(cls, events: "Iterable[Event]", **options: "Unpack[SavingsOptions]") -> "Savings":
        """Work it out from a log, for the jobs that ended: `Savings.of_events(read_events("run.jsonl"))`.

        Raises:
            ValueError, TypeError: if an option is not as `SavingsOptions` says.
        """
        from ._savings_log import ended_jobs

        return cls.of(ended_jobs(events), **options)

    def __str__(self) -> str:
        from ._savings_text import write_savings

        return write_savings(self)


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole
