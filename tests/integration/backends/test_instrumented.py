"""The spans of frameworks' own instrumentations are below those of attempts, and usage is told once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from .conftest import make
from .instrumented import SETS, environment, measure as measured

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

JOBS = 128  # chains, graphs, agents, the client: four groups of eight each


@pytest.fixture(scope="module")
def python() -> Path:
    return make(environment(), "python tests/integration/backends/instrumented.py")


measure = cache(measured)
"""One run answers several tests."""


def tree(found: dict[str, Any]) -> dict[str, int]:
    return {name: found[name] for name in ("orphans", "roots", "traces")}


def of_tracing(found: dict[str, Any]) -> list[str]:
    """What was logged about traces: a context detached where it is not attached, an attribute refused."""
    logged: list[str] = list(found["logged"])
    others = ("openai", "langchain", "paceline.watchdog")  # refusals, and a machine that is busy
    return [line for line in logged if not line.startswith(others)]


@pytest.mark.parametrize("name", SETS)
def test_one_trace_without_orphans_and_each_token_once(python: Path, name: str) -> None:
    found = measure(python, name, JOBS)
    assert found["statuses"] == {"succeeded": JOBS}
    assert found["attempts"] > JOBS  # some were refused, and tried again
    assert found["attempt_spans"] == found["attempts"]
    assert tree(found) == {"orphans": 0, "roots": 1, "traces": 1}
    assert found["unended"] == 0
    assert of_tracing(found) == []
    sums = found["usage_by_scope"].values()
    assert [sum(each) for each in zip(*sums, strict=True)] == found["usage"]
    assert {each: found[each] for each in ("told_twice", "told_by_several", "untold")} == {
        "told_twice": 0,
        "told_by_several": 0,
        "untold": 0,
    }


@pytest.mark.parametrize("name", SETS)
def test_agents_are_traced_by_their_instrumentation_or_by_us_but_not_by_both(python: Path, name: str) -> None:
    found = measure(python, name, JOBS)
    ours = found["agent_spans"].get("paceline", 0)
    theirs = sum(count for scope, count in found["agent_spans"].items() if "agents" in scope)
    assert (ours > 0, theirs > 0) == (name == "none", name != "none")
    assert max(ours, theirs) >= found["agent_jobs"] == JOBS // 4


@pytest.mark.parametrize("name", SETS)
def test_what_is_cancelled_in_the_middle_of_a_call_leaves_no_orphans(python: Path, name: str) -> None:
    found = measure(python, name, 160, "--cancel")
    assert found["statuses"]["cancelled"] > 0
    assert tree(found) == {"orphans": 0, "roots": 1, "traces": 1}
    assert of_tracing(found) == []


@pytest.mark.parametrize("name", SETS[1:])
def test_a_client_and_a_framework_that_are_both_traced_leave_no_orphans(python: Path, name: str) -> None:
    found = measure(python, name, 64, "--pair")
    assert found["statuses"] == {"succeeded": 64}
    assert tree(found) == {"orphans": 0, "roots": 1, "traces": 1}
    assert found["told_twice"] == 0  # what two of them tell twice is theirs to tell; we add no third
    assert of_tracing(found) == []
