"""What these tests hear of the log is their own."""

import logging

import pytest


@pytest.fixture(autouse=True)
def _exporters_that_other_tests_left_at_work_are_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("opentelemetry.exporter"), "propagate", False)
