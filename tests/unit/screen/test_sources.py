"""Logs as the screen reads them: as they grow, and played again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from paceline_integrations.runstate import LogReader, NotALog
from paceline_integrations.screen import Follow, Replay, moment


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time: float = 0.0

    def __call__(self) -> float:
        return self.time


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def catch_up(source: Follow | Replay) -> None:
    while source.advance(1.0):
        pass


def part_read(source: Follow | Replay) -> float | None:
    return source.progress


def test_a_replay_takes_the_time_that_the_run_took(contracts: Path) -> None:
    watch = Watch()
    source = Replay(contracts, clock=watch)
    catch_up(source)
    assert source.state.counts.succeeded == 0
    watch.time = 10.0
    catch_up(source)
    assert source.now - source.begin == pytest.approx(10.0)
    assert 0 < source.state.counts.succeeded < 20
    watch.time = 100.0
    catch_up(source)
    assert source.over
    assert source.state.run.outcome == "completed"
    assert source.now == source.end


def test_a_replay_may_be_faster(contracts: Path) -> None:
    watch = Watch()
    source = Replay(contracts, speed=2.0, clock=watch)
    catch_up(source)
    watch.time = 5.0
    catch_up(source)
    assert source.now - source.begin == pytest.approx(10.0)


def test_a_paused_replay_stands_still_and_goes_on_from_there(contracts: Path) -> None:
    watch = Watch()
    source = Replay(contracts, clock=watch)
    catch_up(source)
    source.pause(wanted=True)
    watch.time = 30.0
    catch_up(source)
    assert source.now == source.begin
    source.pause(wanted=False)
    watch.time = 31.0
    catch_up(source)
    assert source.now - source.begin == pytest.approx(1.0)


def test_speeds_have_bounds(contracts: Path) -> None:
    source = Replay(contracts, clock=Watch())
    for _ in range(30):
        source.faster(1)
    assert source.speed == 1024.0
    for _ in range(30):
        source.faster(-1)
    assert source.speed == 0.1


def test_a_replay_begins_where_it_is_told_to(contracts: Path) -> None:
    source = Replay(contracts, start=21.0, clock=Watch())
    assert part_read(source) == 0.0
    catch_up(source)
    assert part_read(source) is None
    assert source.now - source.begin == pytest.approx(21.0)
    last = Replay(contracts, last=5.0, clock=Watch())
    catch_up(last)
    assert last.end - last.now == pytest.approx(5.0)


def test_going_back_shows_what_was_known_then(contracts: Path) -> None:
    source = Replay(contracts, start=30.0, clock=Watch())
    catch_up(source)
    before = Replay(contracts, start=10.0, clock=Watch())
    catch_up(before)
    source.jump(-20.0)
    catch_up(source)
    assert source.state.counts == before.state.counts
    assert source.now == pytest.approx(before.now)


def test_going_on_leaps_over_a_time_in_which_nothing_happens(tmp_path: Path, contracts: Path) -> None:
    events = [json.loads(line) for line in lines(contracts)]
    for event in events[200:]:
        event["time"] += 7_200.0
    path = tmp_path / "gap.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    watch = Watch()
    source = Replay(path, clock=watch)
    catch_up(source)
    watch.time = events[199]["time"] - events[0]["time"] + 1.0
    catch_up(source)
    assert source.note.startswith("quiet for 1 h 59 min")
    source.jump(10.0)
    catch_up(source)
    assert source.now == pytest.approx(events[200]["time"])


def test_a_moment_is_seconds_or_a_time_on_the_clock() -> None:
    begin = 1_000_000.0  # 13:46:40
    assert moment("90", begin) == 90.0
    assert moment("0.5", begin) == 0.5
    assert moment("13:47", begin) == 20.0
    assert moment("13:46:45", begin) == 5.0
    assert moment("01:00", begin) == pytest.approx(11 * 3600 + 13 * 60 + 20)


@pytest.mark.parametrize("text", ["", "soon", "-1", "nan", "inf", "25:00", "12:61", "1:2:3"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected seconds from the start|no time of day"):
        moment(text, 1_000_000.0)


def test_an_empty_log_cannot_be_replayed(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.touch()
    with pytest.raises(NotALog, match="nothing in it"):
        Replay(path)


def test_the_end_is_found_behind_a_torn_line(contracts: Path, tmp_path: Path) -> None:
    path = tmp_path / "torn.jsonl"
    path.write_bytes(contracts.read_bytes() + b'{"v":1,"seq":9')
    assert Replay(path).end == Replay(contracts).end


def test_the_end_is_found_behind_a_line_larger_than_what_is_looked_at(
    contracts: Path, tmp_path: Path
) -> None:
    path = tmp_path / "long.jsonl"
    path.write_bytes(contracts.read_bytes() + b'{"x":"' + b"y" * 200_000 + b'"}\n')
    assert Replay(path).end == Replay(contracts).end


def test_following_waits_for_the_file_and_then_for_its_first_event(tmp_path: Path, contracts: Path) -> None:
    path = tmp_path / "events.jsonl"
    source = Follow(LogReader(path), clock=Watch())
    assert not source.advance(1.0)
    assert source.nothing == f"Waits for {path} to be there."
    path.touch()
    source.advance(1.0)
    assert source.nothing == f"Waits for the first event in {path}."
    path.write_bytes(contracts.read_bytes())
    catch_up(source)
    assert source.state.run.outcome == "completed"


def test_what_is_written_is_followed_on_to_the_middle_of_a_line(tmp_path: Path, contracts: Path) -> None:
    path, whole = tmp_path / "events.jsonl", contracts.read_bytes()
    source = Follow(LogReader(path), clock=Watch())
    seen = 0
    for end in range(0, len(whole), 10_007):
        path.write_bytes(whole[:end])
        catch_up(source)
        assert source.state.version >= seen
        seen = source.state.version
    path.write_bytes(whole)
    catch_up(source)
    assert source.state.version == len(lines(contracts))
    assert source.note == ""


def test_a_log_that_is_replaced_is_followed_on(tmp_path: Path, contracts: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(contracts.read_bytes())
    source = Follow(LogReader(path), clock=Watch())
    catch_up(source)
    other = tmp_path / "other.jsonl"
    other.write_bytes(b"".join(lines(contracts)[:100]).replace(b"2026-11-20-contracts", b"another"))
    os.replace(other, path)  # noqa: PTH105 - as a program that rotates its log does it
    catch_up(source)
    assert source.state.run.id == "another"
    assert source.state.run.outcome is None


def test_a_log_that_is_gone_for_a_moment_is_waited_for(tmp_path: Path, contracts: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(lines(contracts)[:100]))
    source = Follow(LogReader(path), clock=Watch())
    catch_up(source)
    path.unlink()
    assert not source.advance(1.0)
    path.write_bytes(contracts.read_bytes())
    catch_up(source)
    assert source.state.run.outcome == "completed"


def test_damaged_lines_are_told_of(tmp_path: Path, contracts: Path) -> None:
    path = tmp_path / "events.jsonl"
    first, *rest = lines(contracts)
    path.write_bytes(first + b"\xff\xfe\n{}\n" + b"".join(rest))
    source = Follow(LogReader(path), clock=Watch())
    catch_up(source)
    assert source.note == "2 damaged lines passed over"


def test_a_paused_picture_leaves_what_comes_in_the_file(tmp_path: Path, contracts: Path) -> None:
    path, every = tmp_path / "events.jsonl", lines(contracts)
    path.write_bytes(b"".join(every[:100]))
    source = Follow(LogReader(path), clock=Watch())
    catch_up(source)
    source.pause(wanted=True)
    path.write_bytes(b"".join(every))
    assert not source.advance(1.0)
    assert source.state.version == 100
    source.pause(wanted=False)
    catch_up(source)
    assert source.state.version == len(every)


def test_the_time_goes_on_while_a_run_does_and_stops_with_it(tmp_path: Path, contracts: Path) -> None:
    path, every, watch = tmp_path / "events.jsonl", lines(contracts), Watch()
    path.write_bytes(b"".join(every[:300]))
    source = Follow(LogReader(path), clock=watch)
    catch_up(source)
    last = source.state.now
    watch.time = last + 60.0
    assert source.now == last + 60.0
    watch.time = last + 86_400.0  # nobody writes any more: it was killed
    assert source.now == last
    path.write_bytes(b"".join(every))
    catch_up(source)
    watch.time = source.state.now + 60.0
    assert source.now == source.state.now


def test_a_large_log_is_taken_in_slices_and_says_how_far_it_is(tmp_path: Path, contracts: Path) -> None:
    path = tmp_path / "large.jsonl"
    path.write_bytes(contracts.read_bytes() * 8)
    source = Follow(LogReader(path), clock=Watch())
    assert source.advance(0.0001)
    assert 0 < (part_read(source) or 0) < 1
    catch_up(source)
    assert part_read(source) is None
    assert source.state.earlier_runs == 7
