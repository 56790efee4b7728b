"""Faults: by wish, and by chance that is the same each time."""

import pytest

from paceline_integrations.simulator import SimulatorSettings
from paceline_integrations.simulator._errors import ApiError
from paceline_integrations.simulator._faults import Fault, FaultPlan


def plan(**settings: float) -> FaultPlan:
    return FaultPlan(SimulatorSettings.model_validate(settings))


def test_without_wish_or_chance_nothing_goes_wrong() -> None:
    assert plan().of(None, b"a", 64) == Fault()


def test_every_wish_is_read() -> None:
    fault = plan().of("latency=0.5, status=503,retry-after=2, drop=3, hang", b"a", 64)
    assert fault == Fault(latency=0.5, status=503, retry_after=2.0, drop=3, hang=0)


def test_first_befalls_only_so_many_of_the_same_request() -> None:
    faults = plan()
    header = "status=500, first=2"
    assert [faults.of(header, b"a", 64).status for _ in range(4)] == [500, 500, None, None]
    assert faults.of(header, b"b", 64).status == 500


@pytest.mark.parametrize(
    "header", ["explode", "status=200", "status=abc", "latency=-1", "latency=inf", "first=0", ""]
)
def test_an_unknown_wish_is_refused_and_the_known_ones_are_named(header: str) -> None:
    with pytest.raises(ApiError, match=r"latency, status, retry-after, drop, hang, first") as caught:
        plan().of(header, b"a", 64)
    assert caught.value.status == 400


def test_an_answer_is_cut_at_the_nearer_of_drop_and_hang_or_at_its_end() -> None:
    assert Fault().cut(64) == 64
    assert Fault(drop=5).cut(64) == 5
    assert Fault(drop=100).cut(64) == 64
    assert (Fault(drop=5, hang=3).cut(64), Fault(drop=5, hang=3).hangs) == (3, True)
    assert (Fault(drop=3, hang=5).cut(64), Fault(drop=3, hang=5).hangs) == (3, False)


def test_chance_hits_about_its_share_and_the_same_requests_in_any_order() -> None:
    digests = [number.to_bytes(4) for number in range(1000)]
    one, other = plan(fail_rate=0.2, seed=1), plan(fail_rate=0.2, seed=1)
    failed = {digest for digest in digests if one.of(None, digest, 64).status == 500}
    again = {digest for digest in reversed(digests) if other.of(None, digest, 64).status == 500}
    assert failed == again
    assert 150 < len(failed) < 250


def test_a_retry_has_luck_of_its_own() -> None:
    faults = plan(fail_rate=0.5)
    assert {faults.of(None, b"same", 64).status for _ in range(50)} == {None, 500}


def test_drops_by_chance_fall_inside_the_answer() -> None:
    faults = plan(drop_rate=1.0)
    drops = [faults.of(None, number.to_bytes(4), 8).drop for number in range(100)]
    assert set(drops) == set(range(8))


def test_jitter_adds_to_latency_and_stays_below_its_bound() -> None:
    faults = plan(latency=1.0, jitter=0.5)
    waits = [faults.of(None, number.to_bytes(4), 64).latency for number in range(100)]
    assert 1.0 <= min(waits) < 1.1
    assert 1.4 < max(waits) <= 1.5


def test_the_error_of_a_status_has_openais_kind_and_retry_after() -> None:
    error = Fault(status=429, retry_after=1.5).error()
    assert error is not None
    assert error.code == "rate_limit_exceeded"
    assert error.headers == {"retry-after": "2", "retry-after-ms": "1500"}
    assert Fault().error() is None
