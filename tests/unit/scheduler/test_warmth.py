"""Who waits for a group's prefix, and what reports of cached tokens teach; time and usage are passed in."""

from __future__ import annotations

import pytest

from paceline._scheduler import UNCAPPED, Cap, Entry, GroupState, Scheduler, Sharing, Warmth
from paceline._usage import Failure, Usage

HIT, MISS = Usage(input_tokens=100, cached_tokens=90), Usage(input_tokens=100, cached_tokens=0)


class Bench:
    """A scheduler with groups whose prefix is of interest."""

    def __init__(self, *, ttl: float | None = None, hold: float = 0.0, auto: bool = False) -> None:
        self.scheduler = Scheduler(slots=8)
        self.lane = self.scheduler.set_lane("lane", 1.0, None)
        self.sharing = Sharing() if auto else None
        self.ttl, self.hold = ttl, hold

    def group(self, label: str = "g", followers: int = 4, settle: float = 0.0) -> GroupState:
        """A group whose primer has run, and whose followers are ready."""
        warmth = Warmth(ttl=self.ttl, miss_hold=self.hold, sharing=self.sharing)
        capacity = None if self.sharing is None else UNCAPPED
        group = GroupState(label, self.lane, capacity=capacity, settle=settle, warmth=warmth)
        if self.sharing is not None and group.cap is not None:
            self.sharing.join(group.cap)
        self.scheduler.open_group(group, 0.0)
        group.primer = self.entry(group, "primer")
        for number in range(followers):
            self.entry(group, f"{label}-{number}")
        return group

    def entry(self, group: GroupState, label: str) -> Entry:
        entry = Entry(label, self.lane, group, 0.0, 1.0)
        if group.primer is None:
            group.primer = entry
        self.scheduler.add(entry, 0.0)
        return entry

    def start(self, now: float = 0.0) -> list[Entry]:
        """Whatever may start."""
        return list(iter(lambda: self.scheduler.next(now), None))

    def end(self, entry: Entry, usage: Usage | None = None, now: float = 0.0) -> None:
        self.scheduler.finish(entry, None, now, usage)
        self.scheduler.end(entry, "succeeded", now)

    def prime(self, group: GroupState, now: float = 0.0) -> None:
        """The primer runs from then on, in no time."""
        (primer,) = self.start(now)
        assert primer is group.primer
        self.end(primer, MISS, now)

    def said(self) -> list[str]:
        notes, self.scheduler.gates.notes = self.scheduler.gates.notes, []
        return [note.kind for note in notes]


def warmth(group: GroupState) -> Warmth:
    assert group.warmth is not None
    return group.warmth


def nothing_is_left_over(group: GroupState) -> bool:
    """Nothing of attempts that are over hangs on."""
    one = warmth(group)
    return not (one._running or one._looks or one._silent or one._probe or one.lead)


def test_when_the_prefix_has_expired_one_leads_until_it_speaks() -> None:
    bench = Bench(ttl=10.0)
    group = bench.group()
    bench.prime(group)
    (lead,) = bench.start(10.1)
    assert bench.said() == ["group_reprimed"]
    assert bench.start(11.0) == []
    waits = bench.scheduler.why(next(iter(group.flow.jobs)))
    assert waits is not None
    assert (waits.kind, waits.on) == ("prefix", "g")
    bench.scheduler.prefixes.spoke(lead, 12.0)
    assert len(bench.start(12.0)) == 3
    assert bench.said() == []


def test_each_job_that_starts_in_time_lets_the_prefix_live_anew() -> None:
    bench = Bench(ttl=10.0)
    group = bench.group(followers=0)
    bench.prime(group)
    for now in (9.0, 18.0, 27.0, 37.0):
        bench.entry(group, f"at {now}")
        (entry,) = bench.start(now)
        bench.end(entry, HIT, now)
    assert bench.said() == []
    bench.entry(group, "late")
    assert len(bench.start(47.1)) == 1
    assert bench.said() == ["group_reprimed"]


