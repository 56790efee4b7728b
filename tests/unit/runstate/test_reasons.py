"""Why jobs wait, in words that need no explanation."""

from __future__ import annotations

import pytest

from paceline.events import CacheMissed, GroupReprimed, LaneChanged, LimitReached, Waits
from paceline_integrations.runstate import Why

from .story import Story


def why(story: Story, name: str) -> Why:
    return story.state.why(story.job(name))


def told(story: Story) -> list[tuple[int, str]]:
    return [(each.jobs, each.text) for each in story.state.stuck(10)]


def test_a_job_that_runs_or_has_ended_waits_for_nothing() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    assert why(story, "a") == Why("is at work", "running")
    story.end("a", "cancelled")
    assert why(story, "a") == Why("cancelled", "ended")


def test_a_follower_waits_for_its_primer_and_what_that_does_is_told() -> None:
    story = Story(slots=1)
    story.submit("other")
    story.start("other")
    story.group("contract", "rent", "notice")
    assert why(story, "rent").text == "waits for its primer 'intro' to answer, which waits itself"
    story.start("intro")
    assert why(story, "rent") == Why("waits for its primer 'intro' to answer, which is at work", "release")
    story.retry("intro")
    assert (
        why(story, "rent").text == "waits for its primer 'intro' to answer, which failed and is tried again"
    )
    story.start("intro", 2)
    story.suspend("intro", "1")
    assert why(story, "rent").text == "waits for its primer 'intro' to answer, which asks a question"
    assert told(story)[1] == (2, "wait for their primer 'intro' to answer, which asks a question")


def test_where_followers_wait_for_the_whole_answer_that_is_said() -> None:
    story = Story()
    story.group("contract", "rent", release="complete")
    story.start("intro")
    assert why(story, "rent") == Why("waits for its primer 'intro' to end, which is at work", "release")


def test_followers_of_a_group_without_a_primer_yet_wait_for_one_to_come() -> None:
    story = Story()
    story.group("contract", "rent", primer=None)
    assert why(story, "rent").text == "waits for the primer of its group 'contract', which has not come yet"


def test_after_the_release_a_follower_waits_until_the_cache_has_settled() -> None:
    story = Story(slots=9)
    story.group("contract", "rent", settle=2.0)
    story.start("intro")
    story.wait(1.0)
    story.release("contract")
    assert (why(story, "rent").kind, why(story, "rent").until) == ("settle", 1_003.0)
    story.wait(5.0)
    story.submit("later")
    assert why(story, "rent").kind == "slot"


def test_where_there_was_no_primer_nothing_has_to_settle() -> None:
    story = Story(slots=9)
    story.group("contract", "rent", primer=None, settle=2.0)
    story.release("contract", "no_primer")
    assert why(story, "rent").kind == "slot"


def test_a_prefix_that_is_gone_holds_the_followers() -> None:
    story = Story(slots=9)
    story.group("contract", "rent", "notice", "term")
    story.start("intro")
    story.release("contract")
    story.end("intro")
    story.start("rent")
    story.tell(CacheMissed(group="contract", job="rent", hold=5.0))
    assert (why(story, "notice").kind, why(story, "notice").until) == ("prefix", 1_005.0)
    story.wait(6.0)
    story.tell(GroupReprimed(group="contract", job="notice"))
    assert why(story, "notice").kind == "slot"
    assert why(story, "term").kind == "prefix"
    story.start("notice")
    story.answer("notice")
    assert why(story, "term").kind == "slot"
    story.tell(CacheMissed(group="contract", job="term", hold=9.0))
    group = story.state.groups["contract"]
    assert group.hold_until == 1_015.0
    story.end_group("contract")
    assert group.hold_until is None


def test_a_group_that_has_enough_in_flight_holds_the_others() -> None:
    story = Story(slots=9)
    story.group("contract", "rent", "notice", in_flight=1)
    story.start("intro")
    story.release("contract")
    assert why(story, "notice") == Why(
        "waits because its group 'contract' has as many jobs at work as it may", "group_in_flight"
    )


