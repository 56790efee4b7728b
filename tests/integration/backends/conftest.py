"""Phoenix and MLflow, started once for all tests here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from paceline_integrations.backends import Backend, Environment, MLflow, Phoenix, kept_folder

HOW = "python -m paceline_integrations.backends install"


def make(environment: Environment, how: str) -> Path:
    """Its interpreter: made in CI, and where a folder is named for it; else only used where it is there."""
    if not (environment.ready or os.environ.get("CI") or os.environ.get("PACELINE_BACKENDS")):
        pytest.skip(f"{environment.name} is not installed; this does it: {how}")
    return environment.make(print)


def _started(kind: type[Backend]) -> Iterator[Backend]:
    make(kind.environment, HOW)
    with kind() as backend:
        yield backend


@pytest.fixture(scope="session")
def environ() -> dict[str, str]:
    """For commands: with what was installed, which tests do not see themselves."""
    return {**os.environ, "PACELINE_BACKENDS": str(kept_folder())}


@pytest.fixture(scope="session")
def phoenix() -> Iterator[Backend]:
    yield from _started(Phoenix)


@pytest.fixture(scope="session")
def mlflow() -> Iterator[Backend]:
    yield from _started(MLflow)
