"""Every event is one line of JSON whatever it holds, and comes back as it was."""

import enum
import json
import re
import uuid
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, get_args

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, Field, SecretStr

from paceline._event_lines import UnreadableEvent, dump_event, parse_event
from paceline._events import (
    AskedQuestion,
    AttemptAbandoned,
    AttemptGone,
    CacheMissed,
    ErrorText,
    Event,
    EventsDropped,
    GroupEnded,
    GroupReleased,
    GroupReprimed,
    GroupStarted,
    JobChunk,
    JobEnded,
    JobFirstToken,
    JobProgress,
    JobReplied,
    JobRetried,
    JobStarted,
    JobSubmitted,
    JobSuspended,
    LaneChanged,
    LaneLoad,
    LimitLifted,
    LimitReached,
    PrefixCached,
    QueueSampled,
    RunEnded,
    RunStarted,
    SpanEnded,
    Waits,
)
from paceline._plain import plain
from paceline._usage import Usage

FAILURE = ErrorText("ValueError", "no good")
EVENTS: list[Event] = [
    RunStarted(seq=1, time=1.5, run="r", slots=8, lanes={"default": 1.0}, metadata={"who": "me"}),
    LaneChanged(seq=2, time=1.5, run="r", lane="bulk", weight=2.5, max_running=3, closed=True),
    GroupStarted(seq=3, time=1.5, run="r", group="g", lane="bulk", release="complete", in_flight=2),
    GroupReleased(seq=4, time=1.5, run="r", group="g", by="no_primer"),
    PrefixCached(
        seq=4, time=1.5, run="r", group="g", fingerprint="p", outcome="failed", seconds=2.0, error=FAILURE
    ),
    JobSubmitted(
        seq=5,
        time=1.5,
        run="r",
        job="j",
        name="n",
        executor="default",
        lane="bulk",
        role="follower",
        group="g",
        parent="p",
        key="k",
        priority=3,
        after=("a", "b"),
        metadata={"x": [1, None]},
        payload={"q": "?"},
    ),
    JobStarted(seq=6, time=1.5, run="r", job="j", lane="bulk", group="g", attempt=1, waited=0.5),
    JobFirstToken(seq=7, time=1.5, run="r", job="j", attempt=1),
    JobChunk(seq=8, time=1.5, run="r", job="j", attempt=1, chunk="Hel"),
    JobProgress(seq=9, time=1.5, run="r", job="j", attempt=1, message="half", fraction=0.5),
    JobRetried(
        seq=10, time=1.5, run="r", job="j", attempt=1, error=FAILURE, delay=0.25, usage=Usage(requests=1)
    ),
    AttemptAbandoned(seq=11, time=1.5, run="r", job="j", attempt=1, reason="timeout"),
    AttemptGone(seq=12, time=1.5, run="r", job="j", attempt=1, usage=Usage(input_tokens=3, model="m")),
    JobSuspended(
        seq=13, time=1.5, run="r", job="j", attempt=2, questions=(AskedQuestion("1", {"ok": True}),)
    ),
    JobReplied(seq=14, time=1.5, run="r", job="j", question="1"),
    SpanEnded(
        seq=15,
        time=1.5,
        run="r",
        job="j",
        attempt=1,
        span="s",
        name="plan",
        kind="agent",
        parent="t",
        started=1.0,
        ended=1.5,
        attributes={"model": "m"},
        error=ErrorText("agent", "gone"),
    ),
    JobEnded(
        seq=15,
        time=1.5,
        run="r",
        job="j",
        lane="bulk",
        group="g",
        status="failed",
        attempt=3,
        seconds=2.0,
        usage=Usage(1, 2, 3, 4, 5, 6, 7.0, "m"),
        cost=1.0,
        error=FAILURE,
        output=[1, {"a": None}],
    ),
    LimitReached(seq=15, time=1.5, run="r", limit="gpt-5", why="retry_after", until=9.5),
    LimitLifted(seq=15, time=1.5, run="r", limit="gpt-5", why="circuit"),
    CacheMissed(seq=15, time=1.5, run="r", group="g", job="j", hold=2.0),
    GroupReprimed(seq=15, time=1.5, run="r", group="g", job="j"),
    GroupEnded(seq=16, time=1.5, run="r", group="g", outcome="failed", counts={"failed": 1}),
    QueueSampled(
        seq=16,
        time=1.5,
        run="r",
        slots_used=1,
        waiting=2,
        lanes={"bulk": LaneLoad(2, 1, 3, 2.5, 0.75)},
        waits=(
            Waits("limit", "gpt-5", "waits for its limit, gpt-5", 2, ("j", "k"), 9.5),
            Waits("slot", None, "waits for a free slot", 1, ("l",)),
        ),
        unseen=1,
    ),
    EventsDropped(seq=17, time=1.5, run="r", sink="JsonlSink", count=12),
    RunEnded(seq=18, time=1.5, run="r", outcome="failed", counts={"failed": 1}, error=FAILURE),
]


