"""What the demo reads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from paceline_integrations.cli._errors import CommandError
from paceline_integrations.cli.documents import (
    MOST_FILES,
    MOST_TOKENS,
    own_documentation,
    read_folder,
)


def test_text_and_source_files_are_read_and_all_else_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    for name, content in {
        "b.md": b"# title",
        "a.py": "print('é')".encode(),
        "sub/c.txt": b"text",
        "blank.txt": b" \n",
        "image.bin": b"\x89PNG\0\0",
        "latin.txt": "é".encode("latin-1"),
        ".hidden": b"text",
        ".git/config": b"text",
    }.items():
        (tmp_path / name).write_bytes(content)
    selection = read_folder(tmp_path)
    assert [document.name for document in selection.documents] == ["a.py", "b.md", str(Path("sub/c.txt"))]
    assert selection.documents[0].text == "print('é')"


def test_of_many_files_the_first_are_taken_and_all_are_counted(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 3):
        (tmp_path / f"{number:02}.txt").write_text("text")
    selection = read_folder(tmp_path)
    assert (len(selection.documents), selection.found) == (MOST_FILES, MOST_FILES + 3)


def test_a_long_file_is_cut_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("é" * 200_000)
    (document,) = read_folder(tmp_path).documents
    assert (document.tokens, document.cut) == (MOST_TOKENS, True)


@pytest.mark.parametrize(("name", "said"), [("", "no file of readable text"), ("absent", "no such folder")])
def test_a_folder_without_text_is_told(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        read_folder(tmp_path / name)


def test_the_packages_own_documentation_is_there_however_it_is_installed() -> None:
    documents = {document.name: document.text for document in own_documentation().documents}
    assert "Runs jobs, groups of jobs" in documents["Engine"]
    assert len(documents) > 10


def test_a_file_name_is_made_fit_for_a_terminal(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"red\x1b[31m\xff.txt")).write_text("hello")
    (name,) = [document.name for document in read_folder(tmp_path).documents]
    assert name == "red?[31m?.txt"
