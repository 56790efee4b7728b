"""Every file of examples/ runs offline, without a key, to exit code 0, and says something."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))


def test_each_idea_of_the_readme_has_an_example() -> None:
    jobs = {"groups", "sessions", "lanes", "limits", "retries", "streaming", "chain"}
    graphs = {"graph_by_hand", "retrieval", "map_reduce", "rag", "agent"}
    assert {example.stem for example in EXAMPLES} >= jobs | graphs


def test_the_readme_of_the_folder_names_every_example() -> None:
    text = (FOLDER / "README.md").read_text()
    assert [example.name for example in EXAMPLES if f"`{example.name}`" not in text] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example_runs(
    example: Path, run_script: Callable[[Path], "subprocess.CompletedProcess[str]"]
) -> None:
    done = run_script(example)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "an example shows its reader something"
