"""The suite under pytest alone, in a process of its own: no plugin, warnings are errors."""

import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
from contextlib import aclosing, asynccontextmanager

from paceline import current_job
from paceline.testing.adapter_suite import AdapterSuite, Provided


class TestOne(AdapterSuite):
    lacks = {"errors": "it classifies nothing", "suspend": "it asks nobody"}
    patience = 1.0

    @asynccontextmanager
    async def provide(self, scene):
        async def recite(payload):
            job, said = current_job(), []
            async with aclosing(scene.play()) as chunks:
                async for chunk in chunks:
                    job.emit(chunk)
                    said.append(chunk)
            job.usage(scene.usage)
            return "".join(said)

        yield Provided(recite, objects={1, 2})
"""


def run(folder: Path, module: str, *options: str) -> "subprocess.CompletedProcess[str]":
    (folder / "test_mine.py").write_text(module)
    command = [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "-rs", *options]
    return subprocess.run(
        [*command, "test_mine.py"], cwd=folder, capture_output=True, text=True, timeout=50, check=False
    )


def test_a_module_with_one_class_is_all_that_is_written(tmp_path: Path) -> None:
    done = run(tmp_path, MODULE, "--strict-markers", "-W", "error")
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "lacks suspend: it asks nobody" in done.stdout


@pytest.mark.parametrize("broken", ["job.usage(scene.usage)", "job.emit(chunk)"])
def test_a_broken_promise_is_told_in_words_and_not_in_frames(tmp_path: Path, broken: str) -> None:
    done = run(tmp_path, MODULE.replace(broken, "pass"))
    assert done.returncode == 1
    assert "PromiseBroken" in done.stdout
    assert broken.partition("(")[0].replace("job", "ctx") in done.stdout  # what to call
    assert "base_events.py" not in done.stdout


def test_pytest_is_not_needed_to_import_it() -> None:
    program = "import sys, paceline.testing.adapter_suite; assert 'pytest' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=50)
