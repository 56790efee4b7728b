"""The command line without its extra."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_a_missing_extra_is_told_with_the_line_that_installs_it(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; import paceline_integrations.cli"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert 'ImportError: the command line needs an extra: pip install "paceline[cli]"' in ended.stderr


@pytest.mark.parametrize("command", ["follow", "replay"])
def test_a_missing_screen_is_told_in_one_line(command: str) -> None:
    program = f"""
import sys
sys.modules["textual"] = None
from paceline_integrations.cli._app import call
sys.exit(call([{command!r}, "events.jsonl"]))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == 'paceline: the screen needs an extra: pip install "paceline[tui]"\n'


def test_help_loads_neither_the_engine_nor_a_provider() -> None:
    program = """
import sys
from paceline_integrations.cli._app import call
call(["run", "--help"])
print(sorted({"paceline", "langchain_core", "openai", "uvicorn", "pydantic_settings"} & sys.modules.keys()))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
