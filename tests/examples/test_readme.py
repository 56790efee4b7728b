"""What the READMEs show is true: code runs, commands have the options shown, links lead somewhere."""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / ".github" / "CONTRIBUTING.md",
    *(ROOT / folder / "README.md" for folder in ("core", "adapters", "integrations", "examples", "tests")),
]
BLOCK = re.compile(
    r"(?:^<!-- command: (?P<mark>\w+) -->\n)?^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")


class Block(NamedTuple):
    """One fenced block of a document."""

    document: Path
    line: int
    mark: str | None
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block: prompts, comments and continued lines undone."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.removeprefix("$ ") for line in lines if line.strip() and not line.startswith("#")]


def read_blocks() -> Iterator[Block]:
    for document in DOCUMENTS:
        text = document.read_text()
        for found in BLOCK.finditer(text):
            line = text.count("\n", 0, found.start("language")) + 1
            yield Block(document, line, found["mark"], found["language"], found["text"])


BLOCKS = list(read_blocks())
PYTHON = [block for block in BLOCKS if block.language in {"python", "py"}]
MERMAID = [block for block in BLOCKS if block.language == "mermaid"]
SHELL = [block for block in BLOCKS if block.language in {"sh", "bash", "shell", "console"}]
PACELINE = [
    (block.place, words[words.index("paceline") + 1 :])
    for block in SHELL
    for command in block.commands
    for part in re.split(r"&&|\|\||;|\|", command)
    if "paceline" in (words := [Path(word).name for word in shlex.split(part, comments=True)])
    and "install" not in words
]


def place_of(block: Block) -> str:
    return block.place


@pytest.mark.parametrize("block", PYTHON, ids=place_of)
def test_python_block_runs_alone_and_offline(
    block: Block, run_script: Callable[[Path], "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    script = tmp_path / "block.py"
    script.write_text("\n" * block.line + block.text)  # so that a traceback names the line of the document
    done = run_script(script)
    assert done.returncode == 0, f"{block.place}\n{done.stderr}"


@pytest.mark.parametrize("block", MERMAID, ids=place_of)
def test_picture_is_what_the_code_above_it_draws(
    block: Block, run_script: Callable[[Path], "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    code = [each for each in PYTHON if each.document == block.document and each.line < block.line][-1]
    named = re.search(r'^title: "(\w+)"$', block.text, re.MULTILINE)
    assert named, f"{block.place}: a picture begins with the title that to_mermaid() gives it"
    script = tmp_path / "picture.py"
    script.write_text(f"{code.text}\nprint('picture:')\nprint({named[1]}.to_mermaid(), end='')\n")
    done = run_script(script)
    assert done.returncode == 0, f"{code.place}\n{done.stderr}"
    assert done.stdout.partition("picture:\n")[2] == block.text


@pytest.mark.parametrize("block", SHELL, ids=place_of)
def test_shell_block_is_sound(block: Block) -> None:
    done = subprocess.run(["bash", "-n", "-c", "\n".join(block.commands)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("block", BLOCKS, ids=place_of)
def test_block_says_its_language(block: Block) -> None:
    assert block.language, f"{block.place}: a block without a language is neither run nor highlighted"


@pytest.mark.parametrize(
    ("place", "words"), PACELINE, ids=lambda value: value if isinstance(value, str) else ""
)
def test_paceline_command_takes_the_options_shown(place: str, words: list[str]) -> None:
    subcommand = [word for word in words[:1] if not word.startswith("-")]
    shown = [str(Path(sys.executable).with_name("paceline")), *subcommand, "--help"]
    plain = {"COLUMNS": "200", "NO_COLOR": "1"}  # and nothing else: some CI variables switch colours on
    done = subprocess.run(shown, capture_output=True, text=True, env=plain, check=False)
    assert done.returncode == 0, f"{place}: {done.stderr}"
    known = set(re.findall(r"--?[a-z][\w-]*", done.stdout))
    assert {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} <= known


@pytest.mark.parametrize(
    ("mark", "end"), [("demo", ".venv/bin/paceline demo"), ("tests", ".venv/bin/pytest")]
)
def test_readme_has_one_line_that_does_its_own_set_up(mark: str, end: str) -> None:
    (block,) = [block for block in BLOCKS if block.mark == mark]
    (command,) = block.commands
    assert block.document == ROOT / "README.md"
    assert command.startswith("python3 -m venv .venv && ")
    assert command.endswith(f" && {end}")


def test_extras_and_groups_that_are_named_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    text = "".join(document.read_text() for document in DOCUMENTS)
    extras = {
        extra
        for found in re.findall(r'["\'](?:\.|paceline)\[([\w, -]+)\]', text)
        for extra in re.split(r", *", found)
    }
    assert extras
    assert extras <= set(project["project"]["optional-dependencies"])
    assert set(re.findall(r"--group ([\w-]+)", text)) <= set(project["dependency-groups"])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_links_inside_the_repository_lead_somewhere(document: Path) -> None:
    links = LINK.findall(document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_readme_of_core_tells_of_every_module_and_of_no_other() -> None:
    package = ROOT / "core" / "paceline"
    table = [
        line.split("|")[1] for line in (ROOT / "core" / "README.md").read_text().splitlines() if "|" in line
    ]
    told = {pattern: set(package.glob(pattern)) for row in table for pattern in re.findall(r"`([^`]+)`", row)}
    assert [pattern for pattern, found in told.items() if not found] == []
    modules = [*package.iterdir(), *(package / "_graphs").glob("_*.py")]
    there = {path for path in modules if path.suffix == ".py" or path.is_dir()}
    exports = {package / "__init__.py", package / "_graphs" / "__init__.py", package / "__pycache__"}
    untold = there - exports - set().union(*told.values())
    assert sorted(path.name for path in untold) == []
