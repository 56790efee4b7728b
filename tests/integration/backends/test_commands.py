"""The whole way to a trace in a real backend by one command: `paceline demo --traces`, `paceline run`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from paceline_integrations.backends import Backend, MLflow, Phoenix

from .conftest import HOW, make

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COMMAND = [sys.executable, "-c", "from paceline_integrations.cli import main; main()"]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    for number in range(2):
        (tmp_path / f"{number}.md").write_text(f"# Text {number}\n" + f"word {number} " * 400)
    return tmp_path


@pytest.fixture(scope="module")
def _installed() -> None:
    for each in (Phoenix, MLflow):
        make(each.environment, HOW)


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(("name", "title"), [("phoenix", "Phoenix"), ("mlflow", "MLflow")])
def test_its_traces_are_shown_as_the_backend_has_them(
    environ: dict[str, str], texts: Path, name: str, title: str
) -> None:
    ended = subprocess.run(
        [*COMMAND, "demo", str(texts), "--traces", name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environ,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    told = ended.stdout.partition("The traces, ")[2]
    # Two runs, two groups, and each of the six questions on each of the two texts in both runs.
    assert told.startswith(f"as {title} has them: {2 + 2 + 24} spans")
    lines = [re.sub(r"  .*", "", line.lstrip("│├└─ ")) for line in told.splitlines()]
    assert [lines.count(f"✔ paceline.group {number}.md") for number in range(2)] == [1, 1]
    assert (
        lines.count("✔ invoke_workflow demo-in-groups") == lines.count("✔ invoke_workflow demo-at-once") == 1
    )
    assert (lines.count("✔ primer ask"), lines.count("✔ follower ask"), lines.count("✔ job ask")) == (
        2,
        10,
        3,
    )
    assert re.search(r"follower ask .* in, [\d,]+ cached, 48 out", told)
    address = told.split()[-1]
    assert address.startswith("http://127.0.0.1:")
    with pytest.raises(OSError, match="refused"):  # it has ended with the command
        urllib.request.urlopen(address, timeout=5.0)  # noqa: S310 - loopback


@pytest.mark.parametrize("name", ["phoenix", "mlflow"])
def test_a_run_is_traced_to_where_the_variables_of_a_backend_say(
    request: pytest.FixtureRequest, environ: dict[str, str], tmp_path: Path, name: str
) -> None:
    backend: Backend = request.getfixturevalue(name)
    before = len(backend.spans())
    (tmp_path / "mine.py").write_text("def shout(text: str) -> str:\n    return text.upper()\n")
    group = {"group": "words", "primer": "tea", "followers": ["milk", "cake"]}
    (tmp_path / "groups.jsonl").write_text(f"{json.dumps(group)}\n")
    ended = subprocess.run(
        [*COMMAND, "run", "groups.jsonl", "--executor", "mine:shout", "--out", "results.jsonl"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**environ, **backend.variables, "PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    trace_id = backend.spans(at_least=before + 5)[-1].trace_id
    spans = backend.spans(trace_id)
    names = {span.span_id: span.name for span in spans}
    assert sorted((span.name, names.get(span.parent_id or "")) for span in spans) == [
        ("follower shout", "paceline.group words"),
        ("follower shout", "paceline.group words"),
        ("invoke_workflow run", None),
        ("paceline.group words", "invoke_workflow run"),
        ("primer shout", "paceline.group words"),
    ]