@pytest.mark.parametrize("how", ["fails", "is given up", "parks", "is sent back"])
def test_a_lead_that_establishes_nothing_is_followed_by_another(how: str) -> None:
    bench = Bench(ttl=10.0)
    group = bench.group()
    bench.prime(group)
    (lead,) = bench.start(20.0)
    scheduler = bench.scheduler
    if how == "fails":
        scheduler.finish(lead, None, 21.0, None, Failure(True))
        scheduler.retry(lead, 99.0)
    elif how == "is given up":  # and its attempt never ends
        scheduler.abandon(lead)
        scheduler.end(lead, "cancelled", 21.0)
    elif how == "parks":
        scheduler.park(lead)
    else:
        scheduler.send_back(lead, 21.0)
        scheduler.suspend(lead)
    (other,) = bench.start(21.0)
    assert bench.said() == ["group_reprimed"] * 2
    bench.end(other, MISS, 22.0)
    assert len(bench.start(22.0)) == 2


def test_a_lead_that_ends_well_without_a_word_has_led() -> None:
    bench = Bench(ttl=10.0)
    group = bench.group()
    bench.prime(group)
    (lead,) = bench.start(20.0)
    bench.end(lead, MISS, 21.0)
    assert len(bench.start(21.0)) == 3
    assert bench.said() == ["group_reprimed"]  # and what it paid for is no miss


def test_what_a_lead_establishes_settles_as_what_the_primer_does() -> None:
    bench = Bench(ttl=10.0)
    group = bench.group(settle=2.0)
    bench.prime(group)
    bench.scheduler.due(20.0)
    (lead,) = bench.start(20.0)
    bench.scheduler.prefixes.spoke(lead, 21.0)
    assert bench.start(22.9) == []
    bench.scheduler.due(23.0)
    assert len(bench.start(23.0)) == 3


def test_a_job_that_returns_does_not_wait_for_the_prefix() -> None:
    bench = Bench(ttl=10.0)
    group = bench.group()
    bench.prime(group)
    early = bench.start(1.0)[0]
    bench.scheduler.park(early)
    late = bench.entry(group, "late")
    assert bench.start(30.0) == [late]
    bench.scheduler.unpark(early)
    assert bench.start(30.0) == [early]


def test_a_miss_holds_the_rest_for_a_moment_and_at_most_three_times() -> None:
    bench = Bench(hold=5.0)
    group = bench.group(followers=0)
    bench.prime(group)
    now = 0.0
    for _ in range(3):
        bench.entry(group, "follower")
        bench.entry(group, "next")
        first, other = bench.start(now)
        bench.end(first, MISS, now)
        assert bench.said() == ["cache_missed"]
        bench.end(other, MISS, now)
        assert bench.said() == []  # one is looked at
        bench.entry(group, "held")
        assert bench.start(now + 4.9) == []
        now += 5.0
        bench.scheduler.due(now)
        (held,) = bench.start(now)
        bench.scheduler.abandon(held)  # it tells nothing
        bench.scheduler.end(held, "cancelled", now)
    bench.entry(group, "follower")
    (last,) = bench.start(now)
    bench.end(last, MISS, now)
    assert bench.said() == []


def test_a_group_that_is_held_leaves_its_place_to_another() -> None:
    bench = Bench(hold=5.0)
    bench.scheduler.queues.max_active_groups = 1
    bench.scheduler.queues.slots = 1
    group = bench.group("first", followers=9)
    bench.prime(group)
    other = bench.group("second", followers=1)
    (probe,) = bench.start()
    assert probe.group is group
    bench.end(probe, MISS)
    (primer,) = bench.start()
    assert primer is other.primer


@pytest.mark.parametrize(
    "usage",
    [
        None,
        Usage(),
        Usage(input_tokens=100),
        Usage(cached_tokens=0),
        Usage(input_tokens=0, cached_tokens=0),
        Usage(input_tokens=200, cached_tokens=0, requests=2),
    ],
)
def test_usage_that_does_not_say_whether_the_prefix_was_there_is_neither_hit_nor_miss(
    usage: Usage | None,
) -> None:
    bench = Bench(hold=5.0, auto=True)
    for label in "abcdef":
        group = bench.group(label)
        bench.prime(group)
        for entry in bench.start():
            bench.end(entry, usage)
        assert group.cap is not None
        assert group.cap.capacity == UNCAPPED
        assert nothing_is_left_over(group)
    assert bench.said() == []


