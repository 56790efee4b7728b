"""The event log as a file: what gets into it, what does not, and what damage it bears."""

import errno
import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from paceline._event_lines import UnreadableEvent, dump_event
from paceline._events import (
    AskedQuestion,
    ErrorText,
    Event,
    JobChunk,
    JobEnded,
    JobFirstToken,
    JobProgress,
    JobSubmitted,
    JobSuspended,
    RunEnded,
)
from paceline._jsonl import JsonlSink, read_events

TOLD = "sk-12345"


def first_tokens(*seqs: int) -> list[Event]:
    return [JobFirstToken(seq=seq, time=1.0, run="r", job="j", attempt=1) for seq in seqs]


def seqs(path: Path) -> list[int]:
    return [event.seq for event in read_events(path)]


def telling() -> list[Event]:
    """Make one event of each kind that may hold a piece of somebody's prompt."""
    return [
        JobSubmitted(job="j", name="n", executor="x", lane="l", payload={"prompt": TOLD}, key="k"),
        JobChunk(job="j", attempt=1, chunk=TOLD),
        JobSuspended(job="j", attempt=1, questions=(AskedQuestion("1", TOLD),)),
        JobEnded(
            job="j",
            lane="l",
            status="failed",
            attempt=1,
            output=[TOLD],
            error=ErrorText("ValueError", TOLD),
        ),
        RunEnded(outcome="failed", counts={}, error=ErrorText("ValueError", TOLD)),
    ]


def log_of(path: Path, events: list[Event], **options: Any) -> list[dict[str, Any]]:
    sink = JsonlSink(path, **options)
    sink.write(events)
    sink.close()
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_what_is_written_is_read_back_at_once(path: Path) -> None:
    sink = JsonlSink(path)
    assert seqs(path) == []
    sink.write(first_tokens(1, 2))
    assert list(read_events(path)) == first_tokens(1, 2)
    sink.write(first_tokens(3))
    assert seqs(str(path)) == [1, 2, 3]  # type: ignore[arg-type]  # a string is a path too
    sink.close()
    sink.close()


def test_a_new_log_replaces_the_old_one_unless_it_appends(path: Path) -> None:
    for append, expected in ((False, [1]), (True, [1, 1]), (False, [1])):
        log_of(path, first_tokens(1), append=append)
        assert seqs(path) == expected
    path.unlink()
    log_of(path, first_tokens(1), append=True)
    assert seqs(path) == [1]


def test_by_default_nothing_of_the_content_is_in_the_log(path: Path) -> None:
    found = log_of(path, telling(), chunks=True)
    assert TOLD not in path.read_text()
    assert [sorted({"payload", "chunk", "output"} & each.keys()) for each in found] == [[]] * 5
    assert found[2]["questions"] == [{"id": "1"}]
    assert found[3]["error"] == {"type": "ValueError", "message": ""}
    assert found[0]["key"] == "k"
    assert len(list(read_events(path))) == 5


def test_full_content_is_all_of_it(path: Path) -> None:
    long = "x" * 5000
    event = JobSubmitted(job="j", name="n", executor="x", lane="l", payload={"prompt": long})
    found = log_of(path, [*telling(), event], content="full")
    assert found[0]["payload"] == {"prompt": TOLD}
    assert (found[1]["chunk"], found[2]["questions"][0]["value"], found[3]["output"]) == (
        TOLD,
        TOLD,
        [TOLD],
    )
    assert found[3]["error"]["message"] == found[4]["error"]["message"] == TOLD
    assert found[5]["payload"] == {"prompt": long}


def test_a_snippet_is_the_first_200_characters(path: Path) -> None:
    long = "x" * 5000
    events: list[Event] = [
        JobChunk(job="j", attempt=1, chunk=value)
        for value in (long, [long], list(range(5000)), [1, {"a": 2}], "é", 7)
    ]
    error = JobEnded(job="j", lane="l", status="failed", attempt=1, error=ErrorText("E", long))
    found = log_of(path, [*events, error], content="snippet")
    assert [each.get("chunk") for each in found[:6]] == [
        "x" * 200 + "…",
        '["' + "x" * 198 + "…",
        json.dumps(list(range(5000)), separators=(",", ":"))[:200] + "…",
        [1, {"a": 2}],
        "é",
        7,
    ]
    assert found[6]["error"]["message"] == "x" * 200 + "…"


@pytest.mark.parametrize("content", ["none", "snippet", "full"])
def test_every_value_that_a_user_gave_passes_the_redactor(path: Path, content: str) -> None:
    def mask(value: Any) -> object:
        return json.loads(json.dumps(value).replace(TOLD, "***"))

    events = [
        *telling(),
        JobProgress(job="j", attempt=1, message=f"reading {TOLD}"),
        JobSubmitted(job="j", name="n", executor="x", lane="l", metadata={"a": TOLD, "b": [TOLD], "c": 1}),
    ]
    found = log_of(path, events, content=content, redact=mask)
    assert TOLD not in path.read_text()
    assert found[5]["message"] == "reading ***"
    assert found[6]["metadata"] == {"a": "***", "b": ["***"], "c": 1}
    assert ("***" in json.dumps(found[:5])) == (content != "none")


