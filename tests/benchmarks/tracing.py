"""What being seen costs: microseconds more per job, with the API of OpenTelemetry only, and with its SDK.

    python tests/benchmarks/tracing.py --n 10000 --slots 64 --repeat 5 [--json] [--instrumentations]

No-op jobs, in one process and in turns: without middleware; with the middleware where only the API is at work
(nobody has set a provider: contexts are passed on, and nothing is made); and with the SDK, which hands spans
in batches, on its own thread, to an exporter that keeps them in memory. A figure is the median, over the
rounds, of the difference to the same round without middleware; beside it stands the processor's time of all
threads until everything has arrived, which is what remains where the machine has something else to do.

The other rows show what comes on top, and where it goes: spans sent by OTLP over HTTP, while the jobs run, to
a backend in a process of its own (encoding them is the exporter's work, and takes nearly as long as to make
them); spans that nobody takes; events that nobody reads; metrics, which a thread makes of the events; all of
it together.

`--instrumentations` counts orphans (spans whose parent was not exported) in 10,000 jobs with the
instrumentations of frameworks turned on, one set after the other, in an environment of its own that is made
the first time.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider

from paceline import CallbackSink, Engine
from paceline_integrations.otel import OpenTelemetryMiddleware

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script finds only what lies beside it

from tests.benchmarks._otlp_receiver import receiver, seen

API, SDK = 15.0, 80.0
"""Microseconds more per job that are promised, at most."""
BUSY = 1.5
"""Where rounds of the same work differ by more than that, time is no measure of what it takes."""
QUEUE = 16_384
"""As `configure` has it; but every span is to arrive here, so it is larger where there are more jobs."""
INSTRUMENTED = Path(__file__).parents[1] / "integration" / "backends" / "instrumented.py"


@dataclass
class Setting:
    """What an engine is given, and what ends a round: all has arrived."""

    middleware: Sequence[object] = ()
    sinks: Sequence[Any] = ()
    flush: list[Callable[[], object]] = field(default_factory=list[Callable[[], object]])


Make = Callable[[str, int], Setting]


def nothing(_address: str, _n: int) -> Setting:
    return Setting()


def events(_address: str, _n: int) -> Setting:
    return Setting(sinks=[CallbackSink(lambda _event: None)])


def api(_address: str, _n: int) -> Setting:
    return Setting([OpenTelemetryMiddleware()])


def metrics_only(address: str, _n: int) -> Setting:
    meters = meter_provider(address)
    return Setting([OpenTelemetryMiddleware(NoOpTracerProvider(), meters)], flush=[meters.shutdown])


def spans_only(_address: str, _n: int) -> Setting:
    return Setting([OpenTelemetryMiddleware(TracerProvider(shutdown_on_exit=False), NoOpMeterProvider())])


def spans_sent(address: str, n: int) -> Setting:
    tracers = tracer_provider(OTLPSpanExporter(f"{address}/v1/traces"), n)
    return Setting([OpenTelemetryMiddleware(tracers, NoOpMeterProvider())], flush=[tracers.shutdown])


def spans_kept(_address: str, n: int) -> Setting:
    tracers = tracer_provider(InMemorySpanExporter(), n)
    return Setting([OpenTelemetryMiddleware(tracers, NoOpMeterProvider())], flush=[tracers.shutdown])


def everything(address: str, n: int) -> Setting:
    tracers = tracer_provider(OTLPSpanExporter(f"{address}/v1/traces"), n)
    meters = meter_provider(address)
    return Setting([OpenTelemetryMiddleware(tracers, meters)], flush=[tracers.shutdown, meters.shutdown])


def tracer_provider(exporter: SpanExporter, n: int) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=max(QUEUE, 2 * n)))
    return provider


def meter_provider(address: str) -> MeterProvider:
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{address}/v1/metrics"), 1_000)
    return MeterProvider([reader], shutdown_on_exit=False)


SETTINGS: dict[str, Make] = {
    "no middleware": nothing,
    "API only": api,
    "SDK, batch export": spans_kept,
    "spans by OTLP": spans_sent,
    "spans alone": spans_only,
    "events alone": events,
    "metrics alone": metrics_only,
    "all, by OTLP": everything,
}
TARGETS = {"API only": API, "SDK, batch export": SDK, "spans by OTLP": SDK}


async def noop(payload: object) -> object:
    return payload


async def run(setting: Setting, n: int, slots: int) -> float:
    async with Engine(noop, slots=slots, middleware=setting.middleware, sinks=setting.sinks) as engine:
        started = time.perf_counter()
        handles = [await engine.submit(index) for index in range(n)]
        for handle in handles:
            await handle
        return time.perf_counter() - started


@dataclass
class Found:
    """Of each round: seconds of the jobs, of the processor, of sending what was left; what came."""

    seconds: list[float] = field(default_factory=list[float])
    worked: list[float] = field(default_factory=list[float])
    later: list[float] = field(default_factory=list[float])
    arrived: list[dict[str, int]] = field(default_factory=list[dict[str, int]])


def measure(n: int, slots: int, repeat: int) -> dict[str, Found]:
    found = {name: Found() for name in SETTINGS}
    with receiver() as address:
        for make in SETTINGS.values():  # what is loaded and connected the first time is no round
            once(make, address, min(n, 200), slots)
        for _ in range(repeat):
            for name, make in SETTINGS.items():
                seconds, worked, later, arrived = once(make, address, n, slots)
                found[name].seconds.append(seconds)
                found[name].worked.append(worked)
                found[name].later.append(later)
                found[name].arrived.append(arrived)
    return found


def once(make: Make, address: str, n: int, slots: int) -> tuple[float, float, float, dict[str, int]]:
    setting = make(address, n)
    with no_leftovers():
        working = time.process_time()
        seconds = asyncio.run(run(setting, n, slots))
        ended = time.perf_counter()
        for flush in setting.flush:
            flush()
        later = time.perf_counter() - ended
        worked = time.process_time() - working
    return seconds, worked, later, seen(address)


@contextmanager
def no_leftovers() -> Generator[None]:
    """What earlier rounds left is not looked through by the collector of this one, which is on."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def differences(seconds: list[float], floor: list[float], n: int) -> list[float]:
    """Microseconds more per job, round by round."""
    return [(each - least) / n * 1e6 for each, least in zip(seconds, floor, strict=True)]


