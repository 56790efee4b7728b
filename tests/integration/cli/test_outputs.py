"""An output that cannot be written is told in one line, not in a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = "from paceline_integrations.cli import main; main()"


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_a_full_disk_is_told_in_one_line(tmp_path: Path, option: list[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "echo.py").write_text("async def run(payload):\n    return payload\n")
    (tmp_path / "groups.jsonl").write_text('{"group": "a", "followers": [1, 2]}\n')
    command = [sys.executable, "-c", PROGRAM, "run", "groups.jsonl", "--executor", "echo:run", *option]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("paceline: cannot write the output: ")
    assert "Traceback" not in done.stderr