def submitted(**changes: Any) -> JobSubmitted:
    return replace(JobSubmitted(job="j", name="n", executor="default", lane="default"), **changes)


def refuse(text: str) -> object:
    raise AssertionError(f"not JSON, though Python reads it: {text}")


def written(event: Event) -> Any:
    """Dump an event, check that it is one line of strict JSON which also parses back, and return its data."""
    line = dump_event(event)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert type(parse_event(line)) is type(event)
    return json.loads(line.decode("utf-8"), parse_constant=refuse)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_an_event_comes_back_from_its_line_as_it_was(event: Event) -> None:
    assert parse_event(dump_event(event)) == event
    assert parse_event(dump_event(event).decode()) == event


def test_every_type_is_in_this_test_and_has_a_name_of_its_own() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))
    assert len({event.type for event in EVENTS}) == len(EVENTS)


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_an_event_carries_the_stamp_and_has_no_dict(kind: type[Event]) -> None:
    assert [each.name for each in fields(kind)][:5] == ["v", "seq", "time", "run", "type"]
    assert "__dict__" not in dir(kind)


def test_what_is_unknown_is_left_out_of_the_line() -> None:
    assert set(written(JobFirstToken(job="j", attempt=1))) == {
        "v",
        "seq",
        "time",
        "run",
        "type",
        "job",
        "attempt",
    }
    assert "group" not in written(submitted())


def test_an_unknown_field_of_the_same_version_is_read_past() -> None:
    line = dump_event(EVENTS[6]).replace(b"{", b'{"colour":"red",', 1)
    assert parse_event(line) == EVENTS[6]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "not JSON"),
        (b'{"v":1,"type":"job.st', "not JSON"),
        (b"\x00\xff", "not JSON"),
        (b'{"v":1,"type":"job.chunk","chunk":' + b"[" * 5000 + b"]" * 5000 + b"}", "not JSON"),
        (b"[1]", "a JSON list, where an object was expected"),
        (b'{"v":2,"type":"job.started"}', "version 2; this paceline reads version 1"),
        (b'{"type":"job.started"}', "version None"),
        (b'{"v":1}', "unknown type 'None'; known: attempt.abandoned, attempt.gone"),
        (b'{"v":1,"type":"job.stolen"}', "unknown type 'job.stolen'"),
        (b'{"v":1,"type":["job.started"]}', "unknown type"),
        (
            b'{"v":1,"type":"job.first_token","job":"j"}',
            "ill-formed job.first_token event: attempt: Field required",
        ),
        (
            b'{"v":1,"type":"job.replied","job":{"secret":1},"question":"1"}',
            "job: Input should be a valid string",
        ),
    ],
)
def test_a_line_that_is_no_event_is_refused_with_what_is_wrong(line: bytes, message: str) -> None:
    with pytest.raises(UnreadableEvent, match=re.escape(message)) as caught:
        parse_event(line)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None  # pydantic's message would quote the values
    assert caught.value.__suppress_context__


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class BrokenMapping(Mapping[str, int]):
    def __getitem__(self, key: str) -> int:
        raise RuntimeError

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Word(str):
    __slots__ = ()


class Number(int):
    pass


class Share(float):
    pass


@dataclass
class Login:
    user: str
    password: str = field(repr=False)


class Model(BaseModel):
    text: str
    key: SecretStr
    hidden: str = Field(default="hidden", exclude=True)


IDENTITY = uuid.UUID(int=7)


