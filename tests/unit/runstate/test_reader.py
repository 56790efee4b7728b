"""Logs as files: growing, torn, replaced, damaged, or no logs at all."""

from __future__ import annotations

import gc
import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from paceline.events import Event, dump_event
from paceline_integrations.runstate import EmptyLog, LogReader, NotALog, load

from .story import Story


def story_of(*names: str) -> Story:
    story = Story()
    story.ran(*names)
    return story


def lines_of(story: Story) -> list[bytes]:
    return [dump_event(event) for event in story.told]


def written(path: Path, *names: str) -> list[bytes]:
    lines = lines_of(story_of(*names))
    path.write_bytes(b"".join(lines))
    return lines


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def seqs(events: list[Event]) -> list[int]:
    return [event.seq for event in events]


def torn(reader: LogReader) -> bool:
    return reader.torn


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_each_read_gives_what_is_new(log: Path) -> None:
    lines = written(log, "a")
    reader = LogReader(log)
    assert seqs(reader.read()) == [1, 2, 3, 4]
    assert reader.read() == []
    append(log, lines[1])
    assert seqs(reader.read()) == [2]
    assert (reader.events, reader.position, reader.at_end) == (5, log.stat().st_size, True)


def test_a_log_is_read_in_pieces_if_that_is_wanted(log: Path) -> None:
    written(log, *(f"j{each}" for each in range(100)))
    found: list[int] = []
    with LogReader(log) as reader:
        pieces = 0
        while not found or not reader.at_end:
            found += seqs(reader.read(1_000))
            pieces += 1
            assert reader.size == log.stat().st_size
    assert found == list(range(1, 302))
    assert pieces > 20


def test_a_torn_last_line_is_kept_until_it_is_finished(log: Path) -> None:
    lines = written(log, "a")
    reader = LogReader(log)
    reader.read()
    append(log, lines[1][:40])
    assert reader.read() == []
    append(log, lines[1][40:90])
    assert (reader.read(), torn(reader)) == ([], True)
    append(log, lines[1][90:] + lines[2])
    assert (seqs(reader.read()), torn(reader)) == ([2, 3], False)
    assert reader.damaged == 0


def test_a_log_that_was_begun_anew_is_read_from_its_beginning(log: Path) -> None:
    written(log, "a", "b")
    reader = LogReader(log)
    reader.read()
    began = [reader.restarted]
    written(log, "c")
    assert seqs(reader.read()) == [1, 2, 3, 4]
    began.append(reader.restarted)
    assert reader.read() == []
    assert [*began, reader.restarted] == [False, True, False]


def test_a_log_that_was_written_anew_and_longer_is_seen_to_be_another(log: Path) -> None:
    written(log, "a")
    reader = LogReader(log)
    reader.read()
    story = Story("run-2")
    story.ran("b", "c", "d")
    log.write_bytes(b"".join(lines_of(story)))
    assert {event.run for event in reader.read()} == {"run-2"}
    assert reader.restarted


def test_a_renamed_log_is_read_to_its_end_before_the_new_one(log: Path) -> None:
    lines = written(log, "a")
    reader = LogReader(log)
    reader.read()
    log.rename(log.with_suffix(".1"))
    append(log.with_suffix(".1"), lines[1])
    assert seqs(reader.read()) == [2]
    append(log.with_suffix(".1"), lines[2])
    story = Story("run-2")
    log.write_bytes(lines_of(story)[0])
    events = reader.read()
    assert [(event.run, event.seq) for event in events] == [("run-1", 3), ("run-2", 1)]
    assert reader.restarted


def test_damage_in_a_log_is_not_held_against_the_next(log: Path) -> None:
    written(log, "a")
    append(log, b"garbage\n")
    reader = LogReader(log)
    assert len(reader.read()) == 4
    log.write_bytes(b"")
    assert reader.read() == []
    assert (reader.restarted, reader.damaged) == (True, 1)
    written(log, "b")
    assert len(reader.read()) == 4
    log.write_bytes(b"no log\n")
    with pytest.raises(NotALog, match="line 1 is no JSON object"):
        reader.read()


