"""Phoenix and MLflow, started once for all tests here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from paceline_integrations.backends import Backend, Environment, MLflow, Phoenix, kept_folder

HOW = "python -m paceline_integrations.backends install"
KEPT = str(kept_folder())
"""As the shell has it: in a test nothing of that is seen."""
WANTED = bool(os.environ.get("CI") or os.environ.get("PACELINE_BACKENDS"))


def make(environment: Environment, how: str) -> Path:
    """Its interpreter: made in CI, and where a folder is named for it; else only used where it is there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PACELINE_BACKENDS", KEPT)
        if not (WANTED or environment.ready):
            pytest.skip(f"{environment.name} is not installed; this does it: {how}")
        return environment.make(print)


def _started(kind: type[Backend]) -> Iterator[Backend]:
    make(kind.environment, HOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PACELINE_BACKENDS", KEPT)
        backend = kind().__enter__()
    try:
        yield backend
    finally:
        backend.__exit__(None, None, None)


@pytest.fixture(scope="session")
def environ() -> dict[str, str]:
    """For commands: with the folder in which things are installed."""
    return {**os.environ, "PACELINE_BACKENDS": KEPT}


@pytest.fixture(scope="session")
def phoenix() -> Iterator[Backend]:
    yield from _started(Phoenix)


@pytest.fixture(scope="session")
def mlflow() -> Iterator[Backend]:
    yield from _started(MLflow)
