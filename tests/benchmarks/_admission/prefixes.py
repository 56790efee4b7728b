"""Whether a prefix is paid for once: on a shared block cache, and on a cache per slot.

All in virtual time on the simulator's own cache and speed: the same numbers everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from tests.benchmarks._admission.rows import Row

from paceline import GroupPolicy
from paceline_integrations.comparison import Outcome, Policy, Server, Workload, ideal_tokens, run_policy
from paceline_integrations.simulator import SimulatorSettings

__all__ = ["shared_cache", "slot_cache"]

AT_ONCE = Policy("everything at once", None)
FIRST_TOKEN = Policy("first token", GroupPolicy())
AUTO = Policy("auto", GroupPolicy(in_flight="auto"))

DOCUMENT, QUESTION = 2000, 50
PREFILL, DECODE = 1000.0, 50.0


@dataclass(frozen=True, slots=True)
class Shape:
    """So many groups of one primer and so many followers, on so many slots of the engine."""

    groups: int
    followers: int
    slots: int

    def __str__(self) -> str:
        return f"{self.groups:>3} groups of 1+{self.followers:<2} on {self.slots:>3} slots"

    def workload(self) -> Workload:
        """Decoding takes twice as long as reading the prompt: less is not promised, and more is easier."""
        answer = round(2 * (DOCUMENT + QUESTION) / PREFILL * DECODE)
        return Workload(self.groups, self.followers, DOCUMENT, QUESTION, answer, spread=0.0)


SHARED = (
    Shape(1, 9, 10),
    Shape(1, 49, 8),
    Shape(20, 9, 200),
    Shape(20, 9, 64),
    Shape(20, 9, 8),
    Shape(5, 49, 32),
    Shape(50, 3, 25),
    Shape(50, 1, 100),
)
SLOTS = (Shape(40, 9, 4), Shape(40, 9, 8), Shape(100, 4, 8), Shape(30, 19, 16))


def shared_cache(smoke: bool) -> list[Row]:
    """Tokens against the ideal in whole blocks, and the makespan against that of everything at once."""
    rows: list[Row] = []
    for shape in SHARED[:3] if smoke else SHARED:
        settings = SimulatorSettings(cache="shared", prefill_rate=PREFILL, decode_rate=DECODE)
        server = Server("", settings, shape.slots)
        workload = shape.workload()
        cold = run_policy(workload, server, AT_ONCE)
        for policy in (FIRST_TOKEN, AUTO):
            warm = run_policy(workload, server, policy)
            what = f"{shape}, {policy.title}"
            rows.append(Row(f"{what}: tokens / ideal", warm.over_ideal, 1.02))
            rows.append(Row(f"{what}: time / all at once", warm.seconds / cold.seconds, 1.10))
    return rows


def slot_cache(smoke: bool) -> list[Row]:
    """Tokens against the ideal, without the groups that were the first to run and so taught the engine."""
    rows: list[Row] = []
    for shape in SLOTS[:1] if smoke else SLOTS:
        settings = SimulatorSettings(
            cache="slot", slots=shape.slots, prefill_rate=PREFILL, decode_rate=DECODE
        )
        server = Server("", settings, shape.slots)
        workload = shape.workload()
        auto = run_policy(workload, server, AUTO)
        fan_out = run_policy(workload, server, FIRST_TOKEN)
        rows += [
            Row(f"{shape}, auto: tokens / ideal after {shape.slots} learning", _learned(auto, shape), 1.15),
            Row(f"{shape}, auto: tokens / ideal with these", auto.over_ideal),
            Row(f"{shape}, first token: tokens / ideal", fan_out.over_ideal),
            Row(f"{shape}, auto: time / first token", auto.seconds / fan_out.seconds),
        ]
    return [*rows, _more_than_it_has()]


def _more_than_it_has() -> Row:
    """An engine with twice the slots that the server has: how many the server has, nobody told it."""
    shape = Shape(40, 9, 8)
    settings = SimulatorSettings(cache="slot", slots=4, prefill_rate=PREFILL, decode_rate=DECODE)
    auto = run_policy(shape.workload(), Server("", settings, shape.slots), AUTO)
    return Row(f"{shape}, of which the server has 4, auto: tokens / ideal", auto.over_ideal)


def _learned(outcome: Outcome, shape: Shape) -> float:
    """Evaluated / ideal of all groups but the first that started, as many as may be active at once."""
    order = dict.fromkeys(span.group for span in sorted(outcome.spans, key=lambda span: span.began))
    later = list(order)[shape.slots :]
    by_group = {
        name: sum(span.evaluated for span in spans)
        for name, spans in groupby(
            sorted(outcome.spans, key=lambda span: span.group), key=lambda span: span.group
        )
    }
    requests = shape.workload().by_group
    return sum(by_group[name] for name in later) / ideal_tokens(requests[name] for name in later)
