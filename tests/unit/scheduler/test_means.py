"""The guess for the next job: what others of its lane used, else those of all lanes, else nothing."""

from __future__ import annotations

from paceline import Usage
from paceline._scheduler._means import Means


def test_a_lane_learns_from_its_own_jobs_and_before_that_from_those_of_all() -> None:
    whole = Means()
    lane, other = Means(whole), Means(whole)
    assert lane.mean("input_tokens") == 0.0
    other.learn(Usage(input_tokens=100, output_tokens=10, money=1.0))
    assert [lane.mean(unit) for unit in ("input_tokens", "output_tokens", "money")] == [100.0, 10.0, 1.0]
    lane.learn(Usage(input_tokens=20))
    assert [lane.mean(unit) for unit in ("input_tokens", "output_tokens")] == [20.0, 10.0]


def test_a_payload_that_only_names_its_documents_is_expected_to_need_what_such_payloads_needed() -> None:
    whole = Means()
    lane = Means(whole)
    assert lane.from_rough(5) == 5.0
    Means(whole).learn(Usage(input_tokens=4000), rough=4)
    assert lane.from_rough(5) == 5000.0
    lane.learn(Usage(input_tokens=4200), rough=4)
    lane.learn(Usage(output_tokens=7), rough=4)  # it does not say what its input was
    assert lane.from_rough(8) == 8400.0
