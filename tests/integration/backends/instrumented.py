"""What becomes of the spans of frameworks' own instrumentations inside of jobs: counted, as JSON.

    python tests/integration/backends/instrumented.py [--jobs 100] [--set official] [--pair] [--cancel]

Each set runs in a process of its own (`instrumented_work.py`), for instrumentations change the libraries that
they trace; and all in an environment with the versions below, which is made the first time. `--pair` turns on
the client's together with the frameworks', which trace the same calls; `--cancel` cancels groups at work.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from paceline_integrations.backends import Environment

__all__ = ["SETS", "environment", "measure"]

CHECKOUT = Path(__file__).parents[3]
WORK = Path(__file__).with_name("instrumented_work.py")
SETS = ("none", "official", "openinference", "traceloop")
VERSIONS = (
    "langchain==1.4.7",  # the official one for LangChain does nothing without it
    "opentelemetry-instrumentation-genai-langchain==1.3b0",
    "opentelemetry-instrumentation-genai-openai==1.3b0",
    "opentelemetry-instrumentation-genai-openai-agents==1.3b0",
    "openinference-instrumentation-langchain==0.1.80",
    "openinference-instrumentation-openai==0.1.66",
    "openinference-instrumentation-openai-agents==2.6.0",
    "opentelemetry-instrumentation-langchain==0.62.4",
    "opentelemetry-instrumentation-openai==0.62.4",
    "opentelemetry-instrumentation-openai-agents==0.62.4",
)
EXTRAS = ("langchain", "langgraph", "openai", "openai-agents", "otel", "simulator")


def environment() -> Environment:
    """All the instrumentations, and what these extras require; the project itself is where it is.

    Its name changes with what is in it: another checkout may require something else, and be at work.
    """
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = [line for extra in EXTRAS for line in project["optional-dependencies"][extra]]
    requires = (*VERSIONS, *project["dependencies"], *dict.fromkeys(extras))
    digest = hashlib.sha256(repr(requires).encode()).hexdigest()
    return Environment(name=f"instrumentations-{digest[:8]}", requires=requires, megabytes=300)


def measure(python: Path, name: str, jobs: int, *flags: str) -> dict[str, Any]:
    """Run so many jobs with this set, and return what was counted (see `instrumented_work.py`)."""
    packages = os.pathsep.join(str(CHECKOUT / each) for each in ("core", "adapters", "integrations"))
    ended = subprocess.run(
        [str(python), str(WORK), name, str(jobs), *flags],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": packages},
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"{name}: exit code {ended.returncode}\n{ended.stderr[-4_000:]}")
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> None:
    """Measure what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--set", choices=SETS, action="append", dest="sets")
    parser.add_argument("--pair", dest="flags", action="append_const", const="--pair", default=[])
    parser.add_argument("--cancel", dest="flags", action="append_const", const="--cancel")
    said = parser.parse_args()
    python = environment().make(_say)
    found = [measure(python, name, said.jobs, *said.flags) for name in said.sets or SETS]
    sys.stdout.write(f"{json.dumps(found, indent=2)}\n")


if __name__ == "__main__":
    main()