def test_an_attempt_that_was_given_up_is_not_taken_for_the_next_one_of_its_job() -> None:
    bench = Bench(ttl=10.0, hold=1.0, auto=True)
    group = bench.group(followers=1)
    bench.prime(group)
    (entry,) = bench.start(1.0)
    left = bench.scheduler.abandon(entry)
    bench.scheduler.retry(entry, 20.0)
    bench.scheduler.due(20.0)
    assert bench.start(20.0) == [entry]
    assert bench.said() == ["group_reprimed"]
    bench.scheduler.gone(left, None, 21.0, MISS)
    assert bench.said() == []
    assert warmth(group).lead is entry
    bench.end(entry, MISS, 22.0)
    assert nothing_is_left_over(group)


def test_a_body_reads_no_prefix_and_is_not_counted() -> None:
    bench = Bench(ttl=10.0, hold=1.0, auto=True)
    group = bench.group(followers=0)
    bench.prime(group)
    body = Entry("body", bench.lane, group, 0.0, None, slotless=True)
    bench.scheduler.add(body, 0.0)
    assert bench.start(30.0) == [body]
    bench.end(body, MISS, 31.0)
    assert bench.said() == []
    assert nothing_is_left_over(group)


def test_after_a_hit_nobody_is_looked_at_any_more() -> None:
    bench = Bench(hold=5.0)
    group = bench.group(followers=2)
    bench.prime(group)
    first, other = bench.start()
    bench.end(first, HIT)
    bench.end(other, MISS)
    bench.entry(group, "late")
    (late,) = bench.start()
    bench.end(late, MISS)
    assert bench.said() == []


def test_a_header_that_all_groups_share_is_not_the_prefix_of_this_one() -> None:
    bench = Bench(hold=5.0)
    group = bench.group(followers=2)
    bench.prime(group)
    first, other = bench.start()
    bench.end(other, HIT)
    bench.end(first, Usage(input_tokens=100, cached_tokens=20))
    assert bench.said() == ["cache_missed"]


def test_only_who_ran_beside_more_than_ever_before_tells_of_places() -> None:
    """Later ones find the prefix in a place that another of the group has left: that says nothing."""
    bench = Bench(auto=True)
    groups: list[GroupState] = []
    for label in "ab":
        group = bench.group(label, followers=3)
        groups.append(group)
        bench.prime(group)
        for entry in bench.start():
            bench.end(entry, MISS)
        for _ in range(4 if label == "a" else 0):
            pair = [bench.entry(group, "later"), bench.entry(group, "beside")]
            assert bench.start() == pair
            for entry in reversed(pair):
                bench.end(entry, HIT)
    assert [cap.capacity for cap in groups[-1].caps] == [1]


def test_a_place_that_came_free_meanwhile_is_no_proof_that_the_cache_is_shared() -> None:
    bench = Bench(auto=True)
    group = bench.group(followers=6)
    bench.prime(group)
    first, *others = bench.start()
    bench.end(first, HIT)  # before the others were answered
    for entry in others[:2]:
        bench.end(entry, HIT)
    for entry in others[2:]:
        bench.end(entry, MISS)
    assert group.cap is not None
    assert group.cap.capacity == 1


def test_what_a_lead_pays_for_says_nothing_of_the_cache() -> None:
    bench = Bench(ttl=10.0, auto=True)
    for label in "abc":
        group = bench.group(label, followers=2)
        bench.prime(group)
        long, _ = bench.start()
        lead = bench.entry(group, "lead")
        assert bench.start(11.0) == [lead]
        bench.end(lead, MISS, 12.0)
        bench.end(long, None, 12.0)
        assert [cap.capacity for cap in group.caps] == [UNCAPPED]


