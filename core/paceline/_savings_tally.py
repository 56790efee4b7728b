"""From the usage of jobs to what was saved: sums in all, and for each group, lane and tag."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple, final

from pydantic_core import to_json

from ._checks import number, text
from ._plain import plain
from ._prices import Price, price_of
from ._report_parts import BODIES
from ._savings import Savings, SavingsTotals
from ._savings_prefix import Call, Prefix, Share, find_prefix
from ._usage import Usage

if TYPE_CHECKING:
    from ._job import JobResult
    from ._report_parts import TaskReport

__all__ = ["SavingsTally"]


class _Ran(NamedTuple):
    """A job that ran: where it belongs (lane, group, tag), and what it used."""

    role: str
    evaluated: bool
    place: tuple[str, str | None, str | None]
    usage: Usage | None
    call: Call | None


@final
class SavingsTally:
    """Sums up savings as results come, for a `Savings` at any time; `SavingsOptions` tells of the options.

    A few numbers are kept of each job of a group, until `settle` says that the group has ended. With
    `keep_groups=False` groups are not told of one by one, so that any number of them may be added.

    Raises:
        ValueError, TypeError: if a multiplier is below 0 or not finite, or `by` is empty.
    """

    def __init__(
        self,
        *,
        by: str | None = None,
        read: float = 0.1,
        write: float = 1.0,
        min_prefix: int = 0,
        prices: Mapping[str, Price] | None = None,
        keep_groups: bool = True,
    ) -> None:
        if by is not None:
            text("savings", "by", by)
        for name, value in (("read", read), ("write", write), ("min_prefix", min_prefix)):
            number("savings", name, value)
        self._by: str | None = by
        self._read: float = read
        self._write: float = write
        self._min_prefix: int = min_prefix
        self._prices: Mapping[str, Price] | None = prices
        self._keep_groups: bool = keep_groups
        self._open: dict[str, dict[str, list[_Ran]]] = {}
        self._sums: _Parts = _Parts()

    def add(self, result: JobResult | TaskReport) -> None:
        """Take in what a job used; bodies (graphs, flows, maps) and jobs that never ran are passed over."""
        if result.role in BODIES:
            return
        # So ends a primer whose prefix is warm.
        warm = result.role == "primer" and result.status == "skipped" and result.error is None
        if not (result.attempts or result.usage is not None or warm):
            return
        ran = _Ran(
            "warm" if warm else result.role,
            warm or result.status == "succeeded",
            (result.lane, result.group, self._tag(result.metadata)),
            result.usage,
            Call.of(result.usage),
        )
        if result.group is None:
            self._count(self._sums, [ran])
            return
        if not warm:
            self._parts_of(ran, self._sums)  # they are told of in the order in which they came
        # Groups of one name may follow one another in a run; their members' keys differ.
        which = (result.key or "").rpartition(f"/{result.role}")[0]
        self._open.setdefault(result.group, {}).setdefault(which, []).append(ran)

    def settle(self, group: str) -> None:
        """No more jobs of groups of that name will come: keep their sums only."""
        for jobs in self._open.pop(group, {}).values():
            self._count(self._sums, jobs)

    def savings(self) -> Savings:
        """Tell what was saved by the jobs so far."""
        parts = self._sums
        if self._open:
            parts = deepcopy(parts)
            for groups in self._open.values():
                for jobs in groups.values():
                    self._count(parts, jobs)
        return Savings(
            by=self._by,
            read=self._read,
            write=self._write,
            min_prefix=self._min_prefix,
            totals=self._totals(parts.whole),
            groups=self._each(parts.groups),
            ungrouped=self._rest(parts.groups),
            lanes=self._each(parts.lanes),
            tags=self._each(parts.tags),
            untagged=self._rest(parts.tags),
        )

    def _tag(self, metadata: Mapping[str, Any]) -> str | None:
        value = None if self._by is None else metadata.get(self._by)
        if value is None or isinstance(value, str):
            return value
        # As it reads in a log or report in JSON: the tags are the same there.
        data = plain(value)
        return data if isinstance(data, str) else to_json(data).decode()

    def _count(self, parts: _Parts, jobs: Sequence[_Ran]) -> None:
        """Count the jobs of one group, or one that is in none."""
        prefix = _prefix(jobs, self._min_prefix)
        for job in jobs:
            if job.role == "warm":
                continue
            share = None if job.call is None else Share.of(job.call, prefix)
            money = self._money(job, share)
            for sums in self._parts_of(job, parts):
                sums.add(job, share, *money, assumed=prefix.assumed)

    def _parts_of(self, job: _Ran, parts: _Parts) -> list[_Sums]:
        lane, group, tag = job.place
        found = [parts.whole, parts.lanes[lane]]
        if self._keep_groups or group is None:
            found.append(parts.groups[group])
        if self._by is not None:
            found.append(parts.tags[tag])
        return found

    def _money(self, job: _Ran, share: Share | None) -> tuple[float | None, float | None]:
        """What it cost, and what it would have cost in a cold fan-out, as far as that is known."""
        usage, call = job.usage, job.call
        if usage is None or call is None or share is None:
            return None, None
        if self._prices is None:
            money = usage.money
            return None if money is None or not math.isfinite(money) else money, None
        price = None if usage.model is None else price_of(self._prices, usage.model)
        if price is None:
            return None, None
        paid = Usage(call.prompt, call.cached, share.written, call.answered)
        cold = Usage(call.prompt, 0, call.cached + share.written, call.answered)
        return price.money(paid), price.money(cold)

    def _each(self, sums: Mapping[str | None, _Sums]) -> dict[str, SavingsTotals]:
        return {name: self._totals(each) for name, each in sums.items() if name is not None}

    def _rest(self, sums: Mapping[str | None, _Sums]) -> SavingsTotals | None:
        return self._totals(sums[None]) if None in sums else None

    def _totals(self, sums: _Sums) -> SavingsTotals:
        if sums.jobs == sums.unreported:
            return SavingsTotals(jobs=sums.jobs, unreported=sums.unreported)
        new = sums.prompt - sums.cached - sums.written
        return SavingsTotals(
            jobs=sums.jobs,
            unreported=sums.unreported,
            assumed=sums.assumed,
            prompt_tokens=sums.prompt,
            cached_tokens=sums.cached,
            written_tokens=sums.written,
            output_tokens=sums.output,
            best_cached_tokens=sums.best,
            cost=new + self._read * sums.cached + self._write * sums.written,
            cold_cost=new + self._write * (sums.cached + sums.written),
            unpriced=sums.unpriced,
            money=sums.money,
            cold_money=sums.cold_money,
        )


class _Sums:
    __slots__ = (
        "assumed",
        "best",
        "cached",
        "cold_money",
        "jobs",
        "money",
        "output",
        "prompt",
        "unpriced",
        "unreported",
        "written",
    )

    def __init__(self) -> None:
        self.jobs = self.unreported = self.assumed = self.unpriced = 0
        self.prompt = self.cached = self.written = self.best = 0
        self.output: int | None = None
        self.money: float | None = None
        self.cold_money: float | None = None

    def add(
        self, job: _Ran, share: Share | None, money: float | None, cold: float | None, *, assumed: bool
    ) -> None:
        self.jobs += 1
        call = job.call
        if call is None or share is None:
            self.unreported += 1
            return
        self.assumed += assumed
        self.prompt += call.prompt
        self.cached += call.cached
        self.written += share.written
        self.best += share.best
        if call.answered is not None:
            self.output = (self.output or 0) + call.answered
        if money is None:
            self.unpriced += 1
        else:
            self.money = (self.money or 0.0) + money
        if cold is not None:
            self.cold_money = (self.cold_money or 0.0) + cold


class _Parts:
    """The same sums, cut in three ways; under None what is in no group, or has no tag."""

    def __init__(self) -> None:
        self.whole: _Sums = _Sums()
        self.lanes: defaultdict[str | None, _Sums] = defaultdict(_Sums)
        self.groups: defaultdict[str | None, _Sums] = defaultdict(_Sums)
        self.tags: defaultdict[str | None, _Sums] = defaultdict(_Sums)


def _prefix(jobs: Sequence[_Ran], min_prefix: int) -> Prefix:
    """What the jobs of a group share; a job that is in none shares nothing."""
    if jobs[0].place[1] is None:
        return Prefix()
    primers = [job for job in jobs if job.role in ("primer", "warm")]
    reported = [job.call for job in primers if job.call is not None]
    primer = min(reported, default=None, key=lambda call: call[:2])
    others = [job.call for job in jobs if job.call is not None and job.call is not primer]
    evaluated = primer is None and any(job.evaluated for job in primers)
    return find_prefix(primer, others, evaluated=evaluated, min_prefix=min_prefix)
