"""Settings: what is out of range is said by name."""

import pytest
from pydantic import ValidationError

from paceline_integrations.simulator import SimulatorSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cache", "sharded"),
        ("slots", 0),
        ("block", 0),
        ("min_prefix", -1),
        ("ttl", 0),
        ("ttl", float("inf")),
        ("capacity", 0),
        ("prefill_rate", -1),
        ("decode_rate", float("nan")),
        ("rpm", 0),
        ("tpm", 0),
        ("burst", 0),
        ("burst", 1.5),
        ("fail_rate", 2),
        ("drop_rate", -0.1),
        ("latency", -1),
        ("jitter", -1),
        ("concurrency", 0),
        ("remember", 0),
        ("models", ()),
        ("colour", "red"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        SimulatorSettings.model_validate({name: value})


def test_a_capacity_below_one_block_is_refused() -> None:
    with pytest.raises(ValidationError, match="holds no block"):
        SimulatorSettings(capacity=10, block=16)


def test_slots_bound_the_requests_at_once_only_with_a_cache_per_slot() -> None:
    assert SimulatorSettings(slots=2).places is None
    assert SimulatorSettings(cache="slot", slots=2).places == 2
    assert SimulatorSettings(cache="slot", slots=8, concurrency=3).places == 3
    assert SimulatorSettings(concurrency=5).places == 5