def test_a_redactor_that_edits_in_place_does_not_touch_the_job(path: Path) -> None:
    def strip(value: Any) -> object:
        del value["password"]
        return value

    payload = {"user": "me", "password": TOLD}
    event = JobSubmitted(job="j", name="n", executor="x", lane="l", payload=payload)
    assert log_of(path, [event], content="full", redact=strip)[0]["payload"] == {"user": "me"}
    assert payload["password"] == TOLD


def test_a_redactor_may_return_what_json_cannot_say(path: Path) -> None:
    event = JobEnded(job="j", lane="l", status="failed", attempt=1, output="x", error=ErrorText("E", "m"))
    found = log_of(path, [event], content="full", redact=type)
    assert found[0]["output"] == found[0]["error"]["message"] == "<class 'str'>"


def test_a_redactor_that_raises_leaks_nothing_and_is_named_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(value: object) -> object:
        raise KeyError(value)

    sink = JsonlSink(path, content="full", redact=broken)
    sink.write(telling())
    sink.close()
    assert TOLD not in path.read_text() + caplog.text
    assert path.read_text().count("<redaction failed>") == sink.redaction_failures == 6
    assert [record.getMessage() for record in caplog.records] == [
        "redact raised KeyError; such content is replaced by a marker"
    ]


def test_a_content_that_does_not_exist_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match=r"content must be one of .*'snippet'.* not 'some'"):
        JsonlSink(path, content="some")  # type: ignore[arg-type]  # the mistake under test
    assert not path.exists()


def test_a_path_that_cannot_be_written_is_refused_when_the_sink_is_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"the folder .*missing does not exist.*events\.jsonl"):
        JsonlSink(tmp_path / "missing" / "events.jsonl")
    with pytest.raises(IsADirectoryError, match="cannot write the event log: Is a directory"):
        JsonlSink(tmp_path)
    with pytest.raises(OSError, match="cannot write the event log"):
        JsonlSink("/proc/version", append=True)


def test_a_torn_last_line_is_read_past_in_silence(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Wherever the writer was killed: the events before it come, the torn one never raises or warns."""
    whole = b"".join(map(dump_event, first_tokens(1, 2)))
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        complete = whole[:length].count(b"\n") + (length in {len(whole) // 2 - 1, len(whole) - 1})
        assert seqs(path) == [1, 2][:complete]
    assert caplog.records == []


def test_a_damaged_line_is_reported_with_its_number_and_skipped(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [dump_event(event) for event in first_tokens(1, 2, 3)]
    path.write_bytes(lines[0] + b"\n" + lines[1][:20] + b"\n" + lines[2])
    found: list[tuple[int, UnreadableEvent]] = []
    events = list(read_events(path, on_error=lambda number, error: found.append((number, error))))
    assert [event.seq for event in events] == [1, 3]
    assert [number for number, _ in found] == [3]
    assert "not JSON" in str(found[0][1])
    assert caplog.records == []
    assert seqs(path) == [1, 3]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"{path}:3: skipped: not an event: not JSON" in caplog.text


def test_appending_to_a_torn_log_starts_on_a_new_line(path: Path) -> None:
    path.write_bytes(dump_event(first_tokens(1)[0]) + dump_event(first_tokens(2)[0])[:30])
    log_of_path = JsonlSink(path, append=True)
    log_of_path.write(first_tokens(3))
    log_of_path.write(first_tokens(4))
    log_of_path.close()
    damaged: list[int] = []
    assert [event.seq for event in read_events(path, on_error=lambda number, _: damaged.append(number))] == [
        1,
        3,
        4,
    ]
    assert damaged == [2]


def test_after_a_write_that_failed_half_way_the_log_goes_on_in_a_new_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the disk is full for a while."""
    sink = JsonlSink(path)
    file = sink._file  # pyright: ignore[reportPrivateUsage]  # the file system is what fails here
    short = FullDisk(file, room=30)
    monkeypatch.setattr(sink, "_file", short)
    with pytest.raises(OSError, match="No space left"):
        sink.write(first_tokens(1, 2))
    short.room = 10_000
    sink.write(first_tokens(3))
    sink.write(first_tokens(4))
    sink.close()
    damaged: list[int] = []
    assert [event.seq for event in read_events(path, on_error=lambda number, _: damaged.append(number))] == [
        3,
        4,
    ]
    assert damaged == [1]
    assert path.read_bytes().count(b"\n") == 3


class FullDisk:
    """Takes what there is room for, a few bytes at a time, then refuses."""

    def __init__(self, file: Any, room: int) -> None:
        self.file = file
        self.room = room

    def write(self, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written: int = self.file.write(data[: min(self.room, 7)])
        self.room -= written
        return written

    def close(self) -> None:
        self.file.close()


def test_a_pipe_that_is_full_is_an_error_not_a_busy_loop(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        sink = JsonlSink(pipe, append=True)
        os.set_blocking(sink._file.fileno(), False)  # pyright: ignore[reportPrivateUsage]  # as a shell may hand it over
        with pytest.raises(BlockingIOError, match="takes no more for now"):
            sink.write(first_tokens(*range(10_000)))
        sink.close()
    finally:
        os.close(reader)


def test_a_log_that_is_not_there_is_said_at_the_first_event(path: Path) -> None:
    events = read_events(path)
    with pytest.raises(FileNotFoundError, match=r"events\.jsonl"):
        next(events)