ODD_VALUES: list[tuple[object, object]] = [
    ("a\nb\r\u2028\u2029\x85\x00", "a\nb\r\u2028\u2029\x85\x00"),
    ("lone \ud800 surrogate", "lone ? surrogate"),
    ({"\udfff": ["\ud800"]}, {"?": ["?"]}),
    ([float("nan"), float("inf"), -float("inf"), 0.5], ["nan", "inf", "-inf", 0.5]),
    (b"bytes \xff", "bytes \ufffd"),
    (bytearray(b"more"), "more"),
    (10**5000, "<int of 16610 bits>"),
    (2**200, 2**200),
    ((1, (2,)), [1, [2]]),
    ({3}, [3]),
    (deque([1, 2]), [1, 2]),
    (MappingProxyType({"a": 1}), {"a": 1}),
    (OrderedDict([("a", 1)]), {"a": 1}),
    (
        {1: "a", None: "b", (1, 2): "d", Colour.RED: "e", b"f": "f", Word("g"): "g"},
        {"1": "a", "null": "b", "(1, 2)": "d", "red": "e", "f": "f", "g": "g"},
    ),
    ({True: 1, False: 2}, {"true": 1, "false": 2}),
    ([Colour.RED, Level.HIGH, Word("w"), Number(4), Share(0.5)], ["red", 3, "w", 4, 0.5]),
    (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02 00:00:00+00:00"),
    ([Decimal("1.50"), PurePosixPath("a/b"), IDENTITY], ["1.50", "a/b", str(IDENTITY)]),
    (Login("me", "secret"), {"user": "me"}),
    (Model(text="t", key=SecretStr("secret")), {"text": "t", "key": "SecretStr('**********')"}),
    (ValueError("x"), "ValueError('x')"),
    (Login, repr(Login)),
    (Broken(), "<Broken: cannot be shown, RuntimeError>"),
    ([1, Broken()], [1, "<Broken: cannot be shown, RuntimeError>"]),
    (BrokenMapping(), "<BrokenMapping: cannot be shown, RuntimeError>"),
]


@pytest.mark.parametrize(("value", "expected"), ODD_VALUES, ids=lambda value: type(value).__name__)
def test_any_value_becomes_json_or_text(value: object, expected: object) -> None:
    assert written(submitted(payload=value))["payload"] == expected
    assert written(submitted(metadata={"x": value}))["metadata"] == {"x": expected}


def test_a_cycle_and_endless_depth_are_cut_with_a_note() -> None:
    cycle: list[object] = [1]
    cycle.append(cycle)
    assert written(submitted(payload=cycle))["payload"] == [1, "<list: contains itself>"]
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert "<list: nested too deeply>" in json.dumps(written(submitted(payload=deep)))
    while deep:  # taken apart by hand: Python frees such a thing by recursion
        deep = deep.pop()  # type: ignore[assignment]  # it holds lists only


def test_a_value_that_occurs_twice_is_no_cycle() -> None:
    shared = {"a": 1}
    assert written(submitted(payload=[shared, shared]))["payload"] == [shared, shared]


@pytest.mark.parametrize("kind", [list, dict])
def test_a_value_that_unfolds_without_end_is_cut(kind: type) -> None:
    """Sixty times twice the one before: no cycle, small in memory, 2**60 values when written out."""
    value: object = "x"
    for _ in range(60):
        value = [value, value] if kind is list else {"left": value, "right": value}
    assert len(dump_event(submitted(payload=value), content="snippet")) < 600
    text = json.dumps(plain(value, most=1000), ensure_ascii=False)
    assert "<cut after 1000 values>" in text
    assert len(text) < 20_000


def test_a_log_neither_uses_up_nor_changes_what_it_writes() -> None:
    stream = iter([1, 2, 3])
    payload = {"stream": stream, "list": [1]}
    assert written(submitted(payload=payload))["payload"]["stream"].startswith("<list_iterator")
    assert payload == {"stream": stream, "list": [1]}
    assert list(stream) == [1, 2, 3]


def test_names_that_are_not_unicode_are_written_too() -> None:
    event = submitted(name="\ud800", group="g\udc80", payload=Usage(requests=1), metadata={"a": 1})
    found = written(event)
    assert (found["name"], found["group"], found["metadata"]) == ("?", "g?", {"a": 1})
    assert "parent" not in found
    hidden = json.loads(dump_event(event, content="none"))
    assert "payload" not in hidden


def test_metadata_that_cannot_be_read_is_replaced_by_a_note() -> None:
    assert written(submitted(metadata=BrokenMapping()))["metadata"] == {
        "…": "<BrokenMapping: cannot be shown, RuntimeError>"
    }


def test_a_progress_message_that_is_no_text_becomes_text() -> None:
    event = JobProgress(job="j", attempt=1, message={"page": 3})  # type: ignore[arg-type]  # users do
    assert written(event)["message"] == "{'page': 3}"


def test_what_a_line_holds_comes_back_as_data_only() -> None:
    """Whatever a payload claims to be, reading it makes no object of any class but JSON's own."""
    claims = {"__class__": "os.system", "py/object": "x", "__reduce__": ["os.system", ["true"]], "$ref": "#"}
    event = parse_event(dump_event(submitted(payload=claims)))
    assert isinstance(event, JobSubmitted)
    assert event.payload == claims
    assert type(event.payload) is dict


texts = st.text(st.characters(exclude_categories=()))
numbers = st.integers() | st.floats() | st.decimals() | st.complex_numbers()
leaves = st.none() | st.booleans() | numbers | st.binary() | st.dates() | texts
keys = texts | st.integers() | st.booleans() | st.none() | st.binary()
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(keys, inner)
        | st.tuples(inner, inner)
        | st.builds(ErrorText, inner, inner)
    ),
    max_leaves=20,
)


@given(values, keys)
def test_no_value_breaks_a_line(value: object, key: object) -> None:
    event = JobEnded(
        job="j", lane="l", status="succeeded", attempt=1, output=value, error=ErrorText(str(key))
    )
    assert written(event)["status"] == "succeeded"
    written(submitted(metadata={key: value}))
    for content in ("none", "snippet", "full"):
        assert dump_event(event, content=content, redact=lambda each: each).count(b"\n") == 1
