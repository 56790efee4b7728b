"""Results: in the file as they come, in input order at the end."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from paceline import Attempt, ErrorInfo, JobResult, Question, Usage
from paceline_integrations.cli._errors import CommandError
from paceline_integrations.cli.results import ResultsFile, ResultsStream


def result(number: int, **fields: Any) -> JobResult:
    given: dict[str, Any] = {
        "status": "succeeded",
        "output": number,
        "group": "g",
        "role": "follower",
        **fields,
    }
    return JobResult(id=str(number), name=f"n{number}", key=f"g/follower/{number}", **given)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_is_in_the_file_as_soon_as_it_is_added(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with ResultsFile(path, jobs=3, overwrite=False) as results:
        for done, number in enumerate((2, 0), start=1):
            results.add(number, result(number))
            assert len(rows(path)) == done
        assert [row["index"] for row in rows(path)] == [2, 0]


def test_lines_are_in_input_order_at_the_end_and_those_that_never_came_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with ResultsFile(path, jobs=5, overwrite=False) as results:
        for number in (4, 1, 0):
            results.add(number, result(number, output="ü" * number))
        results.finish()
    assert [row["index"] for row in rows(path)] == [0, 1, 4]
    assert [each.name for each in tmp_path.iterdir()] == ["r.jsonl"]


def test_ordering_keeps_the_mode_of_the_file_and_the_link_to_it(tmp_path: Path) -> None:
    path, link = tmp_path / "r.jsonl", tmp_path / "link"
    path.touch()
    path.chmod(0o640)
    link.symlink_to(path)
    with ResultsFile(link, jobs=2, overwrite=True) as results:
        results.add(1, result(1))
        results.add(0, result(0))
        results.finish()
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [row["index"] for row in rows(path)] == [0, 1]


def test_a_line_tells_what_became_of_a_job(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    error = ErrorInfo("ValueError", "no", "Traceback ...")
    attempts = (Attempt(1, 1.0, 2.0, "failed", error),)
    with ResultsFile(path, jobs=2, overwrite=False) as results:
        results.add(
            0,
            result(
                0, status="failed", output=None, error=error, usage=Usage(input_tokens=3), attempts=attempts
            ),
        )
        results.add(1, result(1, status="suspended", output=None, questions=(Question("1", "May I?", str),)))
    failed, asking = rows(path)
    assert failed["attempts"] == [
        {
            "number": 1,
            "started": 1.0,
            "ended": 2.0,
            "outcome": "failed",
            "error": {"type": "ValueError", "message": "no"},
        }
    ]
    assert set(failed) == {"group", "role", "index", "name", "status", "output", "error", "usage", "attempts"}
    assert failed["error"] == {"type": "ValueError", "message": "no", "traceback": "Traceback ..."}
    assert failed["usage"]["input_tokens"] == 3
    assert asking["questions"] == [{"id": "1", "value": "May I?", "schema": "<class 'str'>"}]


def test_an_output_that_json_cannot_say_is_written_as_text(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    loop: list[Any] = []
    loop.append(loop)
    with ResultsFile(path, jobs=1, overwrite=False) as results:
        results.add(0, result(0, output={"set": {1}, "nan": float("nan"), "loop": loop, "half": "\ud800"}))
    (row,) = rows(path)
    assert row["output"] == {"set": [1], "nan": "nan", "loop": ["<list: contains itself>"], "half": "?"}


def test_a_file_that_exists_is_replaced_only_on_demand(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("precious")
    with pytest.raises(CommandError, match="the file exists; give --overwrite"):
        ResultsFile(path, jobs=1, overwrite=False)
    assert path.read_text() == "precious"
    with ResultsFile(path, jobs=1, overwrite=True) as results:
        results.add(0, result(0))
    assert len(rows(path)) == 1


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nowhere does not exist"):
        ResultsFile(tmp_path / "nowhere" / "r.jsonl", jobs=1, overwrite=False)


def test_a_device_takes_lines_and_needs_no_order() -> None:
    with ResultsFile(Path("/dev/null"), jobs=2, overwrite=False) as results:
        results.add(1, result(1))
        results.add(0, result(0))
        results.finish()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told() -> None:
    with (
        ResultsFile(Path("/dev/full"), jobs=1, overwrite=False) as results,
        pytest.raises(CommandError, match="/dev/full: cannot be written: No space left") as caught,
    ):
        results.add(0, result(0))
    assert caught.value.code == 1


def test_when_nobody_reads_the_stream_any_more_it_ends_without_a_word() -> None:
    def gone(line: str) -> None:
        raise BrokenPipeError

    with pytest.raises(CommandError) as caught:
        ResultsStream(gone).add(0, result(0))
    assert (caught.value.code, caught.value.lines) == (1, ())


@pytest.mark.parametrize("again", [0, 1, 2])
def test_a_later_result_of_the_same_job_takes_the_place_of_the_first(tmp_path: Path, again: int) -> None:
    path = tmp_path / "r.jsonl"
    with ResultsFile(path, jobs=3, overwrite=False) as results:
        for number in range(3):
            results.add(number, result(number, status="failed", output=None))
        results.add(again, result(again))
        assert len(rows(path)) == 4
        results.finish()
    assert [row["status"] == "succeeded" for row in rows(path)] == [number == again for number in range(3)]
    assert [row["index"] for row in rows(path)] == [0, 1, 2]
