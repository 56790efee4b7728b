"""The sinks that need no file."""

import logging
from collections.abc import Iterator

import pytest

from paceline._events import (
    AskedQuestion,
    AttemptAbandoned,
    ErrorText,
    Event,
    EventsDropped,
    JobEnded,
    JobFirstToken,
    JobRetried,
    JobSubmitted,
    JobSuspended,
    RunEnded,
)
from paceline._sinks import CallbackSink, LoggingSink, MemorySink, Sink
from paceline._usage import Usage

FIRST = JobFirstToken(seq=1, job="a", attempt=1)
SECOND = JobFirstToken(seq=2, job="b", attempt=1)
ENDED = JobEnded(seq=3, job="a", lane="default", status="succeeded", attempt=1, output="secret")


def test_memory_keeps_the_events_in_order_and_by_type() -> None:
    sink = MemorySink()
    sink.write([FIRST, ENDED])
    sink.write((SECOND,))
    sink.close()
    assert sink.events == [FIRST, ENDED, SECOND]
    assert sink.of(JobFirstToken) == [FIRST, SECOND]
    assert sink.of(JobRetried) == []


def test_a_callback_gets_each_event() -> None:
    seen: list[Event] = []
    sink = CallbackSink(seen.append)
    sink.write([FIRST, SECOND])
    sink.close()
    assert seen == [FIRST, SECOND]


def test_a_callback_that_raises_still_gets_the_events_after_it() -> None:
    seen: list[Event] = []

    def fragile(event: Event) -> None:
        seen.append(event)
        raise ValueError(event.seq)

    with pytest.raises(ValueError, match="1"):
        CallbackSink(fragile).write([FIRST, SECOND])
    assert seen == [FIRST, SECOND]


def test_a_callback_that_nobody_could_call_or_await_is_refused() -> None:
    async def coroutine_function(event: Event) -> None: ...

    with pytest.raises(TypeError, match=r"plain function.*call_soon_threadsafe"):
        CallbackSink(coroutine_function)
    with pytest.raises(TypeError, match="not 'print'"):
        CallbackSink("print")  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize(
    "sink", [MemorySink(), CallbackSink(print), LoggingSink()], ids=lambda sink: type(sink).__name__
)
def test_chunks_come_only_to_those_who_ask(sink: Sink) -> None:
    assert not getattr(sink, "wants_chunks", False)
    assert MemorySink(chunks=True).wants_chunks
    assert CallbackSink(print, chunks=True).wants_chunks


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, logger="paceline"):
        yield caplog


def test_logging_tells_each_event_in_a_line_and_structured(log: pytest.LogCaptureFixture) -> None:
    event = JobEnded(
        seq=3,
        time=1.5,
        run="r",
        job="a",
        lane="default",
        status="succeeded",
        attempt=1,
        usage=Usage(requests=1),
    )
    sink = LoggingSink()
    sink.write([event])
    sink.close()
    (record,) = log.records
    assert record.name == "paceline"
    assert record.levelno == logging.INFO
    assert record.getMessage() == (
        "job.ended job=a lane=default status=succeeded attempt=1 usage={'requests': 1}"
    )
    assert vars(record)["paceline"] == {
        "v": 1, "seq": 3, "time": 1.5, "run": "r", "type": "job.ended", "job": "a", "lane": "default",
        "status": "succeeded", "attempt": 1, "usage": {"requests": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (FIRST, logging.DEBUG),
        (ENDED, logging.DEBUG),
        (JobEnded(job="a", lane="l", status="cancelled", attempt=1), logging.DEBUG),
        (RunEnded(outcome="completed", counts={}), logging.DEBUG),
        (JobEnded(job="a", lane="l", status="skipped", attempt=0), logging.WARNING),
        (JobRetried(job="a", attempt=1, delay=1.0), logging.WARNING),
        (AttemptAbandoned(job="a", attempt=1, reason="timeout"), logging.WARNING),
        (EventsDropped(sink="s", count=1), logging.WARNING),
        (JobEnded(job="a", lane="l", status="failed", attempt=1), logging.ERROR),
        (RunEnded(outcome="failed", counts={}), logging.ERROR),
    ],
    ids=lambda value: getattr(value, "type", None),
)
def test_logging_is_as_loud_as_the_event_is_bad(
    event: Event, level: int, log: pytest.LogCaptureFixture
) -> None:
    LoggingSink(logging.getLogger("paceline.mine"), level=logging.DEBUG).write([event])
    assert [(record.name, record.levelno) for record in log.records] == [("paceline.mine", level)]


def test_logging_tells_no_content(log: pytest.LogCaptureFixture) -> None:
    sink = LoggingSink()
    sink.write(
        [
            JobSubmitted(job="a", name="n", executor="x", lane="l", payload="secret"),
            JobSuspended(job="a", attempt=1, questions=(AskedQuestion("1", "secret"),)),
            JobEnded(
                job="a",
                lane="l",
                status="failed",
                attempt=1,
                output="secret",
                error=ErrorText("KeyError", "secret"),
            ),
        ]
    )
    assert "secret" not in repr([vars(record) for record in log.records])
    assert "KeyError" in log.text


def test_a_line_break_in_a_name_forges_no_log_entry(log: pytest.LogCaptureFixture) -> None:
    name = "x\nERROR paceline job.ended job=forged"
    LoggingSink().write([JobSubmitted(job="a", name=name, executor="x", lane="l")])
    assert "\n" not in log.records[0].getMessage()
    assert f"name={name!r}" in log.records[0].getMessage()


def test_a_quiet_logger_gets_nothing(log: pytest.LogCaptureFixture) -> None:
    log.set_level(logging.ERROR, logger="paceline")
    LoggingSink().write([FIRST, ENDED])
    assert log.records == []
