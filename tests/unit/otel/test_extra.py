"""What is said where OpenTelemetry is not installed."""

import importlib
import sys

import pytest


def test_without_the_extra_the_import_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tuple(sys.modules):
        if name.startswith("paceline_integrations.otel"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    with pytest.raises(ImportError, match=r'pip install "paceline\[otel\]"') as caught:
        importlib.import_module("paceline_integrations.otel")
    assert isinstance(caught.value.__cause__, ImportError)
