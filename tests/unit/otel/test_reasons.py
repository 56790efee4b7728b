"""Why something did not arrive is told in plain words, where the library's are known."""

import pytest

from paceline_integrations.otel._configure_reasons import in_plain_words

PLACE = "http://host:4318"
TRACES = f"{PLACE}/v1/traces"


@pytest.mark.parametrize(
    ("said", "target", "told"),
    [
        (
            "Transient error HTTPConnectionPool(): [Errno 111] Connection refused",
            TRACES,
            f"nothing listens at {PLACE} (connection refused): is it running?",
        ),
        (
            "NameResolutionError(Failed to resolve 'host')",
            TRACES,
            "there is no host 'host', as far as this machine knows",
        ),
        ("HTTPConnectionPool(): Read timed out.", TRACES, f"{PLACE} did not answer in time"),
        (
            "Failed to export spans batch code: 401, reason: Unauthorized",
            TRACES,
            "it answered 401 (Unauthorized)",
        ),
        ("Failed to export spans batch code: 404, reason: Not Found", TRACES, "it answered 404 (Not Found)"),
        (
            "Failed to export spans batch code: 404, reason: Not Found",
            PLACE,
            f"it answered 404 (Not Found): most backends take spans at {TRACES}",
        ),
        (
            "Failed to export metrics batch code: 404, reason: no",
            f"{PLACE}/v1/metrics",
            "it answered 404 (no)",
        ),
        ("something else", TRACES, None),
        ("Connection refused", "console", "nothing listens at console (connection refused): is it running?"),
    ],
)
def test_a_reason_is_told_in_plain_words(said: str, target: str, told: str | None) -> None:
    assert in_plain_words(said, target) == told
