"""GROUPS.jsonl: checked as a whole, then read lane by lane."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path

import pytest

from paceline_integrations.cli._errors import CommandError
from paceline_integrations.cli.groups_file import GroupsFile, Member

SHAPE = '{"group": "...", "primer": ..., "followers": [...]}'


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "groups.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(path: Path) -> list[str]:
    with pytest.raises(CommandError) as caught:
        GroupsFile(path)
    assert caught.value.code == 2
    return [line.replace(str(path), "F") for line in caught.value.lines]


def test_groups_are_read_lane_by_lane_with_the_place_of_their_first_job(tmp_path: Path) -> None:
    lines = [
        {"group": "a", "lane": "x", "primer": 1, "followers": [2, 3]},
        {"group": "b", "followers": [4]},
        {"group": "c", "lane": "x", "primer": 5},
    ]
    path = write(tmp_path, "\n\n".join(map(json.dumps, lines)))
    with GroupsFile(path) as groups:
        assert (groups.jobs, groups.groups, groups.lanes) == (5, 3, ["x", "default"])
        assert [(first, line.group) for first, line in groups.lines("x")] == [(0, "a"), (4, "c")]
        assert [(first, line.group) for first, line in groups.lines("default")] == [(3, "b")]


def test_lanes_can_be_read_by_turns(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "".join(json.dumps({"group": f"g{n}", "lane": f"l{n % 2}", "primer": n}) + "\n" for n in range(6)),
    )
    with GroupsFile(path) as groups:
        even, odd = groups.lines("l0"), groups.lines("l1")
        assert [next(each)[1].group for _ in range(3) for each in (even, odd)] == [f"g{n}" for n in range(6)]


def test_a_member_is_its_payload_or_a_name_and_a_payload(tmp_path: Path) -> None:
    payload = {"payload": "mine", "page": 3}
    line = {
        "group": "a",
        "primer": {"name": "p", "payload": {"x": 1}},
        "followers": [payload, {"payload": None}, None],
    }
    with GroupsFile(write(tmp_path, json.dumps(line))) as groups:
        ((_, read),) = groups.lines("default")
        primer, followers = read.members()
    assert primer == Member(payload={"x": 1}, name="p")
    assert followers == [Member(payload=payload), Member(payload=None), Member(payload=None)]


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, b'\xef\xbb\xbf{"group": "a", "primer": 1}\r\n{"group": "b", "primer": 2}\r\n')
    with GroupsFile(path) as groups:
        assert [line.group for _, line in groups.lines("default")] == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{oops}", "F:2: not JSON: key must be a string at column 2; expected SHAPE"),
        ("[1]", "F:2: expected an object such as SHAPE, not a list"),
        ('{"primer": 1}', "F:2: 'group' is missing; expected SHAPE"),
        ('{"group": 7, "primer": 1}', "F:2: 'group' must be a text, not a number"),
        ('{"group": "", "primer": 1}', "F:2: 'group' must be a text that is not empty, not an empty one"),
        (
            '{"group": "b", "folowers": [1]}',
            "F:2: unknown key 'folowers'; known: group, lane, primer, followers, metadata",
        ),
        ('{"group": "b", "followers": "x"}', "F:2: 'followers' must be a list, not a text"),
        ('{"group": "b", "lane": 3, "primer": 1}', "F:2: 'lane' must be a text, not a number"),
        ('{"group": "b", "primer": 1, "metadata": []}', "F:2: 'metadata' must be an object, not a list"),
        (
            '{"group": "b", "followers": []}',
            "F:2: group 'b' has no jobs: expected a primer, followers or both",
        ),
        ('{"group": "a", "primer": 1}', "F:2: group 'a' is already on line 1: names must differ"),
        (
            '{"group": "b", "followers": [1, {"name": 5, "payload": 2}]}',
            "F:2: followers[1]: 'name' must be a text, not a number",
        ),
    ],
)  # fmt: skip
def test_a_wrong_line_is_told_with_its_number_and_what_was_expected(
    tmp_path: Path, line: str, said: str
) -> None:
    path = write(tmp_path, f'{{"group": "a", "primer": 0}}\n{line}\n{{"group": "z", "primer": 0}}\n')
    assert refused(path) == [said.replace("SHAPE", SHAPE)]


def test_text_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, '{"group": "a", "primer": "é"}'.encode("latin-1"))
    assert refused(path) == ["F:1: not UTF-8 text: byte 27 of the line is wrong"]


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    (line,) = refused(write(tmp_path, "\n  \n"))
    assert line.startswith("F: there is no group in it; expected one a line: {")


def test_many_wrong_lines_are_told_in_part(tmp_path: Path) -> None:
    lines = refused(write(tmp_path, "x\n" * 9))
    assert [line.partition(": ")[0] for line in lines] == [*(f"F:{n}" for n in range(1, 6)), "F"]
    assert lines[-1] == "F: and 4 more lines are wrong"


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    assert refused(tmp_path / "absent") == ["F: cannot be read: No such file or directory"]
    assert refused(tmp_path) == ["F: cannot be read: Is a directory"]


def test_a_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"group": "a", "primer": 1}')))
    with GroupsFile(Path("-")) as groups:
        assert [line.group for _, line in groups.lines("default")] == ["a"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_read_though_it_cannot_be_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=('{"group": "a", "primer": 1}',))
    writer.start()
    with GroupsFile(path) as groups:
        assert [line.group for _, line in groups.lines("default")] == ["a"]
    writer.join()


def test_a_file_that_changes_under_the_run_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, '{"group": "a", "primer": 1}\n{"group": "b", "primer": 1}\n')
    with GroupsFile(path) as groups:
        path.write_text("short")
        with pytest.raises(CommandError, match="was changed while it was being run"):
            list(groups.lines("default"))
