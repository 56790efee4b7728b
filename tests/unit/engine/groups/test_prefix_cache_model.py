"""Prefix caches under random groups, failures and cancellations, against a plain model of what they promise.

Never two creations of one prefix at a time; none while it is there; time to live from the last use; one that
fails or that nobody waits for leaves nothing.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings, strategies as st

from paceline import Engine, Group, PrefixCache
from paceline.testing import VirtualClock

CREATION = 5.0
PRIMER = 3.0
FOLLOWER = 2.0


@dataclass(frozen=True)
class Plan:
    """A group: when it comes, what it wants, and after how long it is cancelled, if it is."""

    at: float
    prefix: str
    cancel: float | None


@dataclass
class Outcome:
    """Which creations began, and how each group's primer and follower ended."""

    began: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    ends: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def plans() -> st.SearchStrategy[list[Plan]]:
    """Each group at a moment of its own, so that no two things of different groups coincide by accident."""
    one = st.tuples(st.integers(0, 40), st.sampled_from("ab"), st.none() | st.integers(0, 15))
    return st.lists(one, max_size=12).map(
        lambda drawn: [
            Plan(at + number / 100, prefix, None if cancel is None else cancel + 0.003)
            for number, (at, prefix, cancel) in enumerate(drawn)
        ]
    )


def real(groups: list[Plan], fails: list[bool], ttl: float, seed: int) -> Outcome:
    outcome = Outcome()
    going: dict[str, int] = {"a": 0, "b": 0}

    class Provider:
        def fingerprint(self, payload: Any, context: Mapping[str, Any]) -> str:
            return str(payload)

        async def create(self, payload: Any, context: Mapping[str, Any]) -> str:
            number = len(outcome.began)
            outcome.began.append((round(asyncio.get_running_loop().time(), 3), str(payload)))
            going[payload] += 1
            assert going[payload] == 1
            try:
                await asyncio.sleep(CREATION)
            finally:
                going[payload] -= 1
            if fails[number % len(fails)]:
                raise OSError
            return f"handle {number}"

    async def work(seconds: Any) -> None:
        await asyncio.sleep(PRIMER if isinstance(seconds, str) else FOLLOWER)

    async def one(engine: Engine, cache: PrefixCache, number: int, plan: Plan) -> Group:
        await asyncio.sleep(plan.at)
        group = await engine.submit_group(f"g{number}", primer=plan.prefix, followers=[0], cache=cache)
        if plan.cancel is not None:
            await asyncio.sleep(plan.cancel)
            group.cancel()
        return group

    async def main() -> None:
        cache = PrefixCache(Provider(), ttl=ttl, max_creations=100)
        async with Engine(work, slots=100) as engine:
            submitted = await asyncio.gather(
                *(one(engine, cache, number, plan) for number, plan in enumerate(groups))
            )
            for group in submitted:
                primer, follower = await group.results()
                outcome.ends.append((primer.status, follower.status))

    VirtualClock(seed).run(main)
    return outcome


class Member:
    """A group in the model: how far it is."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.primer = self.follower = "waiting"
        self.over = False


class Model:
    """The same, by a list of what happens when."""

    def __init__(self, groups: list[Plan], fails: list[bool], ttl: float) -> None:
        self.fails, self.ttl = fails, ttl
        self.outcome = Outcome()
        self.used: dict[str, float] = {}
        """Prefixes that are there, and their last use."""
        self.flights: dict[str, dict[Member, bool]] = {}
        """Creations under way: who waits, and whether it is its group's follower that does."""
        self.order = itertools.count()
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.members = [Member(plan) for plan in groups]
        for member in self.members:
            self.at(member.plan.at, lambda now, member=member: self.look(member, now, False))  # type: ignore[misc]
            if member.plan.cancel is not None:
                self.at(
                    member.plan.at + member.plan.cancel,
                    lambda now, member=member: self.cancel(member),  # type: ignore[misc]
                )

    def run(self) -> Outcome:
        while self.events:
            now, _, happens = heapq.heappop(self.events)
            happens(now)
        self.outcome.ends = [(member.primer, member.follower) for member in self.members]
        return self.outcome

    def at(self, when: float, happens: Callable[[float], None]) -> None:
        heapq.heappush(self.events, (when, next(self.order), happens))

    def look(self, member: Member, now: float, follower: bool) -> None:
        prefix = member.plan.prefix
        if prefix in self.used and now - self.used[prefix] < self.ttl:
            self.goes(member, now, follower, made_it=False)
            return
        if prefix not in self.flights:
            number = len(self.outcome.began)
            self.outcome.began.append((round(now, 3), prefix))
            waiters: dict[Member, bool] = {}
            self.flights[prefix] = waiters
            self.at(now + CREATION, lambda now: self.lands(member, waiters, number, now))
        self.flights[prefix][member] = follower

    def lands(self, first: Member, waiters: dict[Member, bool], number: int, now: float) -> None:
        prefix = first.plan.prefix
        if self.flights.get(prefix) is not waiters:
            return  # all had left
        del self.flights[prefix]
        failed = self.fails[number % len(self.fails)]
        if not failed:
            self.used[prefix] = now
        for member, follower in waiters.items():
            if not failed:
                self.goes(member, now, follower, made_it=member is first)
            elif follower:
                member.follower, member.over = "failed", True
            else:
                member.primer, member.follower, member.over = "failed", "skipped", True

    def goes(self, member: Member, now: float, follower: bool, *, made_it: bool) -> None:
        if follower:
            self.at(now + FOLLOWER, lambda then: self.done(member, then, now, follower=True))
        elif made_it:
            self.at(now + PRIMER, lambda then: self.done(member, then, now, follower=False))
        else:
            member.primer = "skipped"
            self.look(member, now, True)

    def done(self, member: Member, now: float, began: float, *, follower: bool) -> None:
        if member.over:
            return
        prefix = member.plan.prefix
        if prefix in self.used:
            self.used[prefix] = max(self.used[prefix], began)
        if follower:
            member.follower, member.over = "succeeded", True
        else:
            member.primer = "succeeded"
            self.look(member, now, True)

    def cancel(self, member: Member) -> None:
        if member.over:
            return
        member.over = True
        member.primer = "cancelled" if member.primer == "waiting" else member.primer
        member.follower = "cancelled"
        waiters = self.flights.get(member.plan.prefix, {})
        if waiters.pop(member, None) is not None and not waiters:
            del self.flights[member.plan.prefix]


# The times to live end between the moments at which things happen, so that rounding decides nothing.
@settings(max_examples=300)
@given(
    groups=plans(),
    fails=st.lists(st.booleans(), min_size=1, max_size=4),
    ttl=st.sampled_from([1.505, 2.505, 4.505, 20.505, 1000.505]),
    seed=st.integers(0, 3),
)
def test_what_is_made_and_who_runs_is_as_in_the_model(
    groups: list[Plan], fails: list[bool], ttl: float, seed: int
) -> None:
    assert real(groups, fails, ttl, seed) == Model(groups, fails, ttl).run()
