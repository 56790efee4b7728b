"""Groups, graphs and jobs as the rows of a tree."""

from __future__ import annotations

from collections.abc import Sequence

from paceline.events import GroupStarted, LaneChanged
from paceline_integrations.runstate import GroupView, Node

from .story import Story


def names(nodes: Sequence[Node]) -> list[str]:
    return [node.name for node in nodes]


def status_of(group: GroupView) -> str:
    return group.status


def test_a_group_lies_above_its_primer_and_followers() -> None:
    story = Story()
    story.group("contract", "rent", "notice", metadata={"tenant": "acme"}, settle=1.0, in_flight=2)
    story.submit("alone")
    assert names(story.state.roots()) == ["contract", "alone"]
    group = story.state.groups["contract"]
    assert group.primer is story.job("intro")
    assert names(group.children) == ["intro", "rent", "notice"]
    assert (group.lane, group.metadata, group.settle, group.in_flight) == (
        "default",
        {"tenant": "acme"},
        1.0,
        2,
    )
    assert (group.status, group.counts.waiting) == ("waiting", 3)


def test_a_group_has_the_status_of_those_most_at_work_and_then_its_outcome() -> None:
    story = Story()
    story.group("contract", "rent")
    story.start("intro")
    group = story.state.groups["contract"]
    assert (group.status, group.released_by) == ("running", None)
    story.wait(2.0)
    story.release("contract")
    assert (group.released, group.released_by) == (1_002.0, "first_token")
    seen = [status_of(group)]
    story.suspend("intro", "1")
    seen.append(status_of(group))
    story.start("rent")
    seen.append(status_of(group))
    story.end("rent")
    assert [*seen, status_of(group)] == ["running", "suspended", "running", "suspended"]
    story.end("intro", "failed")
    story.end_group("contract", "failed")
    assert (group.status, group.outcome, group.ended) == ("failed", "failed", 1_002.0)


def test_what_a_graph_started_lies_below_it() -> None:
    story = Story()
    story.submit("report", role="graph")
    story.submit("load", "count", parent="report")
    story.tell(GroupStarted(group="pages", lane="default", parent="report"))
    story.submit("page", group="pages", role="follower", parent="report")
    story.submit("map", role="map", parent="report")
    story.submit("map[0]", parent="map")
    assert names(story.state.roots()) == ["report"]
    assert names(story.job("report").children) == ["load", "count", "pages", "map"]
    assert names(story.state.groups["pages"].children) == ["page"]
    assert names(story.job("map").children) == ["map[0]"]


def test_what_lies_below_something_unknown_is_at_the_top() -> None:
    story = Story(begins=False)
    story.submit("load", parent="report")
    assert names(story.state.roots()) == ["load"]


def test_few_rows_stay_in_the_order_in_which_they_came() -> None:
    story = Story()
    story.submit("a", "b", "c")
    story.start("b")
    story.end("a")
    assert names(story.state.roots()) == ["a", "b", "c"]


def test_many_rows_have_those_first_that_are_at_work() -> None:
    story = Story()
    story.submit(*(f"wait-{each}" for each in range(60)), "asks", "runs", "first", "last")
    story.start("runs")
    story.suspend("asks", "1")
    story.end("first")
    story.end("last")
    assert names(story.state.roots())[:3] == ["runs", "asks", "wait-0"]
    assert names(story.state.roots())[-2:] == ["last", "first"]
    story.group("contract")
    story.start("intro")
    assert names(story.state.roots())[:4] == ["runs", "contract", "asks", "wait-0"]
    story.retry("intro")
    assert names(story.state.roots())[:3] == ["runs", "asks", "wait-0"]
    assert story.state.roots() is story.state.roots()


def test_a_primer_stays_above_its_many_followers() -> None:
    story = Story()
    story.group("contract", *(f"follower-{each}" for each in range(60)))
    story.start("intro")
    story.release("contract")
    story.end("intro")
    story.start("follower-7")
    group = story.state.groups["contract"]
    assert names(group.children)[:3] == ["intro", "follower-7", "follower-0"]
    assert len(group.children) == 61


def test_groups_of_the_same_name_are_two() -> None:
    story = Story()
    story.group("contract", primer="first")
    story.end("first")
    story.end_group("contract")
    story.group("contract", primer="second")
    story.start("second")
    old, new = story.state.roots()
    assert isinstance(old, GroupView)
    assert isinstance(new, GroupView)
    assert (old.status, new.status) == ("succeeded", "running")
    assert story.state.groups["contract"] is new
    assert story.job("first").group_view is old


def test_a_group_whose_end_is_missing_is_over_when_its_name_comes_again() -> None:
    story = Story()
    story.group("contract", primer="first")
    story.wait(1.0)
    story.group("contract", primer="second")
    old = story.job("first").group_view
    assert old is not None
    assert (old.ended, old.outcome) == (1_001.0, None)


def test_hostile_parents_make_no_circle() -> None:
    """Whoever walks down the tree comes to an end."""
    story = Story(begins=False)
    story.submit("a", parent="b", group="g")
    story.submit("b", parent="a", group="g")
    story.submit("c", parent="c")
    story.tell(GroupStarted(group="g", lane="default", parent="a"))
    story.tell(GroupStarted(group="g", lane="default", parent="a"))
    seen: list[str] = []
    left = list(story.state.roots())
    while left:
        node = left.pop()
        seen.append(node.name)
        left += node.children
    assert sorted(seen) == ["a", "b", "c", "g", "g"]


def copied(text: str) -> str:
    """The same text in memory of its own, as from a line of a log."""
    return text.encode().decode()


def test_one_text_serves_all_jobs_of_a_lane_and_group() -> None:
    story = Story()
    story.tell(LaneChanged(lane="default", weight=1.0))
    story.tell(GroupStarted(group="contract", lane="default"))
    for each in range(3):
        story.submit(f"j-{each}", lane=copied("default"), group=copied("contract"))
    jobs = story.state.jobs.values()
    assert len({id(job.lane) for job in jobs}) == len({id(job.group) for job in jobs}) == 1
