"""The picture of the screen in README: drawn by the project's own commands, from the run of an example."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

pytest.importorskip("textual", reason="the screen needs the extra tui")

EXAMPLES = Path(__file__).parents[3] / "examples"
PICTURE = EXAMPLES / "screen.svg"
DRAWN = ("--screenshot", "screen.svg", "--from", "28", "--size", "132x32")


def words(picture: Path) -> list[str]:
    """What is to be read in it, line by line."""
    return [
        unescape(text).replace("\u00a0", " ").strip()
        for text in re.findall(r"<text[^>]*>([^<]*)</text>", picture.read_text("utf-8"))
    ]


def test_the_picture_in_the_readme_is_what_the_commands_draw(tmp_path: Path) -> None:
    """If not: `TZ=UTC`, `examples/recorded_run.py run.jsonl`, `paceline replay run.jsonl` with `DRAWN`."""
    python, utc = sys.executable, os.environ | {"TZ": "UTC"}
    for command in (
        (python, str(EXAMPLES / "recorded_run.py"), "run.jsonl"),
        (python, "-c", "from paceline_integrations.cli import main; main()", "replay", "run.jsonl", *DRAWN),
    ):
        done = subprocess.run(command, cwd=tmp_path, env=utc, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    drawn = words(tmp_path / "screen.svg")
    assert "9 jobs" in " ".join(drawn)
    assert drawn == words(PICTURE)


def test_the_picture_loads_nothing() -> None:
    text = PICTURE.read_text("utf-8")
    assert not re.search(r"url\(\s*[\"']?(?!#)|@import|<script|href=[\"'](?!#)", text)
