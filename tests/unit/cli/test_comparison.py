"""The workload of `paceline compare`, the least that it can cost, and the picture."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, strategies as st

from paceline_integrations.comparison import (
    POLICIES,
    Comparison,
    Outcome,
    Request,
    Server,
    Span,
    Workload,
    draw,
    ideal_tokens,
    run_policy,
)
from paceline_integrations.comparison._plot import rows_of
from paceline_integrations.simulator import SimulatorSettings
from paceline_integrations.simulator._tokens import Prompt

SVG = "{http://www.w3.org/2000/svg}"


def request(text: str) -> Request:
    return Request("group", Prompt("model", "".join(letter * 4 for letter in text)), 1)


def test_the_least_is_the_first_prompt_and_what_the_others_do_not_share() -> None:
    group = [request("aaaaaaaax"), request("aaaaaaaay"), request("aaaaaaaaz")]
    assert ideal_tokens([group]) == 9 + 1 + 1
    assert ideal_tokens([group, [request("b")]]) == 12


def test_of_a_shared_text_only_whole_blocks_are_saved() -> None:
    group = [request("aaaaaaaax"), request("aaaaaaaay")]
    assert ideal_tokens([group], block=4) == 9 + 1
    assert ideal_tokens([group], block=5) == 9 + 4
    assert ideal_tokens([group], block=9) == 18


def test_the_last_token_of_a_prompt_is_always_evaluated() -> None:
    assert ideal_tokens([[request("aaaa"), request("aaaa")]]) == 4 + 1


def test_a_workload_has_the_lengths_that_were_asked_for_and_repeats() -> None:
    workload = Workload(groups=3, followers=2, document=100, question=10, answer=40, spread=0.5, seed=5)
    assert workload.jobs == len(workload.requests) == 9
    assert [len(each) for each in workload.by_group.values()] == [3, 3, 3]
    assert all(20 <= each.answer <= 60 for each in workload.requests)
    assert {each.prompt.tokens for each in workload.requests} == {2 + 3 + 100 + 2 + 10 + 3}
    assert workload.requests == Workload(3, 2, 100, 10, 40, 0.5, 5).requests


def spans(draw_times: list[tuple[int, int, int]]) -> list[Span]:
    return [
        Span("group", False, began, began + read, began + read + answer, 10, 5)
        for began, read, answer in draw_times
    ]


TIMES = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5), st.integers(1, 20)), max_size=40)


@given(TIMES)
def test_requests_of_one_row_never_overlap_and_no_row_is_wasted(times: list[tuple[int, int, int]]) -> None:
    placed = rows_of(spans(times))
    assert len(placed) == len(times)
    for row, one in placed:
        for other_row, other in placed:
            if row == other_row and one is not other:
                assert one.ended <= other.began or other.ended <= one.began
    at_once = max(
        (sum(one.began <= at.began < one.ended for _, one in placed) for _, at in placed), default=0
    )
    assert len({row for row, _ in placed}) == at_once


def comparison(*seconds: float) -> Comparison:
    outcomes = tuple(
        Outcome(policy, 400, 100 * number, 100, time, tuple(spans([(0, 1, 1), (1, 1, 2)])))
        for number, (policy, time) in enumerate(zip(POLICIES, seconds, strict=True), 1)
    )
    return Comparison(Server("a <server> & more", SimulatorSettings(), 2), outcomes)


def test_the_picture_is_xml_that_tells_every_policy_its_time_and_its_tokens() -> None:
    svg = draw([comparison(5.0, 4.0, 3.0, 3.5)], "4 < 5 jobs")
    root = ET.fromstring(svg)  # noqa: S314 - made a line above
    texts = [each.text or "" for each in root.iter(f"{SVG}text")]
    assert "4 < 5 jobs" in texts
    assert "a <server> & more" in texts
    for policy in POLICIES:
        assert policy.title in texts
    assert {"5.0 s", "4.0 s", "3.0 s", "3.5 s"} <= set(texts)
    description = root.findtext(f"{SVG}desc") or ""
    assert "300 tokens in 3.0 s" in description


def test_longer_runs_and_more_tokens_are_drawn_longer_and_nothing_leaves_the_picture() -> None:
    svg = draw([comparison(5.0, 4.0, 3.0, 2.0)], "jobs")
    root = ET.fromstring(svg)  # noqa: S314 - made a line above
    left, top, width, height = (float(each) for each in root.attrib["viewBox"].split())
    boxes = [each.attrib for each in root.iter(f"{SVG}rect")]
    for box in boxes:
        assert left <= float(box["x"]) <= float(box["x"]) + float(box["width"]) <= left + width
        assert top <= float(box["y"]) <= float(box["y"]) + float(box["height"]) <= top + height
    idle = [float(box["width"]) for box in boxes if box["height"] == "56"]
    assert idle == sorted(idle, reverse=True)
    assert idle[0] == pytest.approx(idle[3] * 2.5, rel=0.01)
    bars = [float(box["width"]) for box in boxes if box["height"] == "18"]
    assert bars == sorted(bars)
    assert bars[3] == pytest.approx(bars[0] * 4, rel=0.01)


def test_the_picture_needs_nothing_from_elsewhere() -> None:
    svg = draw([comparison(1.0, 1.0, 1.0, 1.0)], "jobs")
    assert not re.search(r"href|url\(|<script|<style|@import", svg)


def test_a_run_of_no_length_can_be_drawn() -> None:
    assert "0 s" in draw([comparison(0.0, 0.0, 0.0, 0.0)], "jobs")


def test_a_run_in_virtual_time_takes_what_reading_and_answering_take() -> None:
    workload = Workload(groups=1, followers=1, document=1000, question=50, answer=100, spread=0.0)
    server = Server("", SimulatorSettings(prefill_rate=1000.0, decode_rate=100.0), slots=8)
    at_once, _, first_token, _ = (run_policy(workload, server, policy) for policy in POLICIES)
    prompt = workload.requests[0].prompt.tokens
    assert at_once.evaluated == 2 * prompt
    assert at_once.seconds == pytest.approx(prompt / 1000 + 1.0)
    assert first_token.evaluated == first_token.ideal < 1.1 * prompt
    assert first_token.seconds == pytest.approx(first_token.evaluated / 1000 + 1.0)
    assert run_policy(workload, server, POLICIES[2]) == first_token