def test_what_was_torn_in_a_renamed_log_is_not_glued_to_the_next(log: Path) -> None:
    lines = written(log, "a")
    append(log, lines[0][:30])
    reader = LogReader(log)
    reader.read()
    log.unlink()
    written(log, "b")
    assert seqs(reader.read()) == [1, 2, 3, 4]
    assert reader.damaged == 0


def test_a_log_that_is_not_there_yet_says_so_and_is_read_once_it_is(log: Path) -> None:
    reader = LogReader(log)
    with pytest.raises(FileNotFoundError):
        reader.read()
    written(log, "a")
    assert len(reader.read()) == 4


def test_a_folder_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        LogReader(tmp_path).read()


def test_damaged_lines_are_counted_and_the_first_are_told(log: Path) -> None:
    lines = written(log, "a")
    ill_formed = json.dumps({"v": 1, "seq": 9, "type": "job.started", "job": 7}).encode()
    damage = [b"garbage\n", b"{\n", ill_formed + b"\n", b"\xff\xfe\n", lines[0][:50] + lines[1]]
    log.write_bytes(lines[0] + b"".join(damage * 3) + b"\n   \n" + lines[1])
    reader = LogReader(log)
    assert seqs(reader.read()) == [1, 2]
    assert (reader.damaged, len(reader.damages)) == (15, 5)
    assert reader.damages[0].startswith("line 2: not an event: not JSON")
    assert reader.damages[2].startswith("line 4: an ill-formed job.started event")
    assert all(len(each) <= 300 for each in reader.damages)


def test_events_that_only_a_later_version_knows_are_no_damage(log: Path) -> None:
    lines = written(log, "a")
    later = json.dumps({"v": 1, "seq": 5, "time": 1.0, "run": "r", "type": "job.dreamt", "job": "a"}).encode()
    append(log, later + b"\n" + lines[1])
    reader = LogReader(log)
    assert len(reader.read()) == 5
    assert (reader.damaged, reader.unknown) == (0, 1)


def test_a_line_of_more_than_ten_megabytes_is_passed_over_in_bounded_memory(log: Path) -> None:
    lines = written(log, "a")
    with log.open("ab") as file:
        file.write(b'{"v":1,"payload":"')
        for _ in range(40):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + lines[1])
    del file
    reader = LogReader(log)
    gc.collect()
    tracemalloc.start()
    try:
        found = seqs(reader.read())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == [1, 2, 3, 4, 2]
    assert (reader.damaged, reader.damages) == (1, ["up to line 6: a line of more than 10 MB"])
    assert peak < 30_000_000


def test_a_long_line_within_the_limit_is_read(log: Path) -> None:
    story = story_of("a")
    story.submit("big", payload="x" * 5_000_000)
    log.write_bytes(b"".join(lines_of(story)))
    assert load(log).jobs["big"].payload == "x" * 5_000_000


def test_lone_surrogates_damage_their_line_only(log: Path) -> None:
    lines = written(log, "a")
    append(log, lines[1].replace(b'"name":"a"', b'"name":"\\ud800"') + lines[2])
    reader = LogReader(log)
    assert len(reader.read()) == 5
    assert reader.damaged == 1


def test_zeros_where_lines_were_before_are_passed_over(log: Path) -> None:
    """So looks a file that was emptied while its writer went on where it was."""
    lines = written(log, "a")
    log.write_bytes(b"\0" * 5_000 + lines[2] + lines[3])
    reader = LogReader(log)
    assert seqs(reader.read()) == [3, 4]
    assert reader.damaged == 0


HEAD = b'"seq":1,"time":1.0,"run":"r","type":"run.started"}\n'


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"hello\n", "line 1 is no JSON object"),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 3_000, "line 1 is no JSON object"),
        (b"\n\n[1, 2]\n{}\n", "line 3 is no JSON object"),
        (b'{"level": "info"}\n' * 50, "line 1 is a JSON object, but no event"),
        (
            b'{"v":1,' + HEAD,
            "line 1 is an ill-formed run.started event: slots: Field required; lanes: Field",
        ),
        (b"x" * 11_000_000 + b"\n", "up to line 1: a line of more than 10 MB"),
    ],
)
def test_what_is_no_log_is_told_in_a_line(log: Path, data: bytes, said: str) -> None:
    log.write_bytes(data)
    with pytest.raises(NotALog) as caught:
        LogReader(log).read()
    assert str(caught.value).startswith(f"{log} is no event log of paceline: {said}")
    with pytest.raises(NotALog):
        load(log)


