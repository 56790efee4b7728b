"""The instruments of the metrics, and the few labels that there may be on them."""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider, NoOpMeter, UpDownCounter

from . import _names as names

__all__ = ["Instruments", "Labels"]

# The defaults of the SDK end at 10, of what it takes for milliseconds: an agent may work for half an hour.
_SECONDS: Final = (
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0,
)  # fmt: skip
_RATIOS: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)

_MOST_NAMES: Final = 200
_MOST_ERRORS: Final = 50
_OTHER: Final = "other"
_OTHER_ERROR: Final = "_OTHER"  # the convention's own word for it


class Instruments:
    """The instruments of a sink. A provider gives the same ones to all who ask by these names."""

    def __init__(self, meter_provider: MeterProvider) -> None:
        meter = meter_provider.get_meter(names.INSTRUMENTATION)
        self.depth: UpDownCounter = meter.create_up_down_counter(
            names.QUEUE_DEPTH, "{job}", "Jobs that wait to run"
        )
        self.wait: Histogram = _histogram(
            meter, names.WAIT_DURATION, "s", "How long jobs wait for an attempt", _SECONDS
        )
        self.duration: Histogram = _histogram(
            meter, names.JOB_DURATION, "s", "How long attempts run", _SECONDS
        )
        self.attempts: Counter = meter.create_counter(names.JOB_ATTEMPTS, "{attempt}", "Attempts that ended")
        self.jobs: Counter = meter.create_counter(names.JOBS, "{job}", "Jobs that ended")
        self.tokens: Counter = meter.create_counter(names.TOKENS, "{token}", "Tokens that jobs use")
        self.hit_ratio: Histogram = _histogram(
            meter, names.HIT_RATIO, "1", "Part of a job's input tokens that was cached", _RATIOS
        )
        self.refusals: Counter = meter.create_counter(
            names.REFUSALS, "{refusal}", "Times that a limit held jobs back"
        )
        self.dropped: Counter = meter.create_counter(
            names.EVENTS_DROPPED, "{event}", "Events missing in these metrics"
        )

    @staticmethod
    def measures(meter_provider: MeterProvider) -> bool:
        """Whether anything becomes of it: not with a stand-in of the API, nor an SDK that is turned off."""
        if type(meter_provider).__module__.startswith("opentelemetry.metrics"):
            return False
        return not isinstance(meter_provider.get_meter(names.INSTRUMENTATION), NoOpMeter)


def _histogram(meter: Meter, name: str, unit: str, told: str, bounds: tuple[float, ...]) -> Histogram:
    return meter.create_histogram(name, unit, told, explicit_bucket_boundaries_advisory=bounds)


class Labels:
    """Makes attributes of few values: what is beyond a number of lanes, executors or errors goes by one name.

    One for each provider, however many engines a process opens: it keeps the numbers of each for ever.
    """

    def __init__(self) -> None:
        self._lanes: set[str] = set()
        self._executors: set[str] = set()
        self._errors: set[str] = set()
        self._made: dict[tuple[str | None, ...], dict[str, str]] = {}

    @classmethod
    def of(cls, meter_provider: MeterProvider) -> Labels:
        """The labels of a provider."""
        found = _LABELS.get(meter_provider)
        if found is None:
            found = _LABELS[meter_provider] = cls()
        return found

    def attributes(
        self,
        where: tuple[str, str],
        *,
        outcome: str | None = None,
        error: str | None = None,
        token_type: str | None = None,
    ) -> dict[str, str]:
        """The attributes of something in a lane, at an executor."""
        lane = _few(self._lanes, where[0], _MOST_NAMES, _OTHER)
        executor = _few(self._executors, where[1], _MOST_NAMES, _OTHER)
        error = None if error is None else _few(self._errors, error, _MOST_ERRORS, _OTHER_ERROR)
        key = (lane, executor, outcome, error, token_type)
        found = self._made.get(key)
        if found is None:
            named = zip(
                (names.LANE, names.EXECUTOR, names.OUTCOME, names.ERROR_TYPE, names.TOKEN_TYPE),
                key,
                strict=True,
            )
            found = self._made[key] = {name: value for name, value in named if value is not None}
        return found

    def why(self, why: str) -> dict[str, str]:
        """The attribute of a limit that was reached."""
        return {names.LIMIT_WHY: why}


_LABELS: Final[WeakKeyDictionary[MeterProvider, Labels]] = WeakKeyDictionary()


def _few(known: set[str], name: str, most: int, other: str) -> str:
    if name in known:
        return name
    if len(known) >= most:
        return other
    known.add(name)
    return name