def test_a_job_waits_for_what_it_comes_after() -> None:
    story = Story()
    story.submit("load", "rank")
    story.group("pages", primer="page")
    story.submit("report", after=("load", "rank", "pages", "unknown"))
    assert why(story, "report") == Why("waits for 'load' to end, and for 2 others", "dependency")
    story.start("load")
    story.end("load")
    story.start("rank")
    assert why(story, "report").text == "waits for 'rank' to end, and for another one"
    story.end("rank")
    assert why(story, "report").text == "waits for the group 'pages' to end"
    story.end("page")
    story.end_group("pages")
    assert why(story, "report").kind == "slot"


def test_a_single_thing_to_come_after_is_told_with_what_it_does() -> None:
    story = Story(slots=1)
    story.submit("load", "busy")
    story.submit("report", after=("load",))
    story.start("busy")
    assert why(story, "report").text == "waits for 'load' to end, which itself waits for a free slot"
    story.end("busy")
    story.start("load")
    assert why(story, "report").text == "waits for 'load' to end, which is at work"
    story.suspend("load")
    assert why(story, "report").text == "waits for 'load' to end, which looks again later"


def test_a_failed_attempt_is_told_with_its_error_and_when_it_is_tried_again() -> None:
    story = Story()
    story.submit("a")
    story.start("a")
    story.retry("a", error="my.errors.RateLimited", delay=3.0)
    assert why(story, "a") == Why("waits to be tried again, after an error (RateLimited)", "backoff", 1_003.0)


def test_a_question_is_told_where_the_log_has_it() -> None:
    story = Story()
    story.submit("a", "b")
    story.suspend("a", "Send it")
    story.suspend("b")
    assert why(story, "a") == Why("asks: Send it?", "reply")
    assert why(story, "b") == Why("looks again by itself later", "rest")


def test_full_slots_and_lanes_and_those_who_came_before() -> None:
    story = Story(slots=2)
    story.tell(LaneChanged(lane="narrow", weight=1.0, max_running=1))
    story.submit("a", "b", "c", "d")
    story.submit("n1", "n2", lane="narrow")
    assert why(story, "b") == Why(
        "waits for its turn in lane default; 1 job of lane default came before it", "slot"
    )
    story.start("a")
    story.start("n1", lane="narrow")
    assert why(story, "b").text == "waits for a free slot: all 2 are taken"
    assert (
        why(story, "d").text
        == "waits for a free slot: all 2 are taken; 2 jobs of lane default came before it"
    )
    assert why(story, "n2") == Why("waits because lane narrow has as many jobs at work as it may", "lane_cap")


def test_who_is_tried_again_is_behind_those_who_waited_meanwhile() -> None:
    story = Story(slots=1)
    story.submit("a", "b", "runs")
    story.start("a")
    story.retry("a", delay=0.0)
    story.start("runs")
    assert why(story, "a").text.endswith("; 1 job of lane default came before it")
    assert why(story, "b").text == "waits for a free slot: all 1 are taken"


def test_no_more_than_a_thousand_that_came_before_are_counted() -> None:
    story = Story(slots=1)
    story.submit("runs", *(f"w{each}" for each in range(1_500)))
    story.start("runs")
    assert why(story, "w1000").text.endswith("; 1,000 jobs of lane default came before it")
    assert why(story, "w1499").text.endswith("; more than 1,000 jobs of lane default came before it")


def test_nobody_is_ahead_of_a_graph_which_takes_no_slot() -> None:
    story = Story(slots=1)
    story.submit("runs", *(f"w{each}" for each in range(1_500)))
    story.submit("report", role="graph", lane="of-graphs")
    story.submit("other", role="graph")
    story.start("runs")
    assert "came before" not in why(story, "other").text + why(story, "report").text


def test_a_limit_is_what_holds_jobs_while_slots_are_free() -> None:
    story = Story(slots=9)
    story.submit("a")
    story.tell(LimitReached(limit="gpt-5", why="retry_after", until=1_009.0))
    assert why(story, "a") == Why("waits because gpt-5 asked for a pause", "retry_after", 1_009.0)
    story.wait(10.0)
    story.submit("b")
    assert why(story, "a").kind == "slot"
    story.tell(LimitReached(limit="*", why="circuit"))
    assert why(story, "a").text == "waits because the provider keeps failing, and is tried again later"