def test_a_log_of_another_version_says_so(log: Path) -> None:
    log.write_bytes(b'{"v":2,' + HEAD)
    with pytest.raises(NotALog) as caught:
        LogReader(log).read()
    said = "is an event log of version 2, and this paceline reads version 1"
    assert str(caught.value) == f"{log} {said}: use the paceline that wrote it, or a newer one"


def test_a_large_file_that_is_no_log_is_not_read_to_its_end(log: Path) -> None:
    log.write_bytes(b"some text that is no JSON\n" * 200_000)
    reader = LogReader(log)
    with pytest.raises(NotALog):
        reader.read(1 << 16)
    assert reader.position < 100_000


def test_a_log_that_begins_within_a_line_is_one(log: Path) -> None:
    lines = written(log, "a")
    log.write_bytes(lines[0][30:] + b"".join(lines[1:]))
    reader = LogReader(log)
    assert seqs(reader.read()) == [2, 3, 4]
    assert reader.damaged == 1


@pytest.mark.parametrize("torn", [0, 18])
def test_a_log_with_nothing_in_it_yet_is_waited_for(log: Path, torn: int) -> None:
    first = lines_of(story_of("a"))[0]
    log.write_bytes(b"\n\n" + first[:torn])
    reader = LogReader(log)
    assert reader.read() == []
    with pytest.raises(EmptyLog, match=r"events\.jsonl has no event in it yet$"):
        load(log)
    append(log, first[torn:])
    assert seqs(reader.read()) == [1]


def test_loading_gives_the_state_at_the_end(log: Path) -> None:
    story = story_of("a", "b")
    story.submit("c")
    log.write_bytes(b"".join(lines_of(story)) + b'{"torn')
    state = load(log)
    assert (state.counts, state.run.id, state.now) == (story.state.counts, "run-1", 1_000.0)


def test_a_reader_that_is_let_go_closes_its_file(log: Path) -> None:
    written(log, "a")
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("this system does not list a process's open files")

    def open_ones() -> int:
        return sum(os.path.realpath(each) == str(log.resolve()) for each in folder.iterdir())

    reader = LogReader(log)
    reader.read()
    assert open_ones() == 1
    del reader
    gc.collect()
    assert open_ones() == 0


@given(data=st.data(), names=st.integers(1, 6))
@settings(max_examples=60)
def test_in_whichever_pieces_a_log_is_written_and_read_the_events_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, names: int
) -> None:
    log = tmp_path_factory.mktemp("log") / "events.jsonl"
    whole = b"".join(lines_of(story_of(*(f"j{each}" for each in range(names)))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    reader = LogReader(log)
    found: list[Event] = []
    log.touch()
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        append(log, whole[start:end])
        most = data.draw(st.none() | st.integers(1, 500))
        found += reader.read(most)
    while not reader.at_end:
        found += reader.read()
    assert found == story_of(*(f"j{each}" for each in range(names))).told


@given(st.binary(max_size=300), st.integers(0, 4))
def test_whatever_bytes_are_in_a_log_its_events_are_read(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int
) -> None:
    log = tmp_path_factory.mktemp("log") / "events.jsonl"
    lines = lines_of(story_of("a"))
    log.write_bytes(b"".join([*lines[:place], b"\n", noise, b"\n", *lines[place:]]))
    assert len(LogReader(log).read()) == 4


@given(st.binary(max_size=300))
def test_whatever_a_file_holds_it_is_read_or_refused_in_a_line(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    log = tmp_path_factory.mktemp("log") / "events.jsonl"
    log.write_bytes(noise)
    reader = LogReader(log)
    try:
        reader.read()
    except NotALog as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - most files are refused, not all
    assert reader.events == 0