def summary(found: dict[str, Found], n: int) -> dict[str, Any]:
    floor = found["no middleware"]
    told: dict[str, Any] = {}
    for name, each in found.items():
        more = differences(each.seconds, floor.seconds, n)
        told[name] = {
            "rounds": [seconds / n * 1e6 for seconds in each.seconds],
            "jobs_per_second": n / statistics.median(each.seconds),
            "more_microseconds": statistics.median(more),
            "lowest": min(more),
            "highest": max(more),
            "processor_microseconds": statistics.median(differences(each.worked, floor.worked, n)),
            "seconds_later": statistics.median(each.later),
            "spans": each.arrived[-1]["spans"],
            "orphans": max(arrived["orphans"] for arrived in each.arrived),
        }
        if name in TARGETS:
            met = told[name]["more_microseconds"] <= TARGETS[name]
            told[name] |= {"target": TARGETS[name], "met": met}
    return told


def instrumented(n: int) -> list[dict[str, Any]]:
    """What became of the spans of each set of instrumentations, as the tests of real backends count it."""
    command = [sys.executable, str(INSTRUMENTED), "--jobs", str(n)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    return found


def show_instrumented(sets: list[dict[str, Any]], n: int) -> None:
    print(f"{n:,} jobs with each set of instrumentations")
    for each in sets:
        told = "0 orphans: met" if not each["orphans"] else f"{each['orphans']:,} orphans: MISSED"
        print(
            f"  {each['set']:14} {sum(each['spans'].values()):9,} spans in {each['traces']:,} traces, {told}"
        )


def show(told: dict[str, Any], options: argparse.Namespace) -> None:
    print(
        f"{options.n:,} no-op jobs, {options.slots} slots, median of {options.repeat} rounds; "
        "what is sent goes to a backend in another process"
    )
    print(f"{'':20}{'jobs/s':>8}  {'us/job more':>11} {'(lowest, highest)':>18}  {'processor':>9}")
    for name, each in told.items():
        line = f"{name:20}{each['jobs_per_second']:8,.0f}"
        if name != "no middleware":
            spread = f"({each['lowest']:.0f}, {each['highest']:.0f})"
            line += f"  {each['more_microseconds']:11.1f} {spread:>18}"
            line += f"  {each['processor_microseconds']:9.1f}"
        if "target" in each:
            line += f"  target {each['target']:.0f}: {'met' if each['met'] else 'MISSED'}"
        print(line)
    last = told["all, by OTLP"]
    print(
        f"{last['spans']:,} spans arrived, {last['orphans']} orphans, the last "
        f"{last['seconds_later']:.2f} s after the jobs"
    )
    rounds = told["no middleware"]["rounds"]
    if max(rounds) > BUSY * min(rounds):
        print(
            f"This machine has something else to do: without middleware a job took {min(rounds):.0f} to "
            f"{max(rounds):.0f} us. The processor's column holds all the same."
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument(
        "--instrumentations", action="store_true", help="count orphans with those of frameworks, instead"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="a run of seconds, to see that it works")
    options = parser.parse_args()
    if options.instrumentations:
        sets = instrumented(options.n)
        if options.json:
            print(json.dumps(sets))
        else:
            show_instrumented(sets, options.n)
        return int(any(each["orphans"] for each in sets))
    if options.smoke:
        options.n, options.repeat = 500, 1
    told = summary(measure(options.n, options.slots, options.repeat), options.n)
    if options.json:
        print(json.dumps(told))
    else:
        show(told, options)
    return int(any(each["orphans"] for each in told.values()))


if __name__ == "__main__":
    sys.exit(main())
