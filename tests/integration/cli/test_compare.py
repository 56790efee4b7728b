"""`paceline compare`, as a command."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from .conftest import Call

SVG = "{http://www.w3.org/2000/svg}"
SMALL = ("--groups", "12", "--followers", "4", "--document", "800")


def figures(out: str, policy: str) -> list[int]:
    """The tokens that a policy evaluated, on each server."""
    return [
        int(line.removeprefix(f"  {policy}").split()[0].replace(",", ""))
        for line in out.splitlines()
        if line.startswith(f"  {policy} ")
    ]


def test_it_shows_what_each_policy_costs_on_both_kinds_of_servers(paceline: Call) -> None:
    ended = paceline("compare")
    assert ended.code == 0, ended.err
    assert "The same 200 jobs by four policies" in ended.out
    hosted, own = figures(ended.out, "everything at once")
    hosted_first, own_first = figures(ended.out, "followers after its first token")
    hosted_auto, own_auto = figures(ended.out, 'the same, in_flight="auto"')
    assert hosted_first * 3 < hosted
    assert hosted_auto <= 1.02 * hosted_first
    assert own_auto * 2 < min(own, own_first)


def test_it_gives_the_same_numbers_every_time(paceline: Call) -> None:
    assert paceline("compare", *SMALL).out == paceline("compare", *SMALL).out


def test_it_draws_a_picture_where_it_is_told_to(paceline: Call, tmp_path: Path) -> None:
    path = tmp_path / "plot.svg"
    ended = paceline("compare", *SMALL, "--save", str(path))
    assert ended.code == 0, ended.err
    assert f"drawn: {path}" in ended.out
    root = ET.parse(path).getroot()  # noqa: S314 - made a line above
    assert root.tag.endswith("svg")
    assert "60 jobs" in path.read_text(encoding="utf-8")


def test_it_draws_nothing_where_it_is_not_told_to(paceline: Call, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    assert paceline("compare", *SMALL).code == 0
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--groups", "0"), "--groups"),
        (("--followers", "-1"), "--followers"),
        (("--document", "many"), "--document"),
        (("--answer", "0"), "--answer"),
        (("--save", "no/such/folder/plot.svg"), "no/such/folder/plot.svg"),
    ],
)
def test_bad_input_is_one_clear_line(paceline: Call, arguments: tuple[str, str], said: str) -> None:
    ended = paceline("compare", *SMALL, *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert not ended.out


def test_a_group_of_one_has_nothing_to_share(paceline: Call) -> None:
    ended = paceline("compare", "--groups", "3", "--followers", "0", "--document", "100")
    assert ended.code == 0, ended.err
    hosted, own = figures(ended.out, "everything at once")
    assert hosted == own == figures(ended.out, "followers after its first token")[0]


def test_the_picture_in_the_readme_is_the_one_that_the_command_draws(paceline: Call, tmp_path: Path) -> None:
    """If not: `paceline compare --save examples/policies.svg`."""
    shown = Path(__file__).parents[3] / "examples" / "policies.svg"
    path = tmp_path / "plot.svg"
    assert paceline("compare", "--save", str(path)).code == 0
    told = [ET.parse(each).getroot().findtext(f"{SVG}desc") for each in (shown, path)]  # noqa: S314 - our own
    assert told[0] == told[1]