def test_a_limit_that_the_engine_has_looked_at_since_holds_only_those_it_names() -> None:
    story = Story(slots=9)
    story.submit("a", "b")
    story.tell(LimitReached(limit="gpt-5", why="budget"))
    story.wait(1.0)
    story.sample(Waits("budget", "the budget of gpt-5 (money)", "", 1, ("a",)))
    assert [why(story, name).kind for name in ("a", "b")] == ["budget", "slot"]
    story.tell(LimitReached(limit="other", why="circuit"))
    assert why(story, "b").kind == "circuit"


@pytest.mark.parametrize(
    ("kind", "on", "text"),
    [
        ("limit", "gpt-5: requests per minute", "waits at a limit (gpt-5: requests per minute)"),
        ("limit", "*: jobs at once", "waits at a limit (all jobs: jobs at once)"),
        (
            "budget",
            "the budget of gpt-5 (money)",
            "waits because too little is left of the budget of gpt-5 (money)",
        ),
        ("lock", "user:7", "waits until another job lets go of the lock 'user:7'"),
        ("active_groups", "contract", "waits until one of the groups at work is done"),
        ("max_running", "b", "waits because 'b' has as many jobs at work as it may"),
        ("slot", None, "waits for a free slot: all 2 are taken; 1 job of lane default came before it"),
        ("of-tomorrow", "x", "waits (x)"),
    ],
)
def test_what_the_engine_sampled_is_told_of_the_jobs_it_names(kind: str, on: str | None, text: str) -> None:
    story = Story()
    story.submit("b", "a", "runs", "runs too")
    story.start("runs")
    story.start("runs too")
    story.sample(Waits(kind, on, "", 1, ("a",), 1_020.0))
    assert why(story, "a") == Why(text, kind, 1_020.0)


def test_slots_that_are_free_again_hold_nobody_whatever_was_sampled() -> None:
    story = Story(slots=1)
    story.submit("runs", "a")
    story.start("runs")
    story.tell(LimitReached(limit="gpt-5", why="budget"))
    story.wait(1.0)
    story.sample(Waits("slot", None, "", 1, ("a",)))
    assert why(story, "a").text == "waits for a free slot: all 1 are taken"
    story.end("runs")
    assert why(story, "a").kind == "budget"


def test_where_the_log_began_late_a_sample_knows_better_which_slots_are_taken() -> None:
    story = Story(begins=False)
    story.submit("a")
    story.sample(Waits("slot", None, "", 1, ("a",)))
    assert why(story, "a").text == "waits for a free slot"


def test_what_was_due_to_be_tried_again_by_now_waits_like_others() -> None:
    story = Story(slots=1)
    story.submit("a", "runs")
    story.start("a")
    story.retry("a", delay=2.0)
    story.start("runs")
    assert why(story, "a").kind == "backoff"
    story.wait(3.0)
    story.submit("later")
    assert why(story, "a").text == "waits for a free slot: all 1 are taken"


def test_a_sample_does_not_outlive_what_happens_to_the_job() -> None:
    story = Story()
    story.submit("a", "b")
    story.sample(Waits("lock", "user:7", "", 1, ("a",)))
    assert why(story, "a").kind == "lock"
    story.start("a")
    story.retry("a")
    assert why(story, "a").kind == "backoff"


def test_a_sample_names_jobs_by_their_names() -> None:
    story = Story()
    story.submit("a")
    story.submit("id-7", role="flow")
    story.job("id-7").name = "research"
    story.sample(Waits("max_running", "id-7", "", 1, ("a",)))
    assert why(story, "a").text == "waits because 'research' has as many jobs at work as it may"


def test_jobs_that_a_sample_counts_but_does_not_name_are_held_alike() -> None:
    story = Story(slots=1)
    story.submit("a", "b", "c", "runs")
    story.submit("other", lane="other")
    story.start("runs")
    story.sample(
        Waits("lane_share", "other", "", 30, ()),
        Waits("group_in_flight", "contract", "", 30, ()),
        Waits("limit", "gpt-5: requests", "", 3, ("a",)),
    )
    assert why(story, "c").text == "waits at a limit (gpt-5: requests)"
    assert why(story, "other").kind == "lane_share"
    story.wait(10.0)
    story.submit("d")
    assert why(story, "c").kind == "slot"


