"""How environments are made: once, whole, and with a clear word when they cannot be."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from paceline_integrations.backends import BackendError, Environment, kept_folder
from paceline_integrations.backends.__main__ import main

pytestmark = pytest.mark.timeout(300)  # a busy machine takes its time to make environments


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PACELINE_BACKENDS", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture
def wheel(tmp_path: Path) -> str:
    """A package that needs no network."""
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    about = {"METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n", "RECORD": ""}
    about["WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tiny.py", "SIZE = 1\n")
        for name, text in about.items():
            file.writestr(f"tiny-1.0.dist-info/{name}", text)
    return str(path)


def size(python: Path) -> str:
    command = [str(python), "-c", "import tiny; print(tiny.SIZE)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_folder_is_named_by_the_variable_else_in_the_users_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kept_folder() == folder
    monkeypatch.delenv("PACELINE_BACKENDS")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert kept_folder() == Path("/somewhere/paceline/backends")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert kept_folder() == Path("/home/me/.cache/paceline/backends")


@pytest.mark.slow
def test_it_is_made_once_and_again_only_if_it_is_not_whole_or_not_the_same(folder: Path, wheel: str) -> None:
    told: list[str] = []
    environment = Environment(name="tiny-1.0", requires=("--no-index", wheel), megabytes=1)
    assert not environment.ready
    python = environment.make(told.append)
    assert (size(python), environment.ready) == ("1", True)
    assert told == [f"installing tiny-1.0 into {environment.folder} (about 1 MB; it is kept)"]
    assert environment.folder.parent == folder

    made = python.lstat().st_mtime_ns
    assert environment.make(told.append) == python
    assert (len(told), python.lstat().st_mtime_ns) == (1, made)

    # Broken off before its last word: begun anew, and nothing of the torso is left.
    (environment.folder / "paceline.json").unlink()
    (environment.folder / "torso").touch()
    assert not environment.ready
    assert size(environment.make(told.append)) == "1"
    assert (len(told), (environment.folder / "torso").exists()) == (2, False)

    assert not Environment(name="tiny-1.0", requires=("tiny==2.0",)).ready
    python.unlink()  # as when the Python that it was made of is upgraded away
    assert not environment.ready


@pytest.mark.slow
def test_two_processes_that_want_it_make_it_once(folder: Path, wheel: str) -> None:
    program = f"""
from paceline_integrations.backends import Environment
Environment(name="tiny", requires=("--no-index", {wheel!r}), megabytes=1).make(print)
"""
    both = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) for _ in range(2)]
    said = sorted(each.communicate(timeout=55)[0].decode() for each in both)
    assert [each.returncode for each in both] == [0, 0]
    assert [line.split()[0] for text in said for line in text.splitlines()] in (
        ["installing", "waiting"],
        ["installing"],  # the other one came when all was done
    )


@pytest.mark.slow
def test_no_network_is_told_with_what_pip_said_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    environment = Environment(name="absent-1.0", requires=("paceline-no-such-package==1.0",), megabytes=1)
    with pytest.raises(
        BackendError, match=r"absent-1\.0 could not be installed into .* needs the network"
    ) as e:
        environment.make()
    assert "No matching distribution found for paceline-no-such-package==1.0" in e.value.log
    assert not environment.ready


def test_too_little_room_is_told_before_anything_is_installed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nearly_full(_: object) -> SimpleNamespace:
        return SimpleNamespace(free=50 * 2**20)

    monkeypatch.setattr(shutil, "disk_usage", nearly_full)
    environment = Environment(name="large", requires=("large",), megabytes=900)
    with pytest.raises(
        BackendError, match=r"large takes about 900 MB, but .* only 50 MB left; PACELINE_BACKENDS"
    ):
        environment.make()
    assert not environment.folder.exists()


def test_a_folder_that_cannot_be_made_is_told_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PACELINE_BACKENDS", str(tmp_path / "file" / "below"))
    with pytest.raises(
        BackendError, match=r"cannot be installed below .*file.*below: .*names another folder"
    ):
        Environment(name="tiny", requires=("tiny",)).make()


def test_the_command_lists_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert capsys.readouterr().out == "phoenix: not installed\nmlflow: not installed\n"


def test_the_command_tells_what_cannot_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PACELINE_BACKENDS", str(tmp_path / "file"))
    assert main(["install", "mlflow"]) == 1
    assert "mlflow-3.17.2 cannot be installed below" in capsys.readouterr().err


def test_the_command_refuses_names_that_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["install", "jaeger"])
    assert "there is no backend named 'jaeger'; known: phoenix, mlflow" in capsys.readouterr().err