def test_the_verdict_of_one_group_lets_the_jobs_of_others_start() -> None:
    bench = Bench(auto=True)
    one, other = bench.group("one", followers=0), None
    bench.prime(one)
    assert bench.sharing is not None
    assert one.cap is not None
    vote(bench.sharing, one.cap, *[("beside", False)] * 3, ("alone", False), ("alone", False))
    other = bench.group("other")
    bench.prime(other)
    (first,) = bench.start()
    assert first.group is other
    for _ in range(2):
        entry = bench.entry(one, "alone")
        assert bench.start() == [entry]
        bench.end(entry, MISS)
    assert bench.sharing.kind == "none"
    assert len(bench.start()) == 3


def vote(sharing: Sharing, cap: Cap, *found: tuple[str, bool]) -> None:
    for where, hit in found:
        sharing.vote(cap, hit=hit, found=where)  # type: ignore[arg-type]  # one of two


def test_misses_beside_others_are_followed_by_one_at_a_time() -> None:
    sharing, caps = Sharing(), [Cap(str(number), UNCAPPED) for number in range(3)]
    for cap in caps:
        sharing.join(cap)
    vote(sharing, caps[0], ("beside", False), ("beside", False))
    assert caps[0].capacity == UNCAPPED
    assert sharing.vote(caps[1], hit=False, found="beside") == caps
    assert [cap.capacity for cap in caps] == [1, 1, 1]
    late = Cap("late", UNCAPPED)
    sharing.join(late)
    assert late.capacity == 1


def test_the_group_that_found_it_alone_looks_again_beside_itself() -> None:
    sharing, caps = Sharing(), [Cap(str(number), UNCAPPED) for number in range(2)]
    for cap in caps:
        sharing.join(cap)
    vote(sharing, caps[0], *[("beside", False)] * 3, ("alone", True))
    assert [cap.capacity for cap in caps] == [2, 1]
    vote(sharing, caps[1], ("beside", True), ("alone", True))  # another is none that looks
    assert [cap.capacity for cap in caps] == [2, 1]
    vote(sharing, caps[0], ("beside", False))
    assert (sharing.kind, [cap.capacity for cap in caps]) == ("slot", [1, 1])


def test_a_prefix_that_takes_a_moment_to_be_shared_is_shared_all_the_same() -> None:
    sharing, cap = Sharing(), Cap("g", UNCAPPED)
    sharing.join(cap)
    for kind in (None, "shared"):
        vote(sharing, cap, *[("beside", False)] * 3, ("alone", True), ("beside", True))
        assert (sharing.kind, cap.capacity) == (kind, UNCAPPED)
    vote(sharing, cap, *[("beside", False)] * 30)
    assert cap.capacity == UNCAPPED


def test_where_nothing_is_cached_one_at_a_time_is_given_up() -> None:
    sharing, cap = Sharing(), Cap("g", UNCAPPED)
    sharing.join(cap)
    vote(sharing, cap, *[("beside", False)] * 3, ("alone", False), ("alone", False))
    assert cap.capacity == 1
    vote(sharing, cap, ("alone", False))
    assert (sharing.kind, cap.capacity) == ("none", UNCAPPED)


def test_a_hit_now_and_then_is_enough_to_go_on() -> None:
    sharing, cap = Sharing(), Cap("g", UNCAPPED)
    sharing.join(cap)
    vote(sharing, cap, ("beside", True), ("beside", True), *[("beside", False)] * 4)
    assert cap.capacity == UNCAPPED
    vote(sharing, cap, ("beside", False), ("alone", False), ("alone", False), ("alone", True))
    vote(sharing, cap, ("alone", False))
    assert (sharing.kind, cap.capacity) == (None, 2)


def test_a_group_that_ends_before_it_has_looked_leaves_that_to_another() -> None:
    sharing, caps = Sharing(), [Cap(str(number), UNCAPPED) for number in range(2)]
    for cap in caps:
        sharing.join(cap)
    vote(sharing, caps[0], *[("beside", False)] * 3, ("alone", True))
    sharing.leave(caps[0])
    vote(sharing, caps[1], ("alone", True))
    assert caps[1].capacity == 2