def test_what_holds_many_is_told_once_what_needs_somebody_first() -> None:
    story = Story(slots=1)
    story.submit(*(f"w{each}" for each in range(5)), "asks", "again", "runs", "locked")
    story.start("runs")
    story.start("again")
    story.retry("again", error="Busy")
    story.suspend("asks", "Send it")
    story.sample(Waits("lock", "user:7", "", 1, ("locked",)))
    assert told(story) == [
        (1, "asks: Send it?"),
        (1, "waits until another job lets go of the lock 'user:7'"),
        (5, "wait for a free slot: all 1 are taken"),
        (1, "waits to be tried again, after an error (Busy)"),
    ]
    first = story.state.stuck(1)
    assert [(each.kind, each.example) for each in first] == [("reply", story.job("asks"))]


def test_whoever_waits_for_a_slot_is_told_in_one_line_whichever_lane_is_next() -> None:
    story = Story(slots=1)
    story.submit("runs", "a", "b")
    story.start("runs")
    story.sample(Waits("slot", None, "", 1, ("a",)), Waits("lane_share", "default", "", 1, ("b",)))
    assert why(story, "b").text.startswith("waits for a free slot, and other lanes come first; 1 job")
    assert told(story) == [(2, "wait for a free slot: all 1 are taken")]


def test_several_groups_and_limits_are_one_reason() -> None:
    story = Story(slots=9)
    for group in ("a", "b", "c"):
        story.group(group, f"{group}-1", f"{group}-2", primer=f"{group}-0")
        story.start(f"{group}-0")
    story.submit("x", "y", "z")
    story.sample(
        Waits("limit", "gpt-5: requests", "", 2, ("x", "y"), 1_030.0),
        Waits("limit", "other: requests", "", 1, ("z",), 1_020.0),
    )
    assert told(story) == [
        (3, "wait at a limit (gpt-5: requests and 1 more)"),
        (6, "wait for the primers of their 3 groups to answer"),
    ]
    assert story.state.stuck(1)[0].until == 1_020.0


def test_of_very_many_that_wait_no_lane_hides_the_others() -> None:
    story = Story(slots=9)
    story.submit(*(f"w{each}" for each in range(3_000)))
    story.submit("late", after=("w2999",), lane="small")
    assert [(each.kind, each.jobs, each.at_least) for each in story.state.stuck()] == [
        ("slot", 500, True),
        ("dependency", 1, False),
    ]
    story.sample(Waits("slot", None, "", 1_000, ("w0",)), unseen=2_000)
    assert story.state.stuck(1)[0].jobs == 1_000


def test_one_of_very_many_may_not_be_the_only_one() -> None:
    story = Story(slots=9)
    story.submit(*(f"w{each}" for each in range(3_000)))
    story.sample(Waits("lock", "user:7", "", 1, ("w0",)))
    (first,) = story.state.stuck(1)
    assert (first.jobs, first.at_least) == (1, True)
    assert first.text == "wait until another job lets go of the lock 'user:7'"


def test_of_very_many_groups_all_followers_that_wait_for_primers_are_counted() -> None:
    story = Story(slots=1)
    for each in range(300):
        story.group(f"g{each}", *(f"{each}-{follower}" for follower in range(9)), primer=f"p{each}")
    story.start("p0")
    (first, second) = story.state.stuck()
    assert (first.kind, first.jobs, first.at_least) == ("release", 2_700, True)
    assert (second.kind, second.at_least) == ("slot", True)


def test_few_that_wait_are_counted_and_no_more_are_guessed_at() -> None:
    story = Story(slots=1)
    story.submit("a", "b", "runs")
    story.start("runs")
    story.sample(Waits("slot", None, "", 30, ()))
    (only,) = story.state.stuck()
    assert (only.jobs, only.at_least) == (2, False)


def test_nothing_is_stuck_where_nothing_waits() -> None:
    story = Story()
    story.ran("a")
    assert told(story) == []
